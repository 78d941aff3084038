// Runs as lines over parallel axes. A range of an axis is kept by dragging along it; the runs outside of any range fade.
//
// data: {labels: [run], axes: [{name, unit, colour, words: [word], values: [number or null]}], start: {brushed}, usual}
import {Address} from "../shared/address.js";
import {element} from "../shared/elements.js";
import {clamp, minus} from "../shared/numbers.js";

const TOP = 46, BOTTOM = 12, SIDE = 62, NARROWEST = 104; // pixels; NARROWEST: between two axes
const VIEWS = new WeakMap(); // brushed ranges, kept while the page runs again

// Where the values of an axis lie, from 0 (bottom) to 1 (top). All equal: in the middle. `of` turns a height back into a value.
export function scaleOf({values, words}) {
  const known = values.filter((value) => value !== null);
  const low = words.length ? 0 : Math.min(...known), high = words.length ? words.length - 1 : Math.max(...known);
  return {low, high, at: (value) => (high > low ? (value - low) / (high - low) : 0.5), of: (share) => low + share * (high - low)};
}

// Which runs lie in all brushed ranges: `ranges` has [from, to] as heights from 0 to 1 for some axes. A run without a value is out.
export function within(axes, ranges) {
  const scales = axes.map(scaleOf);
  return axes[0].values.map((_, run) => axes.every((axis, i) => {
    if (!ranges[i]) return true;
    if (axis.values[run] === null) return false;
    const at = scales[i].at(axis.values[run]);
    return at >= ranges[i][0] - 1e-9 && at <= ranges[i][1] + 1e-9;
  }));
}

// The brushed ranges as one word of an address, "Student~0.5~1;kd~0~0.25", and back; those of axes that are not here are left out.
const named = ({name}) => encodeURIComponent(name).replaceAll("~", "%7E");

export function rangesAsText(axes, ranges) {
  return Object.entries(ranges).map(([i, range]) => [named(axes[i]), ...range.map((end) => +end.toFixed(3))].join("~")).join(";");
}

export function rangesFrom(axes, text) {
  const ranges = {};
  for (const part of text.split(";")) {
    const [name, low, high] = part.split("~"), i = axes.findIndex((axis) => named(axis) === name);
    if (i >= 0 && +low >= 0 && +high <= 1 && +low < +high) ranges[i] = [+low, +high];
  }
  return ranges;
}

// What an axis is labelled with: all words, or lowest and highest and what lies between where few values occur.
export function labelsOf(axis, most = 9) {
  const {low, high, at} = scaleOf(axis);
  if (axis.words.length) {
    const every = Math.ceil(axis.words.length / most);
    return axis.words.flatMap((word, i) => (i % every ? [] : [[at(i), word]]));
  }
  const there = [...new Set(axis.values.filter((value) => value !== null))].sort((a, b) => a - b);
  const ends = there.length <= 5 ? there : [low, (low + high) / 2, high];
  return ends.filter((value, i) => !i || at(value) - at(ends[i - 1]) > 0.05).map((value) => [at(value), shownAs(value, axis.unit)]);
}

function shownAs(value, unit) {
  return unit === "%" ? minus(`${(100 * value).toFixed(1)} %`) : minus(String(+value.toPrecision(3)));
}

// The kept runs in words: how many, and which where they are few.
export function keptWords(labels, kept) {
  const names = labels.filter((_, run) => kept[run]);
  if (names.length === labels.length) return `${labels.length} runs`;
  if (!names.length) return `None of ${labels.length} runs lies in these ranges.`;
  const listed = names.slice(0, 6).join("; "), more = names.length > 6 ? `; and ${names.length - 6} more` : "";
  return `${names.length} of ${labels.length} runs: ${listed}${more}`;
}

