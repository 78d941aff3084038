import assert from "node:assert/strict";
import test from "node:test";
import {
  axisEnd, between, bounds, decades, keepAt, nearest, outside, overPoints, placeUnder, readable, smoothed, ticks, viewOf, visible, zoomed,
} from "./scales.js";

const near = (found, expected) => found.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-9, `${found}`));

test("ticks are round and about as many as requested", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  near(ticks(0.12, 0.47, 4), [0.2, 0.3, 0.4]); // a step of 0.0875 is rounded up to 0.1
  assert.deepEqual(ticks(-7, 7, 3), [-5, 0, 5]);
});

test("ticks of a log scale are 1, 2, 5 times powers of ten, and the powers alone over a wide range", () => {
  near(decades(0.4, 30), [0.5, 1, 2, 5, 10, 20]);
  near(decades(0.01, 10), [0.01, 0.1, 1, 10]);
});

test("values are written with three digits, shares as percent, gaps as a dash", () => {
  assert.deepEqual([0.12345, 271.44, 0].map((v) => readable(v, "")), ["0.123", "271", "0"]);
  assert.deepEqual([readable(0.00012, ""), readable(123456, "", true)], ["1.20e-4", "1e+5"]);
  assert.deepEqual([readable(0.5312, "%"), readable(0.5312, "%", true)], ["53.1 %", "53 %"]);
  assert.deepEqual([readable(-0.123, ""), readable(-0.00012, ""), readable(-0.0001, "%")], ["−0.123", "−1.20e-4", "0.0 %"]);
  assert.equal(readable(null, ""), "–");
});

test("the smoothed curve of a constant is the constant from the first value on", () => {
  near(smoothed([1, 2, 3], [3, 3, 3], 0.9, 1), [3, 3, 3]);
});

test("smoothing weighs older values less, by their distance, and keeps gaps", () => {
  // 0.5 * 1 / 0.5 = 1; then (0.25 + 0.5 * 4) / 0.75 = 3
  near(smoothed([1, 2], [1, 4], 0.5, 1), [1, 3]);
  // two steps on, a quarter is kept: (0.25 * 0.5 + 0.75 * 4) / (0.25 * 0.5 + 0.75) = 3.125 / 0.875
  const smooth = smoothed([1, 2, 3], [1, null, 4], 0.5, 1);
  assert.equal(smooth[1], null);
  near([smooth[0], smooth[2]], [1, 3.125 / 0.875]);
  // the same where the points are every 10 steps
  near(smoothed([10, 20], [1, 4], 0.5, 10), [1, 3]);
});

test("means of intervals are smoothed as the points between them would be", () => {
  // a step from 0 to 1: after 4 points of 1 each of the two has forgotten 0.5 ** 4 of the rest
  const points = smoothed([1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 1, 1, 1, 1], 0.5, 1).at(-1);
  const means = smoothed([2.5, 6.5], [0, 1], 0.5, 1).at(-1);
  assert.ok(Math.abs(points - means) < 0.04, `${points} ${means}`);
});

test("the slider's amounts are numbers of points", () => {
  assert.deepEqual([0, 0.8, 0.99, 0.999].map(overPoints), [1, 5, 100, 1000]);
  assert.deepEqual([0, 0.79, 1].map(keepAt), [0, 2, 9]);
});

test("a value between points is on the line between them, and beyond them on the line through 0", () => {
  assert.deepEqual([2, 3, 4, 8, 1].map((x) => between([2, 4], [10, 30], x)), [10, 20, 30, 60, 5]);
  assert.ok(Number.isNaN(between([], [], 1)));
});

test("the nearest point is found by halving, the earlier one only where it is nearer", () => {
  const xs = [0, 1, 4, 10];
  assert.deepEqual([-5, 0.4, 0.6, 2.4, 8, 99].map((x) => nearest(xs, x)), [0, 0, 1, 1, 3, 3]);
});

test("a line is drawn from one point before the view to one after it", () => {
  assert.deepEqual(visible([0, 1, 2, 3, 4, 5], 2, 3), [1, 5]);
  assert.deepEqual(visible([0, 1], 0, 1), [0, 2]);
  assert.deepEqual(visible([0, 1], 2, 3), [0, 0]); // it ended before
});

