// The charts of a study: a line with a band for each arm, drawn as the run page draws its own.

const armStyle = (place) => LINES[place % LINES.length];

function studyChart(each) {
  const series = each.series.map(({ name, points }, place) => ({
    name, style: armStyle(place), step: each.steps, band: points.some(([, , low, high]) => high > low),
    points: points.map(([x, y, low, high]) => ({ x, y, low, high, tip: [`${fixed(y, 2)} (${fixed(low, 2)} … ${fixed(high, 2)})`, `${each.x} ${short(x)}`] })),
  }));
  const rounds = [...new Set(each.series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  chart(byId(each.name), {
    title: `${each.title}: ${each.y}`, height: 280, xLabel: each.x, yLabel: each.y, series,
    xTicks: each.x === "round" ? rounds.filter((n) => rounds.length <= 12 || n % 5 === 0) : null,
    rules: each.level ? [{ y: 0, name: each.level }] : [],
  });
}

const study = JSON.parse(byId("data").textContent);
for (const legend of document.querySelectorAll("[data-legend]")) {
  legend.append(...study.arms.map((name, place) => h("span", {}, swatch(armStyle(place)), name)));
}
for (const each of study.charts) studyChart(each);
offerStatic(document);
document.documentElement.dataset.ready = "yes";
