// Any two candidates beside each other: figures, curves, differences at the same β, and the difference of their code.
// Curves have the colours that lines of the code have: what goes is grey, what comes is blue; the selected one has its own.

let openComparison = () => {};
const cut = (text, limit = 260) => (text.length > limit ? `${text.slice(0, limit).replace(/\s+\S*$/, "")} …` : text);

function compareSection(data, source) {
  const section = byId("compare");
  const every = new Map(data.rounds.flatMap((round) => round.candidates.map((each) => [each.label, each])));
  if (every.size < 2) { section.append(h("p", { class: "quiet" }, "There are not two candidates yet.")); return; }
  const labels = [...every.keys()], link = linkedTo("compare"), chosen = every.has(data.leader) ? data.leader : labels[labels.length - 1];
  const parent = every.get(chosen).parent;
  const state = { b: choice(link.b, labels, chosen) };
  state.a = choice(link.a, labels, parent && parent.label !== state.b ? parent.label : labels.find((label) => label !== state.b));
  const controls = h("div", { class: "controls" }), host = h("div", {});
  section.append(controls, host);
  const told = (label) => { const each = every.get(label); return `${label} ${each.name === label ? "" : each.name}${each.interval ? `, ${fixed(each.interval[0], 2)}` : ""}`; };
  let wanted = 0;

  async function draw() {
    const mine = ++wanted, { lines, sources } = await unpack(data.packed.sources);
    const differences = await differencesAtBetas(data, source, state.b, state.a);
    if (mine !== wanted) return;
    const options = labels.map((label) => [label, told(label)]);
    const change = (values) => { Object.assign(state, values); draw(); writeLink("compare", state); };
    controls.replaceChildren(select("From", options, state.a, (value) => change({ a: value }), { id: "compare-a" }), select("To", options, state.b, (value) => change({ b: value }), { id: "compare-b" }),
      h("button", { type: "button", id: "compare-swap", onclick: () => change({ a: state.b, b: state.a }) }, "Swap"), ...[state.a, state.b].map((label) => copyButton(`Copy ${label}`, () => sources[label].map((n) => lines[n]).join("\n"))));
    const [a, b] = [every.get(state.a), every.get(state.b)], curves = h("div", {});
    const series = [[a, ["var(--round)", "dot"]], [b, ["var(--blue)", "square"]]].filter(([each]) => data.curves[each.label]).map(([each, style]) => [each, each.label === data.selected ? SELECTED : style]).map(([each, style]) => ({ name: `${each.label} ${each.name}`, style, band: true, strong: each === b,
      points: data.curves[each.label].search.mean.map(([at, tokens, , y, low, high]) => ({ x: tokens, y, low, high, tip: [beta(at), `${fixed(y, 2)} % (${fixed(low, 2)} … ${fixed(high, 2)})`, `${whole(tokens)} tokens`] })).sort((p, q) => p.x - q.x) }));
    host.replaceChildren(
      table(["", a.label, b.label], [["idea", ...[a, b].map((each) => cut(each.idea || dash))], ["mechanism", a.family || dash, b.family || dash], ["objective, %", between(a.interval), between(b.interval)], ["status", a.status, b.status]], "What they are"),
      ...(series.length ? [h("h3", {}, "Curves, search set"), curves, h("div", { class: "legend plain" }, series.map((each) => h("span", {}, swatch(each.style), each.name)))] : [h("p", { class: "quiet" }, "Neither was evaluated in full.")]),
      ...(differences ? [h("h3", {}, `${b.label} less ${a.label}, at the same β`), differences] : []),
      h("h3", {}, `Code, from ${a.label} to ${b.label}`), ...differenceView(sources[state.a].map((n) => lines[n]), sources[state.b].map((n) => lines[n]), state.a));
    if (series.length) chart(curves, { title: `Accuracy of ${a.label} and ${b.label} against tokens`, height: 280, series, log: true, percent: true, xLabel: "tokens a question (log scale)", yLabel: "accuracy, %" });
    host.dataset.ready = JSON.stringify([state.a, state.b]);
  }
  openComparison = (a, b) => {
    Object.assign(state, { a, b });
    draw();
    writeLink("compare", state);
    section.scrollIntoView({ behavior: still() ? "auto" : "smooth" });
    section.focus({ preventScroll: true });
  };
  draw();
  if (!returning && (link.a || link.b)) section.scrollIntoView();
}

// Mean differences at each β that both have, with Student's 95 % interval over questions; null where either was not
// evaluated in full. Grids with the same questions are one set, whose values are averaged question by question.
async function differencesAtBetas(data, source, label, other) {
  if (data.absent || !data.packed.plays[label] || !data.packed.plays[other]) return null;
  const [own, theirs, ...grids] = await Promise.all([source.figures(label), source.figures(other), ...data.grids.search.map((_, n) => source.gridOf(n))]);
  const sets = new Map();
  grids.forEach((grid, n) => { const key = grid.questions.map((each) => each.text).join("\n"); sets.set(key, [...(sets.get(key) || []), n]); });
  const rows = own.betas.flatMap((b, i) => {
    const j = theirs.betas.findIndex((each) => sameBeta(each, b));
    if (j < 0) return [];
    const less = (field) => [...sets.values()].map((set) => ({ share: set.length / grids.length,
      values: own.questions[set[0]][field][i].map((_, q) => average(set.map((n) => own.questions[n][field][i][q] - theirs.questions[n][field][j][q]))) }));
    const right = less("right"), better = right.flatMap((set) => set.values);
    const [value, low, high] = studentInterval(right), [tokens, fewest, most] = studentInterval(less("tokens"));
    if (better.every((x) => !x) && fewest === 0 && most === 0) return [[beta(b), "the same", "", "the same"]];
    return [[beta(b), gained([value, low, high]), `${better.filter((x) => x > 0).length} better, ${better.filter((x) => x < 0).length} worse`, `${signed(tokens, 0)} (${signed(fewest, 0)} … ${signed(most, 0)})`]];
  });
  return rows.length ? table(["β", "#accuracy, points", "#questions", "#tokens"], rows, "Means over questions of the search set, paired, with Student's 95 % intervals") : null;
}
const average = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
// sets: [{share, values}] → [mean, low, high]; the ends are null with a single question in a set.
function studentInterval(sets) {
  const value = sets.reduce((sum, { share, values }) => sum + share * average(values), 0);
  if (sets.some(({ values }) => values.length < 2)) return [value, null, null];
  const parts = sets.map(({ share, values }) => { const mean = average(values), n = values.length; return { n, part: share ** 2 * values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) / n }; });
  const error = parts.reduce((sum, { part }) => sum + part, 0);
  if (!error) return [value, value, value];
  // Welch and Satterthwaite's degrees of freedom, and the expansion of Student's quantile in their inverse.
  const v = error ** 2 / parts.reduce((sum, { n, part }) => sum + part ** 2 / (n - 1), 0), z = 1.959964;
  const t = z + (z ** 3 + z) / (4 * v) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2) + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3);
  return [value, value - t * error ** 0.5, value + t * error ** 0.5];
}
