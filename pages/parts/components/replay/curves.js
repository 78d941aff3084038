// The curves over the epochs, and the cursor.
import {percent} from "../shared/numbers.js";
import {epochStep, pointsUntil, spreadLabels} from "./frames.js";

export const PLOT = {left: 40, right: 96, top: 14, bottom: 26}; // margins, in pixels

// Draws the axes once; returns a function that draws the curves up to an epoch.
export function drawChart(chart, data, last) {
  const width = chart.clientWidth, height = chart.clientHeight;
  const x = (epoch) => PLOT.left + (epoch / last) * (width - PLOT.left - PLOT.right);
  const y = (share) => height - PLOT.bottom - share * (height - PLOT.top - PLOT.bottom);
  const made = (tag, attributes, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const right = x(last), parts = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(made("line", {class: "grid", x1: x(0), x2: right, y1: y(share), y2: y(share)}));
    parts.push(made("text", {class: "tick", x: x(0) - 8, y: y(share) + 4, "text-anchor": "end"}, percent(share)));
  }
  const every = epochStep(last, width);
  for (let epoch = 0; epoch <= last; epoch += every) {
    parts.push(made("text", {class: "tick", x: x(epoch), y: height - 6, "text-anchor": "middle"}, epoch));
  }
  parts.push(made("text", {class: "tick", x: right + 10, y: height - 6}, "epochs"));
  const cursor = made("line", {class: "cursor", y1: y(0), y2: y(1)});
  parts.push(cursor);
  const lines = data.curves.map((curve) => {
    const path = made("path", {class: "curve", style: `stroke: var(--${curve.name})`, "stroke-dasharray": curve.level ? "5 4" : "none"});
    const dot = made("circle", {r: curve.level ? 0 : 4, style: `fill: var(--${curve.name})`});
    const label = made("text", {class: "label", x: right + 10, style: `fill: var(--${curve.name})`});
    parts.push(path, dot, label);
    return {curve, path, dot, label};
  });
  chart.replaceChildren(...parts);

  return (epoch) => {
    cursor.setAttribute("x1", x(epoch));
    cursor.setAttribute("x2", x(epoch));
    const labels = [];
    for (const {curve, path, dot, label} of lines) {
      const points = pointsUntil(curve.points, epoch);
      const shown = curve.level ? [[0, curve.level], [last, curve.level]] : points;
      path.setAttribute("d", shown.map(([at, share], i) => `${i ? "L" : "M"}${x(at)} ${y(share)}`).join(""));
      const [at, share] = shown.at(-1) ?? [0, NaN];
      dot.setAttribute("visibility", points.length ? "visible" : "hidden");
      if (points.length) { dot.setAttribute("cx", x(at)); dot.setAttribute("cy", y(share)); }
      label.textContent = shown.length ? `${curve.title} ${percent(share)}` : "";
      if (shown.length) labels.push({label, at: y(share) + 4});
    }
    for (const {label, at} of spreadLabels(labels)) label.setAttribute("y", at);
  };
}
