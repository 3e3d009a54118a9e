// Icons as paths, so that they look alike whatever fonts a reader has.

const ICONS = {
  play: "M4 2.5v11l9-5.5z", pause: "M4 3h3v10H4zM9 3h3v10H9z",
  start: "M3 3h2v10H3zM13 2.5v11L5.5 8z", end: "M11 3h2v10h-2zM3 2.5v11L10.5 8z",
  stepBack: "M11 3.5L6.5 8l4.5 4.5", stepOn: "M5 3.5L9.5 8 5 12.5", right: "M3 8.5l3.5 3.5L13 4.5", wrong: "M4 4l8 8M12 4l-8 8",
};
const OUTLINED = new Set(["stepBack", "stepOn", "right", "wrong"]);
const icon = (name) => s("svg", { viewBox: "0 0 16 16", width: 16, height: 16, class: OUTLINED.has(name) ? "icon outlined" : "icon", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
