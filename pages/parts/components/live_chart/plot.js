// Drawing one panel, on a canvas or as SVG. Nothing here touches the page.
//
// plot: {range: [a, b], low, high, log, unit, axis, lines, marks, hover, selected, empty, colour, text, font, labelled, bold}
// lines: {label, colour, style, level, faint, x, raw, meanX, mean, behind}: places on the x axis and values; `mean` is the smoothed curve
import {AXES, clock, short} from "./points.js";
import {BOTTOM, LEFT, RIGHT, TOP, decades, nearest, readable, ticks, visible} from "./scales.js";

export const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [5, 2, 1, 2, 1, 2]];
export const LABELS = 120; // pixels at the right where lines have labels
const MARK_ROWS = 2;

/** Scales of a plot of this size, with places in pixels. */
export function scalesOf(plot, wide, high) {
  const { range: [a, b], log } = plot, right = plot.labelled && wide > 460 ? LABELS : RIGHT, scale = log ? Math.log : (v) => v;
  const x = (v) => LEFT + ((v - a) / (b - a)) * (wide - LEFT - right);
  const y = (v) => TOP + (1 - (scale(v) - scale(plot.low)) / (scale(plot.high) - scale(plot.low))) * (high - TOP - BOTTOM);
  return { x, y, wide, high, right };
}

export function drawPlot(g, plot, wide, high) {
  const scales = scalesOf(plot, wide, high);
  g.lineJoin = "round";
  drawAxes(g, plot, scales);
  g.save();
  g.beginPath(); g.rect(LEFT - 1, 0, wide - LEFT - scales.right + 2, high - BOTTOM + 4); g.clip();
  if (plot.selected) drawSelection(g, plot, scales);
  drawMarks(g, plot, scales);
  for (const line of plot.lines) drawLine(g, plot, scales, line);
  if (plot.hover !== null && plot.hover >= plot.range[0] && plot.hover <= plot.range[1] && plot.lines.length) drawCrosshair(g, plot, scales);
  g.restore();
  if (scales.right === LABELS) drawLabels(g, plot, scales);
}

function drawAxes(g, plot, { x, y, wide, high, right }) {
  const { range: [a, b], log, low, unit } = plot;
  g.font = plot.font; g.strokeStyle = plot.colour("border") || "#8884"; g.fillStyle = plot.text;
  g.lineWidth = 1; g.textAlign = "right"; g.textBaseline = "middle";
  for (const v of log ? decades(low, plot.high) : ticks(low, plot.high, high / 44)) {
    if (unit === "%" && v > 1 + 1e-6) continue; // a share is at most 100 %
    g.globalAlpha = 0.8; g.fillText(readable(v, unit, true), LEFT - 8, y(v));
    g.globalAlpha = 0.35; rule(g, LEFT, y(v), wide - right, y(v));
  }
  g.globalAlpha = 0.8; g.textBaseline = "alphabetic"; g.textAlign = "center";
  for (const v of plot.empty ? [] : axisTicks(plot.axis, a, b, wide / 80)) g.fillText(tickText(plot.axis, v), x(v), high - 8);
  if (!plot.lines.length) g.fillText("No values yet", (LEFT + wide) / 2, high / 2);
  g.textAlign = "right";
  g.fillText(AXES[plot.axis].word, LEFT - 8, high - 8);
  g.globalAlpha = 1;
}

/** Ticks of an x axis; of time at round numbers of seconds, minutes or hours, of a log scale at those of `decades`. */
export function axisTicks(axis, a, b, count) {
  if (axis === "steplog") {
    const found = decades(10 ** a, 10 ** b);
    return (found.length > 1 ? found : ticks(10 ** a, 10 ** b, count)).map(Math.log10);
  }
  if (axis !== "time") return ticks(a, b, count);
  const unit = b - a > 7200 ? 3600 : b - a > 120 ? 60 : 1;
  return ticks(a / unit, b / unit, count).map((v) => v * unit);
}

function tickText(axis, v) {
  if (axis === "steplog") return short(Math.round(10 ** v));
  return axis === "time" && v ? clock(v) : short(v);
}

function drawSelection(g, plot, { x, high }) {
  const [from, to] = plot.selected;
  g.fillStyle = plot.colour("primary"); g.globalAlpha = 0.15;
  g.fillRect(x(from), TOP, x(to) - x(from), high - TOP - BOTTOM);
  g.globalAlpha = 1;
}

