// The list of runs: searched and sorted, the chosen ones side by side, and all of it kept up to date.

const SORTS = { date: "newest first", score: "best score first", cost: "cheapest first", name: "by name" };
const dateOf = (card) => (card.date ? Date.parse(card.date) || 0 : 0);
const ORDERS = {
  date: (a, b) => dateOf(b) - dateOf(a), score: (a, b) => (b.score ? b.score[0] : -Infinity) - (a.score ? a.score[0] : -Infinity),
  cost: (a, b) => costOf(a) - costOf(b), name: () => 0,
};
const costOf = (card) => (card.cost === null || card.cost === undefined ? 0 : typeof card.cost === "number" ? card.cost : Infinity);
const spent = (card) => (card.trouble ? dash : card.calls ? money(card.cost) : card.calls === 0 ? "no calls" : dash);
const when = (card, parts) => (dateOf(card) ? new Date(dateOf(card)).toLocaleString("en-GB", parts) : dash);

const told = JSON.parse(byId("data").textContent);
let cards = told.cards;
const link = linkedTo("runs");
const state = { text: link.text || "", sort: choice(link.sort, Object.keys(SORTS), "date"), set: link.set || "", chosen: [] };

const choosable = (card) => !card.trouble && (card.curves.search || card.curves.heldout) && (card.steps.length || card.ended);
const find = (name) => cards.find((each) => each.name === name);
// A run keeps its style while it is chosen.
const styleOfRun = (name) => LINES[state.chosen.indexOf(name)];
const sorted = () => [...cards].sort((a, b) => ORDERS[state.sort](a, b) || (a.name < b.name ? -1 : 1));

// Where a run has the words searched for: null if nowhere, else the candidate that has them, or "" for the run itself.
function found(card, words) {
  const own = [card.name, card.title, card.label, card.idea, card.explorer, ...(card.grids ? [...card.grids.search, ...card.grids.heldout] : [])].join(" ").toLowerCase();
  if (words.every((word) => own.includes(word))) return "";
  return (card.ideas || []).find((idea) => { const text = idea.join(" ").toLowerCase(); return words.every((word) => text.includes(word)); }) || null;
}
function marked(text, words) {
  const low = text.toLowerCase(), parts = [];
  let at = 0;
  while (words.length) {
    const next = words.map((word) => [low.indexOf(word, at), word.length]).filter(([place]) => place >= 0).sort((a, b) => a[0] - b[0])[0];
    if (!next || low.length !== text.length) break;
    parts.push(text.slice(at, next[0]), h("mark", {}, text.slice(next[0], next[0] + next[1])));
    at = next[0] + next[1];
  }
  return [...parts, text.slice(at)];
}

// The best score so far by round, with the best baseline as a line of dashes.
function sparkline(card) {
  const steps = card.steps.filter((each) => each[1] !== null), level = card.level && card.level.score;
  if (!steps.length) return h("span", { class: "under" }, "no round yet");
  const [width, height, values] = [130, 34, [...steps.map((each) => each[1]), ...(card.level ? [level] : [])]];
  const [low, high] = [Math.min(...values), Math.max(...values)], last = steps[steps.length - 1];
  const X = (round) => 4 + ((round - 1) / Math.max(1, card.planned - 1)) * (width - 8), Y = (value) => height - 4 - ((value - low) / (high - low || 1)) * (height - 8);
  return s("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `best score so far: ${steps.map((each) => `round ${each[0]} ${fixed(each[1], 2)}`).join(", ")}${card.level ? `; best baseline ${card.level.name} ${fixed(level, 2)}` : ""}` },
    card.level && s("line", { x1: 0, x2: width, y1: Y(level), y2: Y(level) }),
    s("path", { d: steps.map(([round, value], i) => (i ? `H${X(round).toFixed(1)}V${Y(value).toFixed(1)}` : `M${X(round).toFixed(1)} ${Y(value).toFixed(1)}`)).join("") }),
    s("circle", { cx: X(last[0]), cy: Y(last[1]), r: 2.8 }));
}

