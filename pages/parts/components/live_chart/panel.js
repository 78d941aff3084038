// One panel of a chart: title, legend, and a canvas that is pointed at, zoomed and saved.
import {element} from "../shared/elements.js";
import {placeInWords} from "./points.js";
import {DASHES, drawPlot, lineAt, readAt, scalesOf} from "./plot.js";
import {saveFigure} from "./saving.js";
import {LEFT, bounds, nearest, outside, placeUnder, readable} from "./scales.js";

const MOST_NAMED = 10; // lines in a legend; of more, those next to the pointer are named
const CLICK = 5; // pixels that a pointer may move in a click

let scrolledElsewhere = -Infinity; // a scroll that began outside a chart continues over it
addEventListener("wheel", (e) => { if (!e.composedPath().some((n) => n.tagName === "CANVAS")) scrolledElsewhere = e.timeStamp; },
  { passive: true, capture: true });

export class Panel {
  constructor(chart, spec) {
    Object.assign(this, { chart, spec, figure: element("figure"), canvas: element("canvas"), fingers: new Map(), pointer: null, range: [0, 1] });
    const head = element("div", "head"), title = element("h4", "", spec.title), legend = element("div", "legend");
    if (spec.note) title.append(element("small", "", spec.note));
    this.outside = element("small", "outside");
    head.append(title, ...["png", "svg"].map((kind) => this.saver(kind)));
    this.entries = spec.series.map((series) => this.entry(series));
    legend.append(...this.entries.map(({ button }) => button), (this.more = element("span", "more")), this.outside);
    this.canvas.setAttribute("role", "slider");
    this.canvas.tabIndex = 0;
    this.canvas.ontransitionend = () => chart.draw(); // the theme changed
    this.figure.append(head, legend, this.canvas);
    this.listen();
  }

  saver(kind) {
    const button = element("button", "save", kind.toUpperCase());
    button.type = "button";
    button.title = `Download this chart as ${kind.toUpperCase()}`;
    button.setAttribute("aria-label", `Download ${this.spec.title} as ${kind.toUpperCase()}`);
    button.onclick = () => saveFigure(this.asFigure(), kind, `${this.chart.name()} ${this.spec.title}`.replace(/[^\w.-]+/g, "-").toLowerCase());
    return button;
  }

  entry(series) {
    const { chart, spec } = this, button = element("button"), value = element("b"), key = spec.title + series.label;
    button.type = "button";
    button.append(lineSample(series), series.label, value);
    button.setAttribute("aria-pressed", !chart.hidden.has(key));
    button.onclick = () => {
      chart.hidden.has(key) ? chart.hidden.delete(key) : chart.hidden.add(key);
      button.setAttribute("aria-pressed", !chart.hidden.has(key));
      chart.draw();
    };
    return { series, value, key, button };
  }

