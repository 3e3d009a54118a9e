// What is saved from the page, without a server: charts as SVG and PDF, canvases as PNG, tables as CSV and LaTeX, code by copying.

const fileName = (title, form) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 70) || "figure"}.${form}`;
function saveAs(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
// forms: {SVG: () => {…}}, a button each; links: {PDF: path}, which a server answers in place of a form
function saveRow(title, forms, links = {}) {
  return h("p", { class: "save" }, "Save",
    Object.entries(forms).filter(([form]) => !(form in links)).map(([form, act]) => h("button", { type: "button", class: "link", "aria-label": `Save ${title} as ${form}`, onclick: act }, form)),
    Object.entries(links).map(([form, path]) => h("a", { href: path, download: true, "aria-label": `Save ${title} as ${form}` }, form)));
}
function copyButton(name, text) {
  const button = h("button", { type: "button", class: "copy", onclick: async () => {
    let done = true;
    try { await navigator.clipboard.writeText(text()); } catch { done = copySelected(text()); }
    button.textContent = done ? "Copied" : "Select it and copy by hand";
    setTimeout(() => { button.textContent = name; }, 2000);
  } }, name);
  return button;
}
function copySelected(text) {
  const area = h("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// SVG: a copy in the light colours, whatever the screen's, with all style in attributes and the series named below.
const DRAWN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor", "paint-order"];
function svgText(svg, title, series = []) {
  const copy = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const host = h("div", { class: "unseen" }), light = document.styleSheets[0].cssRules[0].style;
  for (const name of light) if (name.startsWith("--")) host.style.setProperty(name, light.getPropertyValue(name));
  copy.querySelectorAll("[hidden], .halo").forEach((each) => each.remove());
  let x = 8, y = height + 14;
  for (const { name, style } of series) {
    const own = 34 + name.length * 6.6;
    if (x > 8 && x + own > width) { x = 8; y += 18; }
    copy.append(s("g", { transform: `translate(${x + 13} ${y})` }, s("line", { x1: -13, x2: 13, class: "line", vars: { "--c": style[0] } }), mark(style[1], style[0])), s("text", { x: x + 31, y: y + 4, class: "axis" }, name));
    x += own + 14;
  }
  const whole = series.length ? y + 14 : height;
  copy.setAttribute("viewBox", `0 0 ${width} ${whole}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", whole);
  host.append(copy);
  document.body.append(host);
  const kept = [...copy.querySelectorAll("*")].map((each) => [each, getComputedStyle(each)]).map(([each, style]) => [each, DRAWN.map((name) => [name, style.getPropertyValue(name)])]);
  for (const [each, values] of kept) {
    for (const name of ["class", "style", "tabindex", "role", "aria-label"]) each.removeAttribute(name);
    if (["g", "clipPath", "title", "rect"].includes(each.tagName) && each.parentNode.tagName === "clipPath") continue;
    for (const [name, value] of values) if (value && value !== "normal" && !(value === "none" && name !== "fill")) each.setAttribute(name, value);
  }
  host.remove();
  for (const name of ["class", "role", "aria-label", "style"]) copy.removeAttribute(name);
  copy.setAttribute("font-family", "Helvetica, Arial, 'DejaVu Sans', sans-serif");
  copy.prepend(s("title", {}, title), s("rect", { width, height: whole, fill: "#ffffff" }));
  // Browsers write an empty attribute where a style was taken away.
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy).replace(/ style(="")/g, "")}\n`;
}
// PDF: the figure is printed alone, and browsers print into a PDF.
function printAlone(text) {
  // The clip paths of the figure on the page keep their names.
  const figure = new DOMParser().parseFromString(text.replaceAll("clip-", "sheet-clip-"), "image/svg+xml").documentElement;
  const sheet = h("div", { id: "sheet" }, document.importNode(figure, true)), root = document.documentElement;
  document.body.append(sheet);
  root.dataset.sheet = "yes";
  addEventListener("afterprint", () => { sheet.remove(); delete root.dataset.sheet; }, { once: true });
  print();
}
const svgForm = (title, svg, series) => ({
  SVG: () => saveAs(fileName(title, "svg"), svgText(svg(), title, series), "image/svg+xml"),
  PDF: () => printAlone(svgText(svg(), title, series)),
});

// Tables: cells as they are shown; in CSV numbers are plain and the ends of intervals have columns of their own.
const textOf = (cell) => (cell === null || cell === undefined || cell === false ? "" : cell instanceof Node ? (cell.children && cell.children.length > 1 ? [...cell.children].map(textOf).join(", ") : cell.textContent) : Array.isArray(cell) ? cell.map(textOf).join("") : String(cell)).replace(/\s+/g, " ").trim();
const plainNumber = (text) => { const told = text.replace(/−/g, "-").replace(/^\+/, "").replace(/(?<=\d),(?=\d{3})/g, ""); return /^-?\d+(\.\d+)?$/.test(told) ? told : text === dash ? "" : text; };
const WITH_ENDS = /^(\S+) \((\S+) … (\S+)\)$/, ENDS = /^(\S+) … (\S+)$/;
function csvText(head, rows) {
  const columns = head.map((title, i) => {
    const cells = rows.map((row) => row[i] ?? ""), split = (pattern, names) => names.map((name, k) => [`${title}${name}`, cells.map((text) => { const found = text.match(pattern); return found ? found[k + 1] : k ? "" : text; })]);
    if (cells.some((text) => WITH_ENDS.test(text))) return split(WITH_ENDS, ["", " low", " high"]);
    return cells.some((text) => ENDS.test(text)) ? split(ENDS, [" low", " high"]) : [[title, cells]];
  }).flat();
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [columns.map(([title]) => title), ...rows.map((_, n) => columns.map(([, cells]) => plainNumber(cells[n])))].map((row) => `${row.map(quoted).join(",")}\n`).join("");
}
// As envdata.paper_files writes tables for the LaTeX package booktabs.
const LATEX = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", _: "\\_", "%": "\\%", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''", β: "$\\beta$", γ: "$\\gamma$", Δ: "$\\Delta$", κ: "$\\kappa$", "−": "$-$", "–": "--", "…": "\\ldots{}", "·": "$\\cdot$", "±": "$\\pm$", "≥": "$\\ge$", "≤": "$\\le$", "×": "$\\times$" };
const latex = (text) => [...text.replace(/(^|[\s(])-(?=\d)/g, "$1−")].map((each) => LATEX[each] || (each.codePointAt(0) < 0x180 && each >= " " ? each : "?")).join("");
function latexText(head, rows, numeric, note) {
  const line = (cells) => `${cells.map(latex).join(" & ")} \\\\`;
  return ["% \\usepackage{booktabs}", ...(note ? [`% ${note}`] : []), `\\begin{tabular}{${numeric.map((each) => (each ? "r" : "l")).join("")}}`, "\\toprule", line(head), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}", ""].join("\n");
}
// read: () → {head, rows, numeric}, texts; the last column without a heading holds buttons
function tableSave(title, read) {
  const own = () => {
    const { head, rows, numeric } = read(), buttons = head.length && head[head.length - 1] === "";
    const cut = (list) => (buttons ? list.slice(0, -1) : list);
    return [cut(head), rows.map(cut), cut(numeric)];
  };
  return saveRow(title, {
    CSV: () => { const [head, rows] = own(); saveAs(fileName(title, "csv"), csvText(head, rows), "text/csv"); },
    LaTeX: () => { const [head, rows, numeric] = own(); saveAs(fileName(title, "tex"), latexText(head, rows, numeric, title), "application/x-tex"); },
  });
}
// Tables and code that the page has without scripts.
function offerStatic(root) {
  root.querySelectorAll(".scroll > table").forEach((each) => {
    const lines = () => [...each.rows].map((row) => [...row.cells]), heads = () => [...each.querySelectorAll("thead th")].map(textOf);
    const right = (cell) => getComputedStyle(cell).textAlign === "right";
    if (!heads().length) return;
    each.parentNode.after(tableSave(each.parentNode.getAttribute("aria-label") || "table", () => ({ head: heads(), rows: lines().slice(1).map((row) => row.map(textOf)), numeric: [...each.querySelectorAll("thead th")].map(right) })));
  });
  root.querySelectorAll("pre.code").forEach((each) => each.before(copyButton("Copy the code", () => each.textContent)));
}