/** A dotted line where a setting was changed, with words as far as there is room. */
function drawMarks(g, plot, { x, wide, high, right }) {
  const [a, b] = plot.range, shown = plot.marks.filter(([at]) => at >= a && at <= b), ends = Array(MARK_ROWS).fill(-Infinity);
  g.font = plot.font; g.textAlign = "left"; g.textBaseline = "top";
  for (const [at, words] of shown) {
    g.strokeStyle = g.fillStyle = plot.text; g.lineWidth = 1; g.globalAlpha = 0.55;
    g.setLineDash([1, 3]); rule(g, x(at), TOP, x(at), high - BOTTOM); g.setLineDash([]);
    const width = g.measureText(words).width, left = Math.min(x(at) + 4, wide - right - width - 2), row = ends.findIndex((end) => end < left);
    g.globalAlpha = 0.9;
    if (row >= 0 && left > LEFT) { g.fillText(words, left, TOP + 14 * row); ends[row] = left + width + 8; }
    else { g.beginPath(); g.moveTo(x(at) - 3.5, TOP); g.lineTo(x(at) + 3.5, TOP); g.lineTo(x(at), TOP + 6); g.closePath(); g.fill(); }
  }
  g.globalAlpha = 1;
}

function drawLine(g, plot, { x, y }, line) {
  const { a, b } = { a: plot.range[0], b: plot.range[1] }, faded = plot.bold && plot.bold !== line ? 0.35 : 1;
  g.strokeStyle = g.fillStyle = plot.colour(line.colour);
  if (line.behind) { g.globalAlpha = 0.45 * faded; g.lineWidth = 1.25; path(g, line.behind.x, line.behind.raw, x, y, a, b); }
  if (line.mean !== line.raw) { g.globalAlpha = 0.22 * faded; g.lineWidth = 1; path(g, line.x, line.raw, x, y, a, b); }
  g.globalAlpha = faded * (line.faint ? 0.5 : 1); g.lineWidth = line.faint ? 1.25 : plot.bold === line ? 3 : 2;
  g.setLineDash(DASHES[line.style % DASHES.length]);
  path(g, line.meanX, line.mean, x, y, a, b);
  g.setLineDash([]);
  if (line.x.length <= 40 && !line.level) for (let i = 0; i < line.x.length; i++) if (line.raw[i] != null) dot(g, x(line.x[i]), y(line.raw[i]), 2.5);
  g.globalAlpha = 1;
}

function drawCrosshair(g, plot, { x, y, high }) {
  g.strokeStyle = plot.text; g.globalAlpha = 0.4; g.lineWidth = 1;
  rule(g, x(plot.hover), TOP, x(plot.hover), high - BOTTOM);
  g.globalAlpha = 1;
  for (const line of plot.lines) {
    const i = readAt(line.meanX, plot.hover);
    g.fillStyle = plot.colour(line.colour);
    if (line.mean[i] != null) dot(g, line.level ? x(plot.hover) : x(line.meanX[i]), y(line.mean[i]), 4);
  }
}

/** The names of the lines at their ends, moved apart. */
function drawLabels(g, plot, { y, wide, high }) {
  const labels = plot.lines.filter((line) => !line.level).map((line) => {
    const last = line.mean.slice(...visible(line.meanX, ...plot.range)).findLast((v) => v != null);
    return { line, at: last == null ? NaN : Math.min(Math.max(y(last), TOP), high - BOTTOM) };
  }).filter(({ at }) => !Number.isNaN(at));
  if (labels.length > (high - TOP - BOTTOM) / 13) return;
  labels.sort((p, q) => p.at - q.at);
  for (let i = 1; i < labels.length; i++) labels[i].at = Math.max(labels[i].at, labels[i - 1].at + 13);
  for (let i = labels.length - 1, floor = high - BOTTOM; i >= 0; i--, floor -= 13) labels[i].at = Math.min(labels[i].at, floor);
  g.textAlign = "left"; g.textBaseline = "middle"; g.font = plot.font;
  for (const { line, at } of labels) {
    g.fillStyle = plot.colour(line.colour); g.globalAlpha = plot.bold && plot.bold !== line ? 0.45 : 1;
    g.fillText(fitting(g, line.label, LABELS - 10), wide - LABELS + 8, at);
  }
  g.globalAlpha = 1;
}

export function fitting(g, label, width) {
  let cut = label;
  while (cut.length > 1 && g.measureText(cut).width > width) cut = cut.slice(0, -1);
  return cut === label ? label : `${cut.slice(0, -1)}…`;
}

/** The index of the value that is read at a place; -1 where it lies beyond the line's ends by more than its last step. */
export function readAt(xs, place) {
  const last = xs.length - 1, gap = last > 0 ? xs[last] - xs[last - 1] : Infinity;
  return place > xs[last] + gap || place < xs[0] - gap ? -1 : nearest(xs, place);
}

/** The line whose smoothed value is nearest to a height in pixels; undefined where none is near. */
export function lineAt(plot, scales, place, height, within = 12) {
  let best, least = within;
  for (const line of plot.lines) {
    const away = Math.abs(scales.y(line.mean[nearest(line.meanX, place)] ?? NaN) - height);
    if (away < least) { least = away; best = line; }
  }
  return best;
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
