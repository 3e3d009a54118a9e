// Puts the page together from its data.

function start() {
  const data = JSON.parse(byId("data").textContent);
  const source = episodeSource(data);
  offerStatic(byId("result"));
  const sections = { accuracy: accuracySection, trajectory: trajectorySection, genealogy: genealogySection, rounds: roundsSection };
  for (const [id, build] of Object.entries(sections)) put(id, () => build(data));
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
  // What has to be unpacked comes after what can be read at once.
  setTimeout(() => {
    if (data.absent) return ["theatre", "failures"].forEach((id) => byId(id).append(h("p", { class: "quiet" }, data.absent)));
    put("theatre", () => theatreSection(data, source)); put("failures", () => failuresSection(data, source));
  });
  setTimeout(() => put("compare", () => compareSection(data, source)));
  if (returning) setTimeout(comeBack);
  if (data.live) follow(data.live);
}
// One section that cannot be shown leaves the others.
function put(id, build) {
  try { build(); } catch (error) { byId(id).append(h("p", { class: "bad" }, `This part cannot be shown: ${error.message}`)); console.error(error); }
}

// While a run goes on its page follows it. Where that would take from readers what they are at, a line says that there is
// more, and they decide when to see it.
const atWork = () => document.querySelector("[data-playing]") || document.activeElement.type === "search" || String(getSelection());
function follow(live) {
  const line = byId("news");
  const look = async () => {
    try {
      const now = await (await fetch(live.state)).json();
      const more = now.version !== live.version;
      line.hidden = now.ended && !more;
      if (more && !atWork()) return loadAgain();
      if (more) { if (!byId("news-link")) line.replaceChildren("There is more to see. ", h("a", { href: location.pathname, id: "news-link" }, "Show it")); } else if (!now.ended) line.textContent = `${now.rounds} of ${now.planned} rounds; ${now.doing}`;
      setTimeout(look, 2000);
    } catch { line.textContent = "The server does not answer any more."; line.hidden = false; setTimeout(look, 10000); }
  };
  setTimeout(look, 2000);
}
start();
