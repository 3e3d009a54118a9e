// Candidates as a tree by parent, a column for each round, coloured by score; the same as a list to filter and sort.

const SORTS = {
  score: (x, y) => (y.score ?? -Infinity) - (x.score ?? -Infinity), round: (x, y) => x.round - y.round || (x.label < y.label ? -1 : 1),
  mechanism: (x, y) => (x.family || "~").localeCompare(y.family || "~") || SORTS.score(x, y),
  explorer: (x, y) => x.explorer.localeCompare(y.explorer) || SORTS.score(x, y),
};

function genealogySection(data) {
  const section = byId("genealogy");
  const every = data.rounds.flatMap((round) => round.candidates.map((each) => ({ ...each, round: round.number, score: each.interval ? each.interval[0] : null })));
  if (!every.length) { section.append(h("p", { class: "quiet" }, "No candidate has been proposed yet.")); return; }
  const link = linkedTo("genealogy"), state = { explorer: link.explorer || "", family: link.mechanism || "", scored: choice(link.score, ["full", ...(data.baseline ? ["above"] : [])], ""), text: link.text || "", sort: choice(link.sort, Object.keys(SORTS), "score"), shown: 30 };
  const families = [...new Set(every.map((each) => each.family).filter(Boolean))].sort(), explorers = [...new Set(every.map((each) => each.explorer))];
  const tree = h("div", { class: "scroll tree", tabindex: 0, role: "region", "aria-label": "Candidates by parent" }), list = h("div", {}), treeSave = h("div", {}), tally = h("p", { class: "quiet", "aria-live": "polite" });
  const change = (values) => { Object.assign(state, { shown: 30 }, values); draw(); writeLink("genealogy", { explorer: state.explorer, mechanism: state.family, score: state.scored, text: state.text, sort: state.sort }); };
  const fits = (each) => (!state.explorer || each.explorer === state.explorer) && (!state.family || each.family === state.family) && (!state.scored || (each.score !== null && (state.scored === "full" || each.score > data.baseline.score)))
    && (!state.text || `${each.label} ${each.name} ${each.idea} ${each.doc} ${each.family}`.toLowerCase().includes(state.text.toLowerCase()));
  section.append(h("p", { class: "quiet" }, "A line leads from a candidate to its parent: the one that its idea names (solid), else the one that shares most of its lines (dashed)."),
    h("div", { class: "controls" },
      explorers.length > 1 ? select("Explorer", [["", "all"], ...explorers.map((name) => [name, name])], state.explorer, (value) => change({ explorer: value }), { id: "genealogy-explorer" }) : null,
      families.length > 1 ? select("Mechanism", [["", "all"], ...families.map((name) => [name, name])], state.family, (value) => change({ family: value }), { id: "genealogy-mechanism" }) : null,
      select("Score", [["", "all"], ["full", "evaluated in full"], ...(data.baseline ? [["above", `above ${data.baseline.name}, the best baseline`]] : [])], state.scored, (value) => change({ scored: value }), { id: "genealogy-score" }),
      select("Sort by", ["score", "round", "mechanism", ...(explorers.length > 1 ? ["explorer"] : [])].map((name) => [name, name]), state.sort, (value) => change({ sort: value }), { id: "genealogy-sort" }),
      h("label", { class: "field" }, h("span", {}, "Text"), h("input", { type: "search", id: "genealogy-text", value: state.text, oninput: (event) => change({ text: event.target.value }) }))),
    tree, treeSave, scoreLegend(every), tally, list);

  function draw() {
    const kept = every.filter(fits).sort(SORTS[state.sort]);
    const drawn = treeView(every, new Set(kept.map((each) => each.label)), data.selected);
    tree.replaceChildren(drawn);
    treeSave.replaceChildren(saveRow("Genealogy of the candidates", svgForm("Genealogy of the candidates", () => drawn)));
    tally.textContent = `${kept.length} of ${every.length} candidates`;
    list.replaceChildren(table(["candidate", "#round", "parent", ...(explorers.length > 1 ? ["explorer"] : []), "mechanism", "#score", "idea", ""], kept.map((each) => ({ marked: each.label === data.selected, cells: [
      h("button", { type: "button", class: "link", onclick: () => openCandidate(each.label, each.round) }, each.label), String(each.round), each.parent ? each.parent.label : dash, ...(explorers.length > 1 ? [each.explorer] : []), each.family || dash,
      each.status === "ok" ? (each.interval ? between(each.interval) : each.screening !== null ? `screened ${fixed(each.screening, 2)}` : dash) : each.status.replaceAll("_", " "), cut(each.idea || "", 120),
      each.parent ? h("button", { type: "button", class: "link", "aria-label": `Compare ${each.label} with its parent`, onclick: () => openComparison(each.parent.label, each.label) }, "compare") : ""] })), "Candidates", state.shown),
      kept.length > state.shown ? h("button", { type: "button", onclick: () => { state.shown += 50; draw(); } }, `Show more (${kept.length - state.shown} left)`) : "");
  }
  draw();
}

