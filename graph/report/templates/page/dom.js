// Small tools: elements made without any markup, numbers as people read them, packed data.

const SVG = "http://www.w3.org/2000/svg";

// All text goes through text nodes and attributes: what candidates and models wrote is never read as markup.
function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(9)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}
const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);
const byId = (id) => document.getElementById(id);

const dash = "–";
const whole = (x) => Math.round(x).toLocaleString("en-GB");
// What rounds to 0 has no sign.
const minus = (text) => (/[1-9]/.test(text) ? text.replace("-", "−") : text.replace(/^[+-]/, ""));
const fixed = (x, digits = 1) => (x === null || x === undefined ? dash : minus(x.toFixed(digits)));
const short = (x) => minus(x >= 1e6 ? `${+(x / 1e6).toPrecision(3)}M` : x >= 1e3 ? `${+(x / 1e3).toPrecision(3)}k` : `${+x.toPrecision(3)}`);
const signed = (x, digits = 2) => (x === null ? dash : minus(`${x < 0 ? "" : "+"}${x.toFixed(digits)}`));
const between = (v, digits = 2) => (v ? `${fixed(v[0], digits)} (${fixed(v[1], digits)} … ${fixed(v[2], digits)})` : dash);
const gained = (v) => (v ? `${signed(v[0])} (${signed(v[1])} … ${signed(v[2])})` : dash);
const money = (x) => (typeof x === "number" ? `$${x.toFixed(x < 1 ? 3 : 2)}` : "unknown");
const beta = (b) => (b === null ? "ignores β" : `β = ${b}`);
const sameBeta = (a, b) => a === b || (a === null && b === null);

// JSON, gzip, base64: unpacked when it is first asked for, and kept.
const unpacked = new Map();
function unpack(text) {
  if (!unpacked.has(text)) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(text, new Response(stream).json());
  }
  return unpacked.get(text);
}

function select(label, options, value, onchange, props = {}) {
  const list = h("select", { ...props, onchange: (event) => onchange(event.target.value) });
  for (const [key, text] of options) list.append(h("option", { value: key, selected: String(key) === String(value) }, text));
  return h("label", { class: "field" }, h("span", {}, label), list);
}
function check(label, checked, onchange, props = {}) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", checked, ...props, onchange: (e) => onchange(e.target.checked) }), label);
}
// Of many rows the first `most` are shown, and all are saved.
function table(head, rows, caption, most = rows.length) {
  const numeric = head.map((title) => title.startsWith("#")), heads = head.map((title) => title.replace(/^#/, ""));
  const all = () => ({ head: heads, rows: rows.map((row) => (row.cells || row).map(textOf)), numeric });
  return h("div", { class: "tabled" }, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption || "table" }, h("table", {},
    caption && h("caption", {}, caption),
    h("thead", {}, h("tr", {}, heads.map((title, i) => h("th", { scope: "col", class: numeric[i] ? "n" : null }, title)))),
    h("tbody", {}, rows.slice(0, most).map((row) => h("tr", { class: row.marked ? "marked" : null }, (row.cells || row).map((cell, i) => h("td", { class: numeric[i] ? "n" : null }, cell))))))), tableSave(caption || "table", all));
}
// What is folded away is made when it is opened, and made anew when it has changed since.
function folded(title, make) {
  let fresh = false;
  const view = h("details", { ontoggle: () => { if (view.open && !fresh) draw(); } }, h("summary", {}, title));
  const body = h("div", {});
  function draw() { body.replaceChildren(make()); fresh = true; }
  view.append(body);
  view.refresh = () => { fresh = false; if (view.open) draw(); };
  return view;
}
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
