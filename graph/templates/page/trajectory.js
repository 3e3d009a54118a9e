// How the search went: the objective of each round's best, and the best so far, against rounds, minutes or money.

function trajectorySection(data) {
  const host = h("div", {}), section = byId("trajectory");
  if (!data.trajectory.length) { section.append(h("p", { class: "quiet" }, "No round is complete yet.")); return; }
  const paid = data.trajectory.some((each) => typeof each.cost === "number" && each.cost > 0);
  const axes = { round: "round", minutes: "minutes", ...(paid ? { cost: "US dollars" } : {}), ...(data.trajectory.some((each) => each.tokens) ? { tokens: "tokens of models" } : {}) };
  let axis = "round";
  function draw() {
    const rows = data.trajectory.filter((each) => typeof each[axis] === "number");
    const tip = (each) => [`round ${each.round}: ${each.best || "none was sound"}`, `objective ${between(each.interval)}`, `gain of the frontier ${gained(each.gain)}`, `${fixed(each.minutes, 1)} minutes, ${money(each.cost)} so far`];
    const own = rows.filter((each) => each.interval).map((each) => ({ x: each[axis], y: each.interval[0], low: each.interval[1], high: each.interval[2], tip: tip(each) }));
    const best = rows.filter((each) => each.so_far !== null).map((each) => ({ x: each[axis], y: each.so_far, tip: [`best so far ${fixed(each.so_far, 2)}`, ...tip(each)] }));
    const bandless = own.map((p) => p.y).concat(best.map((p) => p.y), data.baseline ? [data.baseline.score] : []);
    const [low, high] = [Math.min(...bandless), Math.max(...bandless)];
    const room = Math.max(0.5, (high - low) * 0.25);
    chart(host, { title: `Objective by ${axes[axis]}`, height: 280, xLabel: axes[axis], yLabel: `objective (${data.objective}), %`, y: [low - room, high + room],
      xTicks: axis === "round" ? rows.map((each) => each.round).filter((n) => rows.length <= 20 || n % 5 === 0) : null,
      rules: data.baseline ? [{ y: data.baseline.score, name: `best baseline: ${data.baseline.name}` }] : [],
      series: [{ name: "best so far", style: ["var(--red)", "star"], points: best, step: true, bare: true, strong: true, silent: true }, { name: "best of the round", style: ["var(--blue)", "square"], points: own }] });
  }
  section.append(h("div", { class: "controls" }, select("Against", Object.entries(axes), axis, (value) => { axis = value; draw(); }, { id: "trajectory-axis" })), host,
    h("p", { class: "quiet" }, "Line: the best objective so far. Squares: the best candidate of each round. Hover for intervals, minutes and money."),
    folded("Figures", () => table(["#round", "best", "#objective", "#best so far", "#gain of the frontier", "#minutes so far", "#cost so far"],
      data.trajectory.map((each) => [String(each.round), each.best || dash, between(each.interval), fixed(each.so_far, 2), gained(each.gain), fixed(each.minutes, 1), money(each.cost)]), "The search round by round")));
  draw();
}
