// Puts the page together from its data.

function start() {
  const data = JSON.parse(byId("data").textContent);
  const source = episodeSource(data);
  const sections = { accuracy: accuracySection, trajectory: trajectorySection, rounds: roundsSection };
  for (const [id, build] of Object.entries(sections)) put(id, () => build(data));
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
  // What has to be unpacked comes after what can be read at once.
  setTimeout(() => { put("theatre", () => theatreSection(data, source)); put("failures", () => failuresSection(data, source)); });
  if (data.live) follow(data.live);
}
// One section that cannot be shown leaves the others.
function put(id, build) {
  try { build(); } catch (error) { byId(id).append(h("p", { class: "bad" }, `This part cannot be shown: ${error.message}`)); console.error(error); }
}

// While a run goes on its page follows it: a line says that there is more, and the reader decides when to see it.
function follow(live) {
  const line = byId("news");
  const look = async () => {
    try {
      const now = await (await fetch(live.state)).json();
      const more = now.version !== live.version;
      line.hidden = now.ended && !more;
      if (more) { if (!byId("news-link")) line.replaceChildren("There is more to see. ", h("a", { href: location.pathname, id: "news-link" }, "Show it")); } else if (!now.ended) line.textContent = `${now.rounds} of ${now.planned} rounds; ${now.doing}`;
      setTimeout(look, 2000);
    } catch { line.textContent = "The server does not answer any more."; line.hidden = false; setTimeout(look, 10000); }
  };
  setTimeout(look, 2000);
}
start();
