import assert from "node:assert/strict";
import test from "node:test";
import {epochAt, epochStep, frameAt, heldWords, playedTo, pointsUntil, probeAfter, probeBefore, rowsOf, spreadLabels} from "./frames.js";

const EPOCHS = [0, 0.5, 2, 4];

test("an epoch lies between two probes, a share of the way", () => {
  assert.deepEqual(frameAt(EPOCHS, 0), {low: 0, high: 1, share: 0});
  assert.deepEqual(frameAt(EPOCHS, 1.25), {low: 1, high: 2, share: 0.5});
  assert.deepEqual(frameAt(EPOCHS, 2), {low: 2, high: 3, share: 0});
});

test("from the last probe on there is only that one", () => {
  assert.deepEqual(frameAt(EPOCHS, 4), {low: 3, high: 3, share: 0});
});

test("maps of an earlier epoch than is shown name theirs", () => {
  assert.equal(heldWords(EPOCHS, 11), " at epoch 4.0");
  assert.deepEqual([0, 1.25, 4, 4.04].map((epoch) => heldWords(EPOCHS, epoch)), ["", "", "", ""]);
});

test("the arrow keys lead to the next and the previous probe, and stop at the ends", () => {
  assert.deepEqual([0, 0.2, 0.5, 4].map((epoch) => probeAfter(EPOCHS, epoch)), [0.5, 0.5, 2, 4]);
  assert.deepEqual([4, 1, 0.5, 0].map((epoch) => probeBefore(EPOCHS, epoch)), [2, 0.5, 0, 0]);
});

test("a play-through takes its seconds, less at a higher speed, and ends at the last epoch", () => {
  assert.equal(playedTo(0, 8, 7000, 14, 1), 4);
  assert.equal(playedTo(0, 8, 3500, 14, 2), 4);
  assert.equal(playedTo(7.9, 8, 1000, 14, 1), 8);
});

test("the pointer chooses an epoch; beside the plot it chooses none", () => {
  assert.equal(epochAt(150, 300, 8), 4);
  assert.equal(epochAt(-3, 300, 8), 0); // 1 % beside it still counts
  assert.equal(epochAt(-30, 300, 8), null);
  assert.equal(epochAt(330, 300, 8), null);
});

test("a curve is drawn up to the epoch, its last point interpolated", () => {
  const points = [[0, 0.1], [2, 0.5], [4, 0.7]];
  assert.deepEqual(pointsUntil(points, 3), [[0, 0.1], [2, 0.5], [3, 0.6]]);
  assert.deepEqual(pointsUntil(points, 4), points);
  assert.deepEqual(pointsUntil([[1, 0.5]], 0.5), []);
});

test("labels of the axis are 70 pixels apart or more", () => {
  assert.equal(epochStep(10, 700), 1);
  assert.equal(epochStep(10, 300), 5); // 10 / 5 = 2 labels where 4.3 fit; every 2 would be 5
  assert.equal(epochStep(100_000, 300), 200);
});

test("labels at the same height are moved apart, downwards", () => {
  const labels = spreadLabels([{name: "twin", at: 105}, {name: "student", at: 100}, {name: "teacher", at: 20}]);
  assert.deepEqual(labels.map(({name, at}) => [name, at]), [["teacher", 20], ["student", 100], ["twin", 116]]);
});

test("labels that would leave the plot are moved up", () => {
  const labels = spreadLabels([{at: 100}, {at: 101}, {at: 20}], 16, 104);
  assert.deepEqual(labels.map(({at}) => at), [20, 88, 104]);
});

test("texts that would cover each other stand in different rows", () => {
  assert.deepEqual(rowsOf([[0, 50], [40, 90], [60, 100], [61, 120]], 2), [0, 1, 0, 1]);
});