const scoresOf = (every) => every.map((each) => each.score).filter((score) => score !== null);
const shade = (score, low, high) => `color-mix(in srgb, var(--ink) ${Math.round(12 + 88 * (high > low ? (score - low) / (high - low) : 1))}%, var(--panel))`;
function scoreLegend(every) {
  const scores = scoresOf(every), [low, high] = [Math.min(...scores), Math.max(...scores)];
  return h("div", { class: "legend plain" }, scores.length ? h("span", {}, h("i", { class: "chip ramp" }), `score ${fixed(low, 2)} … ${fixed(high, 2)}`) : null,
    h("span", {}, s("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, s("circle", { r: 5, class: "node unscored" })), "screened only, or failed"),
    h("span", {}, s("svg", { width: 18, height: 18, viewBox: "-9 -9 18 18", "aria-hidden": "true" }, mark("star", "var(--selected)", 0, 0, 5)), "selected"));
}
function treeView(every, kept, selected) {
  const rounds = [...new Set(every.map((each) => each.round))], gap = rounds.length > 12 ? 64 : Math.min(190, 900 / rounds.length), step = 26, places = new Map();
  const scores = scoresOf(every), [low, high] = [Math.min(...scores), Math.max(...scores)];
  const heights = rounds.map((round) => every.filter((each) => each.round === round).length), H = Math.max(...heights) * step + 34, W = 60 + rounds.length * gap;
  rounds.forEach((round, i) => {
    // Children lie near their parents, so that few lines cross.
    const own = every.filter((each) => each.round === round).sort((x, y) => ((x.parent && places.get(x.parent.label)) || [0, 0])[1] - ((y.parent && places.get(y.parent.label)) || [0, 0])[1]);
    own.forEach((each, n) => places.set(each.label, [34 + i * gap, 30 + (n + 0.5) * ((H - 34) / own.length)]));
  });
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "group", "aria-label": "Candidates by parent, a column for each round" });
  rounds.forEach((round, i) => svg.append(s("text", { x: 34 + i * gap, y: 14, class: "tick mid" }, rounds.length > 12 ? String(round) : `round ${round}`)));
  for (const each of every) {
    const from = each.parent && places.get(each.parent.label), to = places.get(each.label);
    if (!from) continue;
    // A line over a whole column bends, so that it does not seem to begin at the candidates that lie between.
    const middle = (from[0] + to[0]) / 2, bend = to[0] - from[0] > gap && from[1] === to[1] ? step : 0;
    svg.append(s("path", { d: `M${from[0]} ${from[1]}C${middle} ${from[1] - bend} ${middle} ${to[1] - bend} ${to[0]} ${to[1]}`, class: `kin${each.parent.how === "named" ? "" : " guessed"}${kept.has(each.label) ? "" : " faint-node"}` }));
  }
  for (const each of every) {
    const [x, y] = places.get(each.label), told = `${each.label} ${each.name}, round ${each.round}: ${each.score === null ? each.status : `score ${fixed(each.score, 2)}`}`;
    const open = () => openCandidate(each.label, each.round);
    svg.append(s("g", { class: `kin-node${kept.has(each.label) ? "" : " faint-node"}`, tabindex: 0, role: "button", "aria-label": told, onclick: open, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } } },
      s("title", {}, told), each.label === selected ? mark("star", "var(--selected)", x, y, 6) : s("circle", { cx: x, cy: y, r: 6, class: each.score === null ? "node unscored" : "node", vars: each.score === null ? {} : { "--c": shade(each.score, low, high) } }),
      gap >= 60 ? s("text", { x: x + 11, y: y + 4, class: "tick" }, each.label) : null));
  }
  return svg;
}
