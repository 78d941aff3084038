// The accuracy over the epochs on fixed axes: 0 to 100 %, 0 to the last epoch; marks where a setting changed, and the cursor.
import {percent} from "../shared/numbers.js";
import {epochStep, pointsUntil, rowsOf, spreadLabels} from "./frames.js";
import {dotAt, sampleOf, valueAt} from "./model.js";

const NARROW = 460; // pixels: names of the curves stand above the chart
const MARK_ROWS = 4;
const MOST_DOTS = 60; // evaluations of a curve that are drawn as points

// Where the plot lies in a chart, in pixels; `em` is the size of its text.
export function plotOf(width, height, em) {
  const narrow = width < NARROW;
  return {narrow, em, left: 2.9 * em, right: width - (narrow ? 4.4 : 9.2) * em, top: 0.9 * em, bottom: height - 1.9 * em};
}

function made(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// Draws the axes, the curves and the marks; returns the plot and a function that draws a moment.
export function drawChart(chart, model) {
  const plot = plotOf(chart.clientWidth, chart.clientHeight, Number.parseFloat(getComputedStyle(chart).fontSize));
  const {left, right, top, bottom, em} = plot, end = model.end || 1;
  const x = (epoch) => left + (epoch / end) * (right - left), y = (share) => bottom - share * (bottom - top);
  const band = made("rect", {class: "band", y: top, height: Math.max(0, bottom - top)});
  const cursorLine = made("line", {class: "cursor", y1: bottom, y2: top});
  const lines = model.curves.map((curve) => lineOf(curve, plot, x, y));
  chart.replaceChildren(...axes(plot, x, y, end), band, ...marksOf(model.marks ?? [], plot, x),
    ...lines.flatMap(({parts}) => parts), cursorLine, ...lines.flatMap(({dot, label}) => [dot, label]));

  const draw = ({epoch, whole, stretch}) => {
    cursorLine.setAttribute("x1", x(epoch));
    cursorLine.setAttribute("x2", x(epoch));
    band.setAttribute("visibility", stretch ? "visible" : "hidden");
    if (stretch) { band.setAttribute("x", x(stretch[0])); band.setAttribute("width", Math.max(0, x(Math.min(stretch[1], end)) - x(stretch[0]))); }
    const labels = [];
    for (const line of lines) {
      const value = line.at(epoch, whole);
      if (value !== null) labels.push({label: line.label, at: y(value) + 0.35 * em});
    }
    for (const {label, at} of spreadLabels(labels, 1.4 * em, bottom + 0.2 * em)) label.setAttribute("y", at);
  };
  return {plot, draw};
}

function axes({left, right, bottom, em, narrow}, x, y, end) {
  const parts = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(made("line", {class: "grid", x1: left, x2: right, y1: y(share), y2: y(share)}));
    parts.push(made("text", {class: "tick", x: left - 0.5 * em, y: y(share) + 0.3 * em, "text-anchor": "end"}, percent(share)));
  }
  const every = epochStep(end, right - left);
  for (let epoch = 0; epoch <= end; epoch += every) {
    parts.push(made("text", {class: "tick", x: x(epoch), y: bottom + 1.4 * em, "text-anchor": "middle"}, epoch));
  }
  if (!narrow) parts.push(made("text", {class: "tick", x: right + 0.9 * em, y: bottom + 1.4 * em}, "epochs"));
  return parts;
}

// A dashed line wherever a setting changed, with words at its foot.
function marksOf(marks, {left, right, bottom, top, em}, x) {
  const texts = marks.map(([epoch, words]) => {
    const at = x(epoch), width = words.length * 0.52 * em, flip = at + width > right && at - width > left;
    return {at, words, flip, span: flip ? [at - width, at] : [at, at + width]};
  });
  const rows = rowsOf(texts.map(({span}) => span), MARK_ROWS);
  return texts.flatMap(({at, words, flip}, i) => [
    made("line", {class: "mark", x1: at, x2: at, y1: bottom, y2: top}),
    made("text", {class: "mark-words", x: at + (flip ? -0.3 : 0.3) * em, y: bottom - (0.5 + 1.2 * rows[i]) * em, "text-anchor": flip ? "end" : "start"}, words),
  ]);
}

// The parts of one curve, and `at(epoch, whole)`, which draws it up to an epoch, or all of it with the rest faint.
function lineOf(curve, {right, em, narrow}, x, y) {
  const flat = curve.level !== undefined, faint = sampleOf(curve), style = `stroke: var(--${curve.name})`;
  const path = (points) => points.map(([at, share], i) => `${i ? "L" : "M"}${x(at).toFixed(1)} ${y(share).toFixed(1)}`).join("");
  const sample = made("path", {class: "sample", style}), rest = made("path", {class: "curve rest", style});
  const main = made("path", {class: "curve", style, "stroke-dasharray": flat ? "5 4" : "none"});
  const dot = made("circle", {r: 0.3 * em, style: `fill: var(--${curve.name})`});
  const label = made("text", {class: "label", x: right + 0.8 * em, style: `fill: var(--${curve.name})`});
  const few = curve.points.length <= MOST_DOTS ? curve.points : [];
  const measured = few.map(([at, share]) => ({at, node: made("circle", {cx: x(at), cy: y(share), r: 0.2 * em, style: `fill: var(--${curve.name})`})}));
  if (flat) main.setAttribute("d", `M${x(0)} ${y(curve.level)}H${right}`);
  const at = (epoch, whole) => {
    const value = valueAt(curve, epoch);
    if (!flat) {
      main.setAttribute("d", path(pointsUntil(curve.points, epoch)));
      rest.setAttribute("d", whole ? path(curve.points) : "");
      sample.setAttribute("d", path(whole ? faint : pointsUntil(faint, epoch)));
      for (const {at: when, node} of measured) node.setAttribute("visibility", whole || when <= epoch ? "visible" : "hidden");
      dot.setAttribute("visibility", value === null ? "hidden" : "visible");
      if (value !== null) { dot.setAttribute("cx", x(dotAt(curve, epoch))); dot.setAttribute("cy", y(value)); }
    }
    label.textContent = value === null ? "" : narrow ? percent(value) : `${curve.title} ${percent(value)}`;
    return value;
  };
  return {at, label, dot: flat ? made("g", {}) : dot, parts: [sample, rest, main, ...measured.map(({node}) => node)]};
}