  listen() {
    const { chart, canvas, fingers } = this;
    const pixel = (e) => e.clientX - canvas.getBoundingClientRect().left;
    const at = (e) => placeUnder(pixel(e), canvas.clientWidth, this.range, this.right);
    canvas.addEventListener("wheel", (e) => {
      if (e.timeStamp - scrolledElsewhere < 400) { scrolledElsewhere = e.timeStamp; return; }
      e.preventDefault();
      chart.zoom(at(e), Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.006));
    }, { passive: false });
    canvas.onpointerdown = (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      fingers.set(e.pointerId, e.clientX);
      this.began = { pixel: pixel(e), place: at(e), pinch: fingers.size > 1, touch: e.pointerType === "touch" };
    };
    canvas.onpointermove = (e) => {
      const before = fingers.get(e.pointerId);
      if (before !== undefined && fingers.size === 2) return this.pinch(e, before, at(e));
      if (before !== undefined) fingers.set(e.pointerId, e.clientX);
      this.pointer = e.clientY - canvas.getBoundingClientRect().top;
      if (before !== undefined && !this.began.touch && Math.abs(pixel(e) - this.began.pixel) > CLICK) this.selected = [this.began.place, at(e)];
      chart.point(at(e));
    };
    canvas.onpointerup = (e) => {
      const wasPinch = this.began?.pinch, moved = this.began && Math.abs(pixel(e) - this.began.pixel) > CLICK;
      fingers.delete(e.pointerId);
      if (this.selected) chart.select(...this.selected);
      else if (this.began && !wasPinch && !moved) chart.pin(at(e));
      this.selected = null;
      if (!fingers.size) this.began = null;
    };
    canvas.onpointercancel = (e) => { fingers.delete(e.pointerId); this.selected = this.began = null; };
    canvas.onpointerleave = (e) => { this.pointer = null; if (e.pointerType !== "touch") chart.leave(); };
    canvas.onblur = () => chart.leave();
    canvas.ondblclick = () => chart.reset();
    canvas.onkeydown = (e) => this.key(e);
  }

  pinch(e, before, place) {
    const [other] = [...this.fingers].filter(([id]) => id !== e.pointerId).map(([, x]) => x);
    this.fingers.set(e.pointerId, e.clientX);
    this.chart.zoom(place, Math.max(20, Math.abs(before - other)) / Math.max(20, Math.abs(e.clientX - other)));
  }

  key(e) {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const { chart } = this, [a, b] = this.range, places = this.plot?.lines.find((line) => !line.level)?.meanX ?? [];
    const now = chart.hover ?? b, i = places.length ? nearest(places, now) : 0, by = e.shiftKey ? 10 : 1;
    const step = (n) => chart.point(places[Math.min(places.length - 1, Math.max(0, i + n))] ?? now, true);
    const acts = {
      ArrowLeft: () => step(chart.hover === null ? 0 : -by), ArrowRight: () => step(by), ArrowDown: () => step(-by), ArrowUp: () => step(by),
      Home: () => chart.point(a, true), End: () => chart.point(b, true), PageDown: () => step(-10), PageUp: () => step(10),
      Enter: () => chart.pin(now), "+": () => chart.zoom(now, 0.7), "-": () => chart.zoom(now, 1 / 0.7), Escape: () => chart.reset(),
    };
    if (acts[e.key]) { e.preventDefault(); acts[e.key](); }
  }

  draw() {
    const { chart, canvas } = this;
    if (!canvas.clientWidth) return;
    const sharp = devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight, g = canvas.getContext("2d");
    if (canvas.width !== Math.round(wide * sharp) || canvas.height !== Math.round(high * sharp)) {
      canvas.width = Math.round(wide * sharp);
      canvas.height = Math.round(high * sharp);
    }
    g.setTransform(sharp, 0, 0, sharp, 0, 0);
    g.clearRect(0, 0, wide, high);
    const plot = (this.plot = this.makePlot()), scales = scalesOf(plot, wide, high);
    this.range = plot.range;
    this.right = scales.right;
    if (this.pointer !== null && chart.hover !== null && plot.lines.length > 1) plot.bold = lineAt(plot, scales, chart.hover, this.pointer);
    drawPlot(g, plot, wide, high);
    this.write(plot);
  }

  /** All that is drawn, see plot.js. */
  makePlot() {
    const { chart, spec, canvas } = this, style = getComputedStyle(canvas), range = chart.range(), log = chart.view.log && spec.log;
    const lines = this.entries.filter(({ key }) => !chart.hidden.has(key)).map(({ series }) => chart.line(series)).filter(Boolean);
    const { clip, smooth } = chart.view, fitted = lines.flatMap((line) => [
      [line.meanX, line.mean, line.smooth && !smooth], ...(line.mean === line.raw ? [] : [[line.x, line.raw, true]]),
      ...(line.behind ? [[line.behind.x, line.behind.raw, true]] : []),
    ]);
    const [low, high] = spec.fixed && !log ? spec.fixed : bounds(fitted, ...range, log, clip);
    return {
      range, low, high, log, unit: spec.unit, axis: chart.view.x, lines, hover: chart.hover, selected: this.selected, bold: null,
      empty: !chart.runs.some((r) => r.last >= 0), labelled: spec.labelled, text: style.color, font: `12px ${style.fontFamily}`,
      marks: chart.marks(new Set(spec.series.map((series) => series.run))), colour: (name) => style.getPropertyValue(`--st-${name}-color`),
    };
  }

  asFigure() {
    const plot = { ...this.makePlot(), selected: null }, style = getComputedStyle(this.canvas), smooth = this.chart.view.smooth;
    if (!this.chart.pinned) plot.hover = null;
    const amount = smooth && plot.lines.some((line) => line.smooth) ? `smoothed (${smooth}), raw values faint` : "";
    return { title: this.spec.title, note: [this.spec.note, amount, this.outside.textContent].filter(Boolean).join("; "), plot,
      legend: plot.lines.slice(0, 2 * MOST_NAMED), background: style.getPropertyValue("--st-background-color") || "#fff" };
  }

  /** The values at the cursor, or the newest ones, into the legend and the canvas's names. */
  write(plot) {
    const { chart, spec } = this, values = [];
    for (const { series, value, key } of this.entries) {
      const line = !chart.hidden.has(key) && chart.line(series);
      const [places, found] = !line ? [[], []] : line.mean.length ? [line.meanX, line.mean] : [line.behind.x, line.behind.raw];
      value.textContent = line ? readable(found[chart.hover === null ? found.length - 1 : readAt(places, chart.hover)], spec.unit) : "";
      if (line) values.push(`${series.label} ${value.textContent}`);
    }
    this.shorten(plot);
    const beyond = plot.lines.reduce((sum, line) => sum + outside([line.x, line.raw], ...plot.range, [plot.low, plot.high]), 0);
    this.outside.textContent = beyond && !spec.fixed ? `${beyond.toLocaleString("en")} raw value${beyond > 1 ? "s" : ""} outside` : "";
    const words = (chart.hover === null ? "" : `${placeInWords(chart.hover, chart.view.x)}: `) + (values.slice(0, MOST_NAMED).join(", ") || "No values yet");
    const marks = plot.marks.map(([at, text]) => `${text} at ${placeInWords(at, chart.view.x)}`).join("; ");
    this.canvas.setAttribute("aria-label", `${spec.title}. ${values.slice(0, MOST_NAMED).join(", ") || "No values yet"}. ${marks}${marks ? ". " : ""}Arrow keys step, Enter keeps the cursor, plus and minus zoom, Escape resets.`);
    this.canvas.setAttribute("aria-valuetext", words);
    const [a, b] = plot.range;
    for (const [name, number] of [["valuemin", a], ["valuemax", b], ["valuenow", chart.hover ?? b]]) this.canvas.setAttribute(`aria-${name}`, number);
  }

  /** Of a long legend, the lines next to the pointer, or the first ones. */
  shorten(plot) {
    if (this.entries.length <= MOST_NAMED) return;
    const labels = plot.bold ? [plot.bold.label] : this.entries.slice(0, MOST_NAMED - 2).map(({ series }) => series.label);
    for (const { series, button } of this.entries) button.hidden = !labels.includes(series.label);
    this.more.textContent = plot.bold ? "" : `and ${this.entries.length - labels.length} more: point at a line for its name`;
  }
}

function lineSample({ colour, style }) {
  const made = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const sample = made("svg", { class: "sample", viewBox: "0 0 22 6", "aria-hidden": "true" });
  sample.append(made("line", { x1: 0, x2: 22, y1: 3, y2: 3, "stroke-width": 2.5, "stroke-dasharray": DASHES[(style ?? 0) % DASHES.length].join(" ") || "none",
    style: `stroke: var(--st-${colour}-color)` }));
  return sample;
}
