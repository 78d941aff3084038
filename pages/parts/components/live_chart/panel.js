// One panel of a chart: title, legend, and a canvas that is zoomed, panned and read.
import {element} from "../shared/elements.js";
import {BOTTOM, LEFT, RIGHT, TOP, bounds, decades, epochUnder, nearest, readable, ticks, visible} from "./scales.js";

let scrolledElsewhere = -Infinity; // a scroll that began outside a chart continues over it
addEventListener("wheel", (e) => { if (!e.composedPath().some((n) => n.tagName === "CANVAS")) scrolledElsewhere = e.timeStamp; },
  { passive: true, capture: true });

export class Panel {
  constructor(chart, spec) {
    Object.assign(this, { chart, spec, figure: element("figure"), canvas: element("canvas"), fingers: new Map() });
    const title = element("h4", "", spec.title), legend = element("div", "legend");
    if (spec.note) title.append(element("small", "", spec.note));
    this.entries = spec.series.map((series) => {
      const button = element("button"), sample = element("i"), value = element("b"), key = spec.title + series.label;
      button.type = "button";
      sample.className = series.dash ? "dash" : "";
      sample.style.borderColor = `var(--st-${series.colour}-color)`;
      button.append(sample, series.label, value);
      button.setAttribute("aria-pressed", !chart.hidden.has(key));
      button.onclick = () => {
        chart.hidden.has(key) ? chart.hidden.delete(key) : chart.hidden.add(key);
        button.setAttribute("aria-pressed", !chart.hidden.has(key));
        chart.draw();
      };
      legend.append(button);
      return { series, value, key };
    });
    this.canvas.setAttribute("role", "img");
    this.canvas.tabIndex = 0;
    this.canvas.ontransitionend = () => chart.draw(); // the theme changed
    this.figure.append(title, legend, this.canvas);
    this.listen();
  }

