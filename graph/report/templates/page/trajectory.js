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
    // The selected candidate, which need not be the best of its round.
    const [chosen] = data.rounds.flatMap((round) => round.candidates.filter((each) => each.label === data.selected && each.interval).map((each) => [round.number, each.interval]));
    const place = chosen && rows.find((each) => each.round === chosen[0]);
    const star = place ? [{ name: "selected", style: SELECTED, points: [{ x: place[axis], y: chosen[1][0], low: chosen[1][1], high: chosen[1][2], tip: [`${data.selected}, round ${chosen[0]}`, `objective ${between(chosen[1])}`] }] }] : [];
    const bandless = [...own, ...best, ...star.flatMap((each) => each.points)].map((p) => p.y).concat(data.baseline ? [data.baseline.score] : []);
    const [low, high] = [Math.min(...bandless), Math.max(...bandless)];
    const room = Math.max(0.5, (high - low) * 0.25);
    chart(host, { title: `Objective by ${axes[axis]}`, links: axis === "round" ? paperLinks(data, "rounds") : {}, height: 280, xLabel: axes[axis], yLabel: `objective (${data.objective}), %`, y: [low - room, high + room],
      xTicks: axis === "round" ? rows.map((each) => each.round).filter((n) => rows.length <= 20 || n % 5 === 0) : null,
      rules: data.baseline ? [{ y: data.baseline.score, name: `best baseline: ${data.baseline.name}` }] : [],
      series: [{ name: "best so far", style: ["var(--frontier)", "dot"], points: best, step: true, bare: true, wide: true, silent: true }, { name: "best of the round", style: ROUND, points: own }, ...star] });
  }
  section.append(h("div", { class: "controls" }, select("Against", Object.entries(axes), axis, (value) => { axis = value; draw(); }, { id: "trajectory-axis" })), host,
    h("p", { class: "quiet" }, "Wide line: the best objective so far. Dots: the best candidate of each round; star: the selected one. Hover for intervals, minutes and money."),
    folded("Figures", () => table(["#round", "best", "#objective", "#best so far", "#gain of the frontier", "#minutes so far", "#cost so far"],
      data.trajectory.map((each) => [String(each.round), each.best || dash, between(each.interval), fixed(each.so_far, 2), gained(each.gain), fixed(each.minutes, 1), money(each.cost)]), "The search round by round")));
  if (data.shares.length) section.append(...sharesView(data));
  draw();
}

// Places of each round by explorer, and the gain for which each got them.
function sharesView(data) {
  const names = [...new Set(data.shares.map((each) => each.explorer))], of = (name) => data.shares.filter((each) => each.explorer === name);
  const numbers = [...new Set(data.shares.map((each) => each.round))], sum = (rows, field) => rows.reduce((total, row) => total + row[field], 0);
  const costs = (rows) => (rows.some((row) => row.cost === null) ? null : sum(rows, "cost"));
  const pattern = (name) => `pattern-${names.indexOf(name) % 3}`, color = (name) => SHARE_STYLES[names.indexOf(name) % 6];
  return [
    h("h3", {}, "Shares of the explorers"),
    h("div", { class: "legend plain" }, names.map((name) => h("span", {}, h("i", { class: `chip ${pattern(name)}`, vars: { "--c": color(name) } }), name))),
    numbers.map((number) => {
      const rows = data.shares.filter((each) => each.round === number);
      return h("div", { class: "bar-row" }, h("span", { class: "bar-name" }, `round ${number}`),
        h("div", { class: "bar", role: "img", "aria-label": `round ${number}: ${rows.map((row) => `${row.explorer} ${row.places}`).join(", ")}` },
          rows.map((row) => (row.places ? h("i", { class: pattern(row.explorer), vars: { "--c": color(row.explorer), flex: String(row.places) } }, String(row.places)) : null))));
    }),
    h("p", { class: "quiet" }, "Places of each round by explorer. Gain: that of the frontier by the best candidate of a round, summed over rounds; tokens and cost: those of the replies to its proposals."),
    table(["explorer", "#places", "#candidates", "#gain", "#tokens", "#cost"], names.map((name) => {
      const rows = of(name);
      return [name, whole(sum(rows, "places")), whole(sum(rows, "candidates")), signed(sum(rows, "gain")), whole(sum(rows, "tokens")), money(costs(rows))];
    }), "Explorers over all rounds")].flat();
}