test("the y axis starts at 0 where the lowest value is less than 0.4 of the highest", () => {
  near(bounds([[[0, 1], [1, 5]]], 0, 1, false), [0, 5.32]); // a margin of 8 % of 4
  near(bounds([[[0, 1], [4, 5]]], 0, 1, false), [3.92, 5.08]);
});

test("the y axis of a constant starts at 0, so that a teacher at 100 % is at the top", () => {
  near(bounds([[[0, 1], [1, 1]]], 0, 1, false), [0, 1.08]);
  near(bounds([[[0, 1], [-2, -2]]], 0, 1, false), [-2.2, -1.8]);
});

test("the y axis covers what is visible, not the rest of the line", () => {
  const xs = [0, 1, 2, 3, 4, 5, 6, 7, 8], line = [xs, [100, 5, 5, 4, 4, 4, 5, 5, 100]];
  near(bounds([line], 3, 5, false), [3.92, 5.08]);
});

test("without values the y axis is 0 to 1; on a log scale only positive values count", () => {
  assert.deepEqual(bounds([], 0, 1, false), [0, 1]);
  assert.deepEqual(bounds([[[0], [null]]], 0, 1, true), [0.1, 1]);
  near(bounds([[[0, 1, 2], [0, 2, 4]]], 0, 2, true), [2 / 1.15, 4.6]);
});

test("outliers are cut where it is chosen: the hundredth of values at either end, and how many are outside is counted", () => {
  const xs = Array.from({ length: 200 }, (_, i) => i), ys = xs.map(() => 5).fill(4, 0, 100);
  Object.assign(ys, { 50: 900, 51: 4, 150: -900 });
  near(bounds([[xs, ys]], 0, 199, false, true), [3.92, 5.08]);
  near(bounds([[xs, ys]], 0, 199, false, false), [-900 - 0.08 * 1800, 900 + 0.08 * 1800]);
  near(bounds([[xs, ys, false]], 0, 199, false, true), [-900 - 0.08 * 1800, 900 + 0.08 * 1800]); // not a noisy line
  assert.equal(outside([xs, ys], 0, 199, [3.92, 5.08]), 2);
  assert.equal(outside([xs, ys], 0, 100, [3.92, 5.08]), 1);
});

test("the axis is three times as long as a young run, as long as an old one, and ends with an ended one", () => {
  const run = (step, active) => ({ last: step, about: { steps_per_epoch: 10, step, epochs: 50, active } });
  assert.equal(axisEnd([run(20, true)]), 6);
  assert.equal(axisEnd([run(1, true)]), 1); // a fiftieth of the run at least
  assert.equal(axisEnd([run(400, true)]), 50);
  assert.equal(axisEnd([run(400, false), run(20, false)]), 40);
  assert.equal(axisEnd([{ last: -1 }]), 1e-9);
  assert.equal(axisEnd([run(20, true)], true), 50);
});

test("zooming keeps the epoch under the pointer in its place", () => {
  const [a, b] = zoomed([0, 10], 4, 0.5, 10);
  near([a, b, (4 - a) / (b - a)], [2, 7, 0.4]);
});

test("a view stays inside the axis, and the whole axis is no view", () => {
  assert.deepEqual(viewOf(-3, 4, 10), [0, 4]);
  assert.deepEqual(viewOf(9, 4, 10), [6, 10]);
  assert.equal(viewOf(0, 10, 10), null);
  near(viewOf(5, 0, 10), [5, 5.005]); // a two-thousandth at least
  assert.equal(zoomed([2, 6], 4, 3, 10), null);
});

test("the pointer's pixel becomes a place on the axis", () => {
  // margins of 52 and 10 pixels leave 200 of 262
  assert.equal(placeUnder(52, 262, [2, 6]), 2);
  assert.equal(placeUnder(152, 262, [2, 6]), 4);
  assert.equal(placeUnder(252, 262, [2, 6]), 6);
});