function row(card, words, match) {
  const chosen = state.chosen.includes(card.name), cell = (head, ...inside) => h("td", { "data-head": head }, inside);
  if (card.trouble) return h("tr", {}, h("td", { class: "which" }), h("td", { class: "wide", colspan: 6 }, h("span", { class: "run-name" }, marked(card.name, words)), h("div", { class: "bad" }, `It cannot be read: ${card.trouble}`)));
  return h("tr", {},
    h("td", { class: "which" }, h("label", {}, h("input", { type: "checkbox", checked: chosen, disabled: !choosable(card), "data-run": card.name, "aria-label": `Show ${card.name} side by side`, onchange: () => toggle(card.name) }), chosen ? swatch(styleOfRun(card.name)) : h("span", { class: "free" }))),
    h("td", { class: "wide" }, h("a", { class: "run-name", href: `/runs/${encodeURIComponent(card.name)}/` }, marked(card.name, words)),
      h("div", { class: "run-idea" }, card.title ? [h("span", { class: "run-title" }, marked(card.title, words), card.label !== card.title && !card.title.includes(card.label) ? ` ${card.label}` : ""), card.idea ? ": " : "", marked(card.idea, words)] : card.doing),
      match && h("div", { class: "match" }, marked(`${match[0]}${match[1] === match[0] ? "" : ` ${match[1]}`}: ${match[2]}`, words))),
    cell("best by round", sparkline(card), h("span", { class: card.ended ? "under" : "under going" }, card.ended ? `${card.rounds} of ${card.planned} rounds` : `${card.rounds} of ${card.planned}, ${card.doing}`)),
    cell("score, %", h("span", { class: "score" }, card.score ? fixed(card.score[0], 2) : dash), card.score && h("span", { class: "under" }, `${fixed(card.score[1], 2)} … ${fixed(card.score[2], 2)}`), card.score && h("span", { class: "under" }, `${card.objective}, ${card.set}`)),
    cell("explorer", marked(card.explorer, words)),
    cell("cost", spent(card), typeof card.minutes === "number" && h("span", { class: "under" }, `${whole(card.minutes)} minutes`)),
    cell("begun", when(card, { day: "numeric", month: "short", year: "numeric" }), dateOf(card) ? h("span", { class: "under" }, when(card, { hour: "2-digit", minute: "2-digit" })) : null));
}

const body = h("tbody", {}), count = h("span", { class: "count", "aria-live": "polite" });
function drawList() {
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = sorted().map((card) => [card, found(card, words)]).filter(([, match]) => match !== null);
  const focus = document.activeElement && document.activeElement.dataset.run;
  body.replaceChildren(...shown.map(([card, match]) => row(card, words, match)));
  if (!shown.length) body.append(h("tr", {}, h("td", { class: "wide", colspan: 7 }, `No run has “${state.text}” in its name, its explorer, its grids or its candidates’ ideas.`)));
  if (focus) (body.querySelector(`[data-run="${CSS.escape(focus)}"]`) || byId("runs-text")).focus();
  const going = cards.filter((each) => !each.ended).length;
  count.textContent = `${words.length ? `${shown.length} of ` : ""}${cards.length} run${cards.length === 1 ? "" : "s"}${going ? `, ${going} going on` : ""}`;
}
function toggle(name) {
  state.chosen = state.chosen.includes(name) ? state.chosen.filter((each) => each !== name) : [...state.chosen, name].slice(-LINES.length);
  draw();
  remember();
}
const remember = () => writeLink("runs", { text: state.text, sort: state.sort === "date" ? "" : state.sort, set: state.set, show: JSON.stringify(state.chosen) });

