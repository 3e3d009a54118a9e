// Permalinks: the part of the page and its choices in the URL's fragment, as in #theatre?question=3&a=r2-01&step=12.

// The part that the URL names, and its choices as text; both empty without any.
function readLink() {
  const [part, query] = location.hash.slice(1).split("?");
  return { part, values: Object.fromEntries(new URLSearchParams(query || "")) };
}
const asked = readLink();
const linkedTo = (part) => (asked.part === part ? asked.values : {});

// A fragment is written once things have come to rest: browsers allow few changes a second.
let linkTimer = null, restoring = false;
function writeLink(part, values) {
  if (restoring) return;
  clearTimeout(linkTimer);
  const kept = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  linkTimer = setTimeout(() => window.history.replaceState(null, "", `#${part}?${new URLSearchParams(kept.map(([name, value]) => [name, String(value)]))}`), 250);
}
// A page loads itself again when its run has gone on, and comes back to the place and the choices that it had.
const PLACE = `place ${location.pathname}`;
const returning = (() => { try { const text = sessionStorage.getItem(PLACE); sessionStorage.removeItem(PLACE); return JSON.parse(text); } catch { return null; } })();
function loadAgain() {
  const panels = [...document.querySelectorAll(".panel[id]")], panel = panels.filter((each) => each.getBoundingClientRect().top < 100).pop();
  const fields = [...document.querySelectorAll(["accuracy", "trajectory", "genealogy"].map((id) => `#${id} :is(select, input)[id]`).join())];
  sessionStorage.setItem(PLACE, JSON.stringify({
    panel: panel ? panel.id : "", offset: panel ? panel.getBoundingClientRect().top : -scrollY, open: [...document.querySelectorAll("details[open][id]")].map((each) => each.id),
    // A slider at its end follows the rounds.
    fields: fields.filter((each) => each.type !== "range" || each.value !== each.max).map((each) => [each.id, each.type === "checkbox" ? each.checked : each.value]),
  }));
  location.reload();
}
async function comeBack() {
  const moment = (wait) => new Promise((done) => setTimeout(done, wait));
  restoring = true;
  for (const [id, value] of returning.fields) {
    const field = byId(id);
    if (!field || value === (field.type === "checkbox" ? field.checked : field.value)) continue;
    if (field.type === "checkbox") field.checked = value; else field.value = value;
    field.dispatchEvent(new Event(field.tagName === "SELECT" || field.type === "checkbox" ? "change" : "input"));
  }
  restoring = false;
  // What is folded is made when it is opened, and parts above may still grow.
  for (const wait of [0, 100, 400, 1000]) {
    await moment(wait);
    for (const id of returning.open) if (byId(id)) byId(id).open = true;
    const panel = byId(returning.panel);
    scrollTo({ top: (panel ? panel.getBoundingClientRect().top + scrollY : 0) - returning.offset, behavior: "instant" });
  }
}
// Files that a server behind the page makes for a paper.
const paperLinks = (data, name) => (data.live ? { PDF: `${data.live.paper}/${name}.pdf` } : {});
const choice = (value, allowed, otherwise) => (value !== undefined && allowed.map(String).includes(value) ? allowed[allowed.map(String).indexOf(value)] : otherwise);
