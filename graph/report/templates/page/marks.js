// The signs of series, as in graph/report/accuracy_plot.py: colours that people with any colour vision can tell apart, without
// those of the selected controller and of right and wrong answers. Where two share a colour, their shapes differ.

const STYLES = {
  sc: ["var(--ink)", "ring"], asc: ["var(--blue)", "square"], esc: ["var(--sky)", "up"],
  answer_consistency: ["var(--violet)", "down"], st_bon: ["var(--yellow)", "diamond"],
  parallel_probe: ["var(--brown)", "plus"], cmc: ["var(--orange)", "cross"],
  first_finished: ["var(--sky)", "diamond"], consol: ["var(--orange)", "up"],
  deepconf: ["var(--yellow)", "plus"],
  surge: ["var(--blue)", "down"], hindsight: ["var(--brown)", "diamond"], photo_finish: ["var(--violet)", "square"],
  purse: ["var(--blue)", "diamond"], best_of: ["var(--sky)", "cross"],
};
const SELECTED = ["var(--selected)", "star"];
const FURTHER = ["var(--other)", "plus"];
const ROUND = ["var(--round)", "dot"];

// Lines of one kind, as runs and arms of a study are: one style for each place, none that of a selected controller.
const LINES = [
  ["var(--blue)", "square"], ["var(--orange)", "cross"], ["var(--brown)", "plus"], ["var(--violet)", "down"],
  ["var(--sky)", "up"], ["var(--ink)", "ring"], ["var(--yellow)", "diamond"], ["var(--frontier)", "dot"],
];

// A candidate with its label, which names its round too: others of its class may have the same name.
const nameOf = (each) => `${each.name}${each.round && each.name !== each.label ? ` ${each.label}` : ""}${each.selected ? " (selected)" : ""}`;

function styleOf(controller) {
  if (controller.selected && controller.round) return SELECTED;
  return STYLES[controller.label] || (controller.round ? ROUND : FURTHER);
}

const polygon = (points) => `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}Z`;
function starPath(r) {
  return polygon([...Array(10).keys()].map((i) => {
    const size = i % 2 ? r * 0.45 : r;
    const turn = (Math.PI * i) / 5 - Math.PI / 2;
    return [size * Math.cos(turn), size * Math.sin(turn)];
  }));
}
const circle = (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
const SHAPES = {
  ring: (r) => circle(r * 1.15), dot: (r) => circle(r * 0.8),
  square: (r) => polygon([[-r, -r], [r, -r], [r, r], [-r, r]].map(([x, y]) => [x * 0.85, y * 0.85])),
  up: (r) => polygon([[0, -r * 1.1], [r, r * 0.8], [-r, r * 0.8]]),
  down: (r) => polygon([[0, r * 1.1], [r, -r * 0.8], [-r, -r * 0.8]]),
  diamond: (r) => polygon([[0, -r * 1.2], [r, 0], [0, r * 1.2], [-r, 0]]),
  plus: (r) => polygon([[-r, -0.35 * r], [-0.35 * r, -0.35 * r], [-0.35 * r, -r], [0.35 * r, -r], [0.35 * r, -0.35 * r], [r, -0.35 * r], [r, 0.35 * r], [0.35 * r, 0.35 * r], [0.35 * r, r], [-0.35 * r, r], [-0.35 * r, 0.35 * r], [-r, 0.35 * r]]),
  cross: (r) => polygon([[-r, -0.35 * r], [-0.35 * r, -0.35 * r], [-0.35 * r, -r], [0.35 * r, -r], [0.35 * r, -0.35 * r], [r, -0.35 * r], [r, 0.35 * r], [0.35 * r, 0.35 * r], [0.35 * r, r], [-0.35 * r, r], [-0.35 * r, 0.35 * r], [-r, 0.35 * r]].map(([x, y]) => [(x - y) * 0.75, (x + y) * 0.75])),
  star: (r) => starPath(r * 1.7),
};
function mark(shape, colour, x = 0, y = 0, r = 4) {
  return s("path", { d: SHAPES[shape](r), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, class: shape === "ring" ? "mark ring" : "mark", vars: { "--c": colour } });
}
function swatch([colour, shape]) {
  return s("svg", { width: 26, height: 14, viewBox: "-13 -7 26 14", "aria-hidden": "true" },
    s("line", { x1: -13, x2: 13, class: "line", vars: { "--c": colour } }), mark(shape, colour));
}