export default function ({data, parentElement, setTriggerValue}) {
  const find = (selector) => parentElement.querySelector(selector), svg = find("svg"), said = find(".kept");
  const sameAxes = JSON.stringify([data.labels, data.axes.map(({name}) => name)]);
  let view = VIEWS.get(parentElement);
  if (view?.of !== sameAxes) VIEWS.set(parentElement, (view = {of: sameAxes, ranges: {}, brushed: "", address: new Address()}));
  if (view.address.restored(view, data.start)) view.ranges = rangesFrom(data.axes, view.brushed);
  const scales = data.axes.map(scaleOf);
  svg.setAttribute("aria-label", `${data.labels.length} runs over ${data.axes.map(({name}) => name).join(", ")}`);
  let lines = [], brushes = [], tall = 320, near = null;

  function made(tag, attributes, words = "") {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = words;
    return node;
  }
  const height = (share) => tall - BOTTOM - share * (tall - TOP - BOTTOM);

  function lay() {
    const there = svg.parentElement.clientWidth;
    if (!there) return;
    const wide = Math.max(there, 2 * SIDE + NARROWEST * (data.axes.length - 1));
    tall = there < 500 ? 280 : 340;
    svg.style.height = `${tall}px`;
    svg.style.width = `${wide}px`;
    svg.parentElement.style.overflowX = wide > there ? "auto" : "";
    const place = (i) => SIDE + (i * (wide - 2 * SIDE)) / Math.max(1, data.axes.length - 1);
    lines = data.labels.map((label, run) => {
      const points = data.axes.map(({values}, i) => (values[run] === null ? null : [place(i), height(scales[i].at(values[run]))]));
      const path = points.map((point, i) => (point ? `${points[i - 1] ? "L" : "M"}${point[0]} ${point[1]}` : "")).join("");
      const line = made("path", {class: "line", d: path});
      line.append(made("title", {}, label));
      return line;
    });
    brushes = data.axes.map(() => made("rect", {class: "brush", width: 22, visibility: "hidden"}));
    svg.replaceChildren(...lines, ...data.axes.map((axis, i) => axisOf(axis, i, place(i))));
    show();
  }

  function axisOf(axis, i, x) {
    const group = made("g", {class: "axis", tabindex: 0, role: "slider", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0});
    const grip = made("rect", {class: "grip", x: x - 22, y: TOP - 10, width: 44, height: tall - TOP - BOTTOM + 20});
    brushes[i].setAttribute("x", x - 11);
    group.append(made("line", {class: "rule", x1: x, x2: x, y1: height(0), y2: height(1)}), brushes[i]);
    for (const [share, words] of labelsOf(axis)) {
      group.append(made("text", {class: "tick", x: x + 7, y: height(share) + 4}, words.length > 18 ? `${words.slice(0, 17)}…` : words));
    }
    const title = made("text", {class: "title", x, y: i % 2 ? 14 : 30, "text-anchor": "middle"}, axis.name);
    if (axis.colour) title.style.fill = axis.colour;
    group.append(title, grip);
    let from = null;
    const share = (event) => clamp((height(0) - (event.clientY - svg.getBoundingClientRect().top)) / (height(0) - height(1)), 0, 1);
    grip.onpointerdown = (event) => { grip.setPointerCapture(event.pointerId); from = share(event); keep(i, null); };
    grip.onpointermove = (event) => { if (from !== null && Math.abs(share(event) - from) > 0.02) keep(i, [Math.min(from, share(event)), Math.max(from, share(event))]); };
    grip.onpointerup = grip.onpointercancel = () => { from = null; report(); };
    group.onkeydown = (event) => {
      const [low, high] = view.ranges[i] ?? [0, 1], step = 0.1;
      const acts = {ArrowUp: [low + step, high], ArrowDown: [low - step, high], PageUp: [low, high + step], PageDown: [low, high - step], Escape: null};
      if (!(event.key in acts)) return;
      event.preventDefault();
      const next = acts[event.key];
      keep(i, next && [clamp(next[0], 0, 0.9), clamp(next[1], clamp(next[0], 0, 0.9) + 0.1, 1)]);
      report();
    };
    return group;
  }

  function keep(i, range) {
    if (range && (range[0] > 0 || range[1] < 1)) view.ranges[i] = range;
    else delete view.ranges[i];
    show();
  }

  function report() {
    view.brushed = rangesAsText(data.axes, view.ranges);
    view.address.report(view, data.usual, setTriggerValue);
  }

  function show() {
    const kept = within(data.axes, view.ranges), places = data.labels.map((_, run) => run).filter((run) => kept[run]);
    lines.forEach((line, run) => line.setAttribute("class", `line${kept[run] ? "" : " out"}${run === near ? " near" : ""}`));
    brushes.forEach((brush, i) => {
      const range = view.ranges[i], {of} = scales[i], {unit, words, name} = data.axes[i];
      brush.setAttribute("visibility", range ? "visible" : "hidden");
      if (range) { brush.setAttribute("y", height(range[1])); brush.setAttribute("height", height(range[0]) - height(range[1])); }
      const ends = range && range.map((end) => (words.length ? words[Math.round(of(end))] : shownAs(of(end), unit)));
      const group = brush.parentNode;
      group?.setAttribute("aria-label", name);
      group?.setAttribute("aria-valuenow", Math.round(100 * (range?.[0] ?? 0)));
      group?.setAttribute("aria-valuetext", ends ? `from ${ends[0]} to ${ends[1]}` : "all");
    });
    said.textContent = near === null ? keptWords(data.labels, kept) : data.labels[near];
    const some = places.length < data.labels.length;
    find(".all").hidden = !some;
    find(".only").hidden = !some || places.length < 2;
    find(".only").textContent = `Compare only these ${places.length}`;
    find(".only").onclick = () => setTriggerValue("kept", places);
  }

  svg.onpointermove = (event) => {
    if (event.buttons) return;
    const box = svg.getBoundingClientRect(), next = nearestLine(lines, event.clientX - box.left, event.clientY - box.top, within(data.axes, view.ranges));
    if (next !== near) { near = next; show(); }
  };
  svg.onpointerleave = () => { near = null; show(); };
  find(".all").onclick = () => { view.ranges = {}; show(); report(); };
  lay();
  const sizes = new ResizeObserver(lay);
  sizes.observe(svg.parentElement);
  return () => sizes.disconnect();
}

// The kept line that is nearest to a point, by its height there; null where none is within 12 pixels.
function nearestLine(lines, x, y, kept) {
  let best = null, least = 12;
  lines.forEach((line, run) => {
    if (!kept[run]) return;
    const points = [...line.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)].map((found) => [+found[1], +found[2]]);
    for (let i = 1; i < points.length; i++) {
      const [[x0, y0], [x1, y1]] = [points[i - 1], points[i]];
      if (x < x0 || x > x1) continue;
      const distance = Math.abs(y0 + ((y1 - y0) * (x - x0)) / (x1 - x0) - y);
      if (distance < least) [least, best] = [distance, run];
    }
  });
  return best;
}