  listen() {
    const { chart, canvas, fingers } = this;
    const at = (e) => { const box = canvas.getBoundingClientRect(); return epochUnder(e.clientX - box.left, box.width, this.range); };
    canvas.addEventListener("wheel", (e) => {
      if (e.timeStamp - scrolledElsewhere < 400) { scrolledElsewhere = e.timeStamp; return; }
      e.preventDefault();
      chart.zoom(at(e), Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.006));
    }, { passive: false });
    canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e.clientX); };
    canvas.onpointermove = (e) => {
      const width = this.range[1] - this.range[0], pixels = canvas.clientWidth - LEFT - RIGHT, before = fingers.get(e.pointerId);
      if (before !== undefined && fingers.size === 1 && chart.view) chart.show(this.range[0] - ((e.clientX - before) / pixels) * width, width);
      if (before !== undefined && fingers.size === 2) {
        const [other] = [...fingers].filter(([id]) => id !== e.pointerId).map(([, x]) => x);
        chart.zoom(at(e), Math.abs(before - other) / Math.max(20, Math.abs(e.clientX - other)));
      }
      if (before !== undefined) fingers.set(e.pointerId, e.clientX);
      chart.hover = at(e);
      chart.draw();
    };
    canvas.onpointerup = canvas.onpointercancel = (e) => fingers.delete(e.pointerId);
    canvas.onpointerleave = canvas.onblur = () => { chart.hover = null; chart.draw(); };
    canvas.ondblclick = () => { chart.view = null; chart.draw(); };
    canvas.onkeydown = (e) => {
      const [a, b] = this.range, middle = chart.hover ?? (a + b) / 2, step = (b - a) / 50;
      const acts = { ArrowLeft: () => (chart.hover = Math.max(a, middle - step)), ArrowRight: () => (chart.hover = Math.min(b, middle + step)),
        "+": () => chart.zoom(middle, 0.7), "-": () => chart.zoom(middle, 1 / 0.7), Escape: () => (chart.view = chart.hover = null) };
      if (acts[e.key]) { e.preventDefault(); acts[e.key](); chart.draw(); }
    };
  }

  draw() {
    const { chart, canvas, spec } = this;
    if (!canvas.clientWidth) return;
    const [a, b] = (this.range = chart.view ?? [0, chart.end()]), log = chart.log && spec.log;
    const entries = this.entries.map((entry) => ({ ...entry, line: chart.line(entry.series) }));
    const shown = entries.filter(({ line, key }) => line && !chart.hidden.has(key));
    const frame = this.frame([a, b], bounds(shown.map(({ line }) => line), a, b, log), log);
    this.drawAxes(frame, shown.length > 0);
    const { g, wide, high } = frame;
    g.save();
    g.beginPath(); g.rect(LEFT - 1, 0, wide - LEFT + 1, high - BOTTOM + 4); g.clip();
    for (const { series, line } of shown) this.drawLine(frame, series, line);
    if (chart.hover !== null && chart.hover >= a && chart.hover <= b && shown.length) this.drawCrosshair(frame, shown);
    g.restore();
    this.writeValues(entries);
  }

  /** The canvas in its present size, the theme's colours and the scales. */
  frame([a, b], [low, high_], log) {
    const { canvas } = this, sharp = devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
    if (canvas.width !== Math.round(wide * sharp) || canvas.height !== Math.round(high * sharp)) {
      canvas.width = Math.round(wide * sharp);
      canvas.height = Math.round(high * sharp);
    }
    const g = canvas.getContext("2d"), style = getComputedStyle(canvas), colour = (name) => style.getPropertyValue(`--st-${name}-color`);
    g.setTransform(sharp, 0, 0, sharp, 0, 0);
    g.clearRect(0, 0, wide, high);
    g.font = `12px ${style.fontFamily}`;
    const scale = log ? Math.log : (v) => v, x = (v) => LEFT + ((v - a) / (b - a)) * (wide - LEFT - RIGHT);
    const y = (v) => TOP + (1 - (scale(v) - scale(low)) / (scale(high_) - scale(low))) * (high - TOP - BOTTOM);
    const levels = log ? decades(low, high_) : ticks(low, high_, high / 44);
    return { g, wide, high, x, y, a, b, levels, colour, text: style.color };
  }

  drawAxes({ g, wide, high, x, y, a, b, levels, colour, text }, measured) {
    const { chart, spec } = this;
    g.strokeStyle = colour("border") || "#8884";
    g.fillStyle = text;
    g.lineWidth = 1;
    g.globalAlpha = 0.75;
    g.textAlign = "right"; g.textBaseline = "middle";
    for (const v of levels) {
      if (spec.unit === "%" && v > 1 + 1e-6) continue; // a share is at most 100 %
      g.fillText(readable(v, spec.unit, true), LEFT - 8, y(v));
      g.globalAlpha = 0.35; rule(g, LEFT, y(v), wide - RIGHT, y(v)); g.globalAlpha = 0.75;
    }
    g.textBaseline = "alphabetic"; g.textAlign = "center";
    const marks = chart.runs.some((r) => r.last >= 0) ? ticks(a, b, wide / 70) : [];
    for (const v of marks) g.fillText(`${+v.toPrecision(4)}`, x(v), high - 8);
    if (!measured) g.fillText("No values yet", (LEFT + wide) / 2, high / 2);
    g.textAlign = "right";
    g.fillText("epoch", LEFT - 8, high - 8);
    g.globalAlpha = 1;
  }

  drawLine({ g, x, y, a, b, colour }, series, [xs, raw, smooth]) {
    g.strokeStyle = g.fillStyle = colour(series.colour);
    g.lineJoin = "round";
    if (raw !== smooth) { g.globalAlpha = 0.22; g.lineWidth = 1; path(g, xs, raw, x, y, a, b); g.globalAlpha = 1; }
    g.lineWidth = 2;
    g.setLineDash(series.dash ? [6, 4] : []);
    path(g, xs, smooth, x, y, a, b);
    g.setLineDash([]);
    if (xs.length <= 40 && !series.level) for (let i = 0; i < xs.length; i++) if (raw[i] != null) dot(g, x(xs[i]), y(raw[i]), 2.5);
  }

  drawCrosshair({ g, high, x, y, colour, text }, shown) {
    const { hover } = this.chart;
    g.strokeStyle = text; g.globalAlpha = 0.4; g.lineWidth = 1;
    rule(g, x(hover), TOP, x(hover), high - BOTTOM);
    g.globalAlpha = 1;
    for (const { series, line } of shown) {
      const i = nearest(line[0], hover);
      g.fillStyle = colour(series.colour);
      if (line[2][i] != null) dot(g, series.level ? x(hover) : x(line[0][i]), y(line[2][i]), 4);
    }
  }

  /** The values under the crosshair, or the newest ones, into the legend and the canvas's label. */
  writeValues(entries) {
    const { chart, spec } = this, values = [];
    for (const { series, line, value, key } of entries) {
      const at = line && (chart.hover === null ? line[0].length - 1 : nearest(line[0], chart.hover));
      value.textContent = line && !chart.hidden.has(key) ? readable(line[2][at], spec.unit) : "";
      if (line) values.push(`${series.label} ${value.textContent}`);
    }
    this.canvas.setAttribute("aria-label", `${spec.title}. ${values.join(", ") || "No values yet"}. Arrow keys read values, plus and minus zoom.`);
    if (chart.hover !== null) chart.report(`epoch ${chart.hover.toFixed(2)}`); else if (chart.find(".word").textContent.startsWith("epoch")) chart.report("");
  }
}

function path(g, xs, ys, x, y, a, b) {
  g.beginPath();
  let down = false;
  const [start, stop] = visible(xs, a, b);
  for (let i = start; i < stop; i++) {
    if (ys[i] == null || Number.isNaN(y(ys[i]))) { down = false; continue; }
    down ? g.lineTo(x(xs[i]), y(ys[i])) : g.moveTo(x(xs[i]), y(ys[i]));
    down = true;
  }
  g.stroke();
}

function rule(g, x0, y0, x1, y1) { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); }
function dot(g, x, y, size) { g.beginPath(); g.arc(x, y, size, 0, 7); g.fill(); }
