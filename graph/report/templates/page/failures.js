// Why it failed: questions by the gap between two controllers, with the digest's labels, each a way into the theatre.

function failuresSection(data, source) {
  const section = byId("failures");
  if (data.controllers.length < 2) { section.append(h("p", { class: "quiet" }, "There is nobody to compare with yet.")); return; }
  const selected = data.controllers.find((each) => each.selected && each.round) || [...data.controllers].reverse().find((each) => each.best) || data.controllers[0];
  const other = data.controllers.find((each) => data.baseline && each.label === data.baseline.label && each !== selected) || data.controllers.find((each) => each !== selected);
  const state = { a: selected.label, b: other.label, betaA: null, betaB: null, grid: "all", kind: "", shown: 20 };
  const controls = h("div", { class: "controls" }), host = h("div", {}), sum = h("p", { "aria-live": "polite" });
  section.append(controls, sum, host);
  const controllerOf = (label) => data.controllers.find((each) => each.label === label);
  const known = (label) => controllerOf(label).betas;
  const toBeta = (text) => (text === "null" ? null : +text);
  // A candidate is set beside the other's point that costs most like its own.
  function costOf(label, b) { return data.curves[label].search.mean.find((row) => sameBeta(row[0], b))[1]; }
  function alike(label, tokens) { return known(label).reduce((best, b) => (Math.abs(Math.log(costOf(label, b) / tokens)) < Math.abs(Math.log(costOf(label, best) / tokens)) ? b : best)); }
  function preferred(label) { const traced = controllerOf(label).traced; return traced.length ? traced[Math.floor(traced.length / 2)] : known(label)[Math.floor(known(label).length / 2)]; }
  // The link's choices, else the middle β and the other's point that costs alike.
  const link = linkedTo("failures"), labels = data.controllers.map((each) => each.label);
  state.a = choice(link.a, labels, state.a);
  state.b = choice(link.b, labels, state.b);
  state.betaA = choice(link.betaA, known(state.a), preferred(state.a));
  state.betaB = choice(link.betaB, known(state.b), alike(state.b, costOf(state.a, state.betaA)));
  state.grid = choice(link.grid, ["all", ...data.grids.search.keys()].map(String), "all");
  state.kind = choice(link.kind, Object.keys(data.kinds), "");

  function drawControls() {
    const options = data.controllers.map((each) => [each.label, nameOf(each)]);
    const betas = (label) => known(label).map((b) => [String(b), `${beta(b)}, ${whole(costOf(label, b))} tokens`]);
    const change = (values) => { Object.assign(state, values, { shown: 20 }); drawControls(); draw(); writeLink("failures", { a: state.a, betaA: state.betaA, b: state.b, betaB: state.betaB, grid: state.grid === "all" ? "" : state.grid, kind: state.kind }); };
    controls.replaceChildren(
      select("Controller", options, state.a, (value) => { const b = preferred(value); change({ a: value, betaA: b, betaB: alike(state.b, costOf(value, b)) }); }, { id: "failures-a" }), select("β", betas(state.a), state.betaA, (value) => change({ betaA: toBeta(value), betaB: alike(state.b, costOf(state.a, toBeta(value))) }), { id: "failures-beta-a" }),
      select("Against", options, state.b, (value) => change({ b: value, betaB: alike(value, costOf(state.a, state.betaA)) }), { id: "failures-b" }), select("its β", betas(state.b), state.betaB, (value) => change({ betaB: toBeta(value) }), { id: "failures-beta-b" }),
      data.grids.search.length > 1 ? select("Grid", [["all", "all grids"], ...data.grids.search.map((each, i) => [i, each.name])], state.grid, (value) => change({ grid: value }), { id: "failures-grid" }) : "",
      select("Label", [["", "all"], ...Object.keys(data.kinds).map((kind) => [kind, kind.replaceAll("_", " ")])], state.kind, (value) => change({ kind: value }), { id: "failures-kind" }));
  }
  async function draw() {
    const [a, b] = await Promise.all([source.figures(state.a), source.figures(state.b)]);
    const i = a.betas.findIndex((each) => sameBeta(each, state.betaA)), j = b.betas.findIndex((each) => sameBeta(each, state.betaB));
    const rows = [];
    for (let grid = 0; grid < data.grids.search.length; grid++) {
      if (state.grid !== "all" && +state.grid !== grid) continue;
      const sample = a.sample.find((each) => each.grid === grid && sameBeta(each.beta, state.betaA));
      const stage = await source.gridOf(grid);
      a.questions[grid].right[i].forEach((right, question) => {
        const kinds = sample ? sample.kinds[question] || [] : null;
        rows.push({ grid, question, right, other: b.questions[grid].right[j][question], tokens: a.questions[grid].tokens[i][question], spent: b.questions[grid].tokens[j][question], kinds, text: stage.questions[question].text });
      });
    }
    const kept = rows.filter((row) => !state.kind || (row.kinds && row.kinds.includes(state.kind))).sort((x, y) => (x.right - x.other) - (y.right - y.other) || y.tokens - x.tokens);
    const worse = rows.filter((row) => row.right < row.other).length, better = rows.filter((row) => row.right > row.other).length;
    sum.textContent = `${controllerOf(state.a).name} is worse on ${worse} questions, better on ${better} and alike on ${rows.length - worse - better}. The worst come first.`;
    const head = ["question", ...(data.grids.search.length > 1 ? ["grid"] : []), `#${controllerOf(state.a).name}, %`, `#${controllerOf(state.b).name}, %`, "#gap", "#tokens", "#its tokens", "labels (repeat 0)", ""];
    host.replaceChildren(table(head, kept.map((row) => [
      `${row.question}: ${row.text.slice(0, 90)}`, ...(data.grids.search.length > 1 ? [data.grids.search[row.grid].name] : []), String(row.right), String(row.other), signed(row.right - row.other, 0), whole(row.tokens), whole(row.spent),
      h("span", {}, row.kinds === null ? h("span", { class: "quiet" }, "not traced at this β") : row.kinds.map((kind) => h("span", { class: "label", title: data.kinds[kind] }, kind.replaceAll("_", " ")))),
      h("button", { type: "button", class: "link watch", "aria-label": `Watch question ${row.question} in the theatre`, onclick: () => openTheatre({ a: state.a, b: state.b, betaA: state.betaA, betaB: state.betaB, grid: row.grid, question: row.question, repeat: 0 }) }, "watch"),
    ]), "Questions, those with the largest loss first", state.shown), kept.length > state.shown ? h("button", { type: "button", id: "failures-more", onclick: () => { state.shown += 50; draw(); } }, `Show more (${kept.length - state.shown} left)`) : "");
    host.dataset.ready = JSON.stringify([state.a, state.b, state.betaA, state.betaB, state.grid, state.kind, state.shown]);
  }
  drawControls();
  draw();
  if (!returning && Object.keys(link).length) section.scrollIntoView();
}