const host = h("div", {});
const partNames = { heldout: "held-out set", search: "search set" };
function drawOverlay() {
  const chosen = state.chosen.map(find).filter(Boolean);
  if (!chosen.length) { host.replaceChildren(h("p", { class: "quiet" }, "Tick runs in the list: their curves appear here over one another.")); return; }
  const sets = ["heldout", "search"].filter((part) => chosen.some((each) => each.curves[part])), part = sets.includes(state.set) ? state.set : sets[0];
  const here = chosen.filter((each) => each.curves[part] && each.curves[part].own.length), missing = chosen.filter((each) => !here.includes(each));
  const alike = new Set(here.map((each) => each.same[part])).size < 2;
  const point = ([b, tokens, y, low, high]) => ({ x: tokens, y, low, high, tip: [beta(b), `${fixed(y, 2)} %${low === null ? "" : ` (${fixed(low, 2)} … ${fixed(high, 2)})`}`, `${whole(tokens)} tokens`] });
  const byTokens = (rows) => rows.map(point).sort((a, b) => a.x - b.x);
  const lines = here.map((each) => ({ name: each.name, style: styleOfRun(each.name), points: byTokens(each.curves[part].own), band: here.length < 3 }));
  const reference = alike && here.find((each) => each.curves[part].sc.length);
  const sc = reference && { name: "self-consistency", style: ["var(--quiet)", "dot"], points: byTokens(reference.curves[part].sc), faint: true };
  const steps = chosen.filter((each) => each.steps.some((step) => step[1] !== null)).map((each) => ({ name: each.name, style: styleOfRun(each.name), step: true,
    points: each.steps.filter((step) => step[1] !== null).map(([x, y]) => ({ x, y, low: null, high: null, tip: [`best so far ${fixed(y, 2)}`, `round ${x}`] })) }));
  const objectives = [...new Set(chosen.map((each) => each.objective))], levels = new Map(chosen.filter((each) => each.level).map((each) => [`${each.level.name} ${each.level.score}`, each.level]));
  const [curves, search] = [h("div", {}), h("div", {})];
  host.replaceChildren(...[
    h("div", { class: "controls" }, sets.length > 1 && select("Set", sets.map((each) => [each, partNames[each]]), part, (value) => { state.set = value; drawOverlay(); remember(); }, { id: "overlay-set" })),
    h("div", { class: "legend plain" }, chosen.map((each) => h("span", {}, swatch(styleOfRun(each.name)), each.name)), sc && h("span", {}, swatch(sc.style), sc.name)),
    !alike && h("p", { class: "bad" }, "These runs have other grids, costs or objectives than one another: their curves stand on one chart, and do not compare."),
    missing.length > 0 && h("p", { class: "quiet" }, `Without a curve on the ${partNames[part]}: ${missing.map((each) => each.name).join(", ")}.`),
    h("div", { class: "pictures" }, h("div", {}, h("h3", {}, `Accuracy against tokens, ${partNames[part]}`), curves), h("div", {}, h("h3", {}, "Best score so far, search set"), search)),
    folded("Figures", () => table(["run", "#β", "#accuracy, %", "#interval", "#tokens"], here.flatMap((each) => each.curves[part].own.map(([b, tokens, y, low, high]) => [each.name, b === null ? dash : String(b), fixed(y, 2), low === null ? dash : `${fixed(low, 2)} … ${fixed(high, 2)}`, whole(tokens)])), `Accuracy against tokens, ${partNames[part]}`)),
  ].filter(Boolean));
  chart(curves, { title: `Accuracy of ${here.length} runs against tokens, ${partNames[part]}`, height: 320, log: true, percent: true, xLabel: "tokens a question (log scale)", yLabel: "accuracy, %", series: [...(sc ? [sc] : []), ...lines] });
  chart(search, { title: "Best score so far of each run by round", height: 320, xLabel: "round", yLabel: objectives.length === 1 ? `objective (${objectives[0]}), %` : "objective, %", series: steps,
    xTicks: [...new Set(steps.flatMap((each) => each.points.map((p) => p.x)))].sort((a, b) => a - b).filter((n, _, all) => all.length <= 20 || n % 5 === 0),
    rules: levels.size === 1 ? [...levels.values()].map((level) => ({ y: level.score, name: `best baseline: ${level.name}` })) : [] });
}
function draw() { drawList(); drawOverlay(); }

// Shown at first: the runs of the link, else the newest of the most runs that compare with one another.
function firstChosen() {
  const linked = (() => { try { return JSON.parse(link.show); } catch { return null; } })();
  if (Array.isArray(linked)) return linked.filter((name) => find(name) && choosable(find(name))).slice(0, LINES.length);
  const ready = sorted().filter(choosable), key = (each) => JSON.stringify(each.same);
  const most = ready.map((each) => ready.filter((other) => key(other) === key(each))).sort((a, b) => b.length - a.length)[0] || [];
  return most.slice(0, 4).map((each) => each.name);
}

async function follow() {
  try {
    const now = await (await fetch("/cards")).json();
    if (JSON.stringify(now) !== JSON.stringify(cards)) {
      cards = now;
      state.chosen = state.chosen.filter(find);
      if (!state.chosen.length) state.chosen = firstChosen();
      draw();
    }
    document.documentElement.dataset.followed = String(+(document.documentElement.dataset.followed || 0) + 1);
    count.classList.remove("bad");
  } catch { count.textContent = "The server does not answer any more."; count.classList.add("bad"); }
  setTimeout(follow, cards.some((each) => !each.ended) ? 2000 : 10000);
}

byId("runs").append(
  h("div", { class: "controls" },
    h("label", { class: "field" }, h("span", {}, "Search names and ideas"), h("input", { type: "search", id: "runs-text", value: state.text, oninput: (event) => { state.text = event.target.value; drawList(); remember(); } })),
    select("Order", Object.entries(SORTS), state.sort, (value) => { state.sort = value; drawList(); remember(); }, { id: "runs-sort" }), count),
  h("table", { class: "runs" }, h("caption", { class: "unseen" }, `Runs in ${told.folder}`), h("thead", {}, h("tr", {}, ["show", "run, and the controller that it found", "best by round", "score, %", "explorer", "cost", "begun"].map((head) => h("th", { scope: "col" }, head)))), body));
byId("overlay").append(host);
state.chosen = firstChosen();
draw();
document.documentElement.dataset.ready = "yes";
setTimeout(follow, 2000);
