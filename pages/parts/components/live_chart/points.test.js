import assert from "node:assert/strict";
import test from "node:test";
import { AXES, append, clock, placeInWords, received, short, usualGap, withDetail } from "./points.js";

test("new points replace those that are there from the same step on", () => {
  const series = received([[10, 20, 30], [1, 2, 3]]);
  append(series, received([[30, 40], [3.5, 4]]));
  assert.deepEqual([series.x, series.y], [[10, 20, 30, 40], [1, 2, 3.5, 4]]);
  assert.equal(series.meanX, series.x); // all points are there, so that the smoothed curve follows them
});

test("new points of a thinned series follow its means as well", () => {
  const series = received([[1, 9, 10], [5, 0, 7], [5.5], [3], 1]);
  append(series, received([[11], [2]]));
  assert.deepEqual([series.y, series.meanX, series.meanY, series.every], [[5, 0, 7, 2], [5.5, 11], [3, 2], 1]);
});

test("the usual distance of points is the median one", () => {
  assert.equal(usualGap([0, 10, 20, 500]), 10);
  assert.equal(usualGap([3]), 1);
});

test("a closer look replaces the part of a series that it covers", () => {
  const series = received([[0, 50, 100], [9, 8, 7], [25, 75], [8.5, 7.5], 1]);
  const closer = withDetail(series, received([[40, 50, 60], [1, 2, 3]]));
  assert.deepEqual([closer.x, closer.y], [[0, 40, 50, 60, 100], [9, 1, 2, 3, 7]]);
  assert.deepEqual([closer.meanX, closer.meanY], [[25, 40, 50, 60, 75], [8.5, 1, 2, 3, 7.5]]);
  assert.equal(withDetail(series, undefined), series);
  const beyond = withDetail(series, received([[200], [1]]));
  assert.deepEqual(beyond.x, [0, 50, 100, 200]);
});

test("places on each axis and the epochs under them agree", () => {
  const run = { about: { steps_per_epoch: 10, train_images: 320 }, points: { seconds: received([[0, 20, 40], [0, 4, 12]]) } };
  const places = Object.fromEntries(Object.entries(AXES).map(([name, axis]) => [name, axis.place(run, 30)]));
  assert.deepEqual(places, { epoch: 3, step: 30, steplog: Math.log10(30), images: 960, time: 8 });
  for (const [name, axis] of Object.entries(AXES)) assert.ok(Math.abs(axis.epoch(run, places[name]) - 3) < 1e-12, name);
  assert.equal(AXES.steplog.place(run, 0), 0); // the start of a run, which has no logarithm, stands at step 1
});

test("places and times in words", () => {
  assert.deepEqual([45, 185, 7380].map(clock), ["45 s", "3:05 min", "2:03:00 h"]);
  assert.deepEqual([["epoch", 2.5], ["step", 1200], ["steplog", 3], ["images", 96000], ["time", 61]].map(([axis, x]) => placeInWords(x, axis)),
    ["epoch 2.50", "step 1,200", "step 1,000", "96k images", "1:01 min"]);
  assert.deepEqual([950, 25000, 3.2e6].map(short), ["950", "25k", "3.2M"]);
});
