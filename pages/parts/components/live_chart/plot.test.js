import assert from "node:assert/strict";
import test from "node:test";
import { DASHES, axisTicks, drawPlot, lineAt, readAt, scalesOf } from "./plot.js";
import { svgOf } from "./saving.js";
import { SvgContext } from "./svg.js";

const line = (changes) => ({ label: "Student", colour: "primary", style: 0, x: [0, 10], raw: [0, 1], meanX: [0, 10], mean: [0, 1], ...changes });
const plotOf = (changes) => ({ range: [0, 10], low: 0, high: 1, log: false, unit: "%", axis: "epoch", lines: [line()], marks: [], hover: null,
  selected: null, bold: null, empty: false, labelled: false, text: "#222222", font: "12px sans-serif", colour: (name) => `<${name}>`, ...changes });

function drawn(plot) {
  const g = new SvgContext(262, 132);
  drawPlot(g, plot, 262, 132);
  return g.text("Accuracy");
}

test("a line runs from corner to corner of the plot", () => {
  // margins of 52, 10, 8 and 24 pixels leave 200 x 100
  assert.match(drawn(plotOf()), /d="M52,108L252,8"/);
});

test("the second line style is dashed, and text is escaped", () => {
  const text = drawn(plotOf({ lines: [line({ style: 1 })] }));
  assert.match(text, new RegExp(`stroke="&lt;primary&gt;" stroke-width="2" stroke-linejoin="round" stroke-dasharray="${DASHES[1]}"`));
  assert.match(drawn(plotOf({ marks: [[5, "a < b & c"]] })), />a &lt; b &amp; c</);
});

test("marks without room for words become triangles", () => {
  const words = "a setting with long words was changed here";
  const text = drawn(plotOf({ marks: [[4, words], [5, words], [6, words]] }));
  assert.equal(text.split(words).length - 1 + text.split("Z\"").length - 2, 3); // one Z is the clip's
});

test("the line under the pointer is found where one is near", () => {
  const plot = plotOf({ lines: [line(), line({ label: "Twin", mean: [0.5, 0.5] })] }), scales = scalesOf(plot, 262, 132);
  assert.equal(lineAt(plot, scales, 10, scales.y(0.52)).label, "Twin");
  assert.equal(lineAt(plot, scales, 10, scales.y(0.75)), undefined);
});

test("ticks of time are round minutes and hours", () => {
  assert.deepEqual(axisTicks("time", 0, 600, 5), [0, 120, 240, 360, 480, 600]);
  assert.deepEqual(axisTicks("time", 0, 36000, 4), [0, 18000, 36000]);
  assert.deepEqual(axisTicks("step", 0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(axisTicks("steplog", 0, 2, 5).map((v) => Math.round(10 ** v)), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(axisTicks("steplog", Math.log10(210), Math.log10(310), 4).map((v) => Math.round(10 ** v)), [250, 300]);
});

test("a saved figure has the title, the note, the legend and the axes", () => {
  const text = svgOf({ title: "Accuracy", note: "on validation images", plot: plotOf(), background: "#ffffff", legend: [line()] });
  for (const words of ["<title>Accuracy</title>", ">on validation images<", ">Student<", ">100 %<", ">epoch<"]) assert.ok(text.includes(words), words);
  assert.ok(!/NaN|undefined/.test(text));
});

test("a line that ended before the view is neither drawn nor read", () => {
  const ended = line({ x: [1, 2], raw: [0.2, 0.9], meanX: [1, 2], mean: [0.2, 0.9], label: "Ended" });
  const text = drawn(plotOf({ range: [5, 10], lines: [line(), ended], hover: 8 }));
  assert.equal(text.split("a4,4").length - 1, 2); // one dot, of two arcs
  assert.deepEqual([[1, 2, 3], []].map((xs) => readAt(xs, 9)), [-1, 0]);
  assert.deepEqual([3.9, 4.1, 0.1].map((place) => readAt([1, 2, 3], place)), [2, -1, 0]);
});
