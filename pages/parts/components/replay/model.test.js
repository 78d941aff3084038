import assert from "node:assert/strict";
import test from "node:test";
import {dotAt, interpolated, merged, sampleOf, valueAt} from "./model.js";

const packed = (...bytes) => Buffer.from(bytes).toString("base64");
const network = (name, bytes, answers, still = false) =>
  ({name, still, grid: [1, 2], frames: answers.length, maps: packed(...bytes), answers, sure: answers.map(() => 90)});
const news = (since, places, networks, more = {}) => ({
  id: "a", since, places, epochs: places.map((place) => place / 2), shape: [1, 1, 1], images: since < 0 ? packed(7, 8, 9) : "", networks, ...more});
const maps = ({frames}) => frames.map((frame) => [...frame.maps]);

const first = merged(null, news(-1, [0, 1], [network("teacher", [1, 2], [0], true), network("student", [3, 4, 5, 6], [0, 1])]));

test("all of a run is taken frame by frame, the images too", () => {
  assert.deepEqual(maps(first.networks[1]), [[3, 4], [5, 6]]);
  assert.deepEqual(first.networks[1].frames[1].answers, [1]);
  assert.deepEqual([...first.images], [7, 8, 9]);
  assert.deepEqual(first.epochs, [0, 0.5]);
});

test("new frames are added to those that are there; a network that never changes keeps its one", () => {
  const next = merged(first, news(1, [0, 1, 2], [network("teacher", [1, 2], [0], true), network("student", [8, 9], [2])]));
  assert.deepEqual(maps(next.networks[0]), [[1, 2]]);
  assert.deepEqual(maps(next.networks[1]), [[3, 4], [5, 6], [8, 9]]);
  assert.deepEqual(next.epochs, [0, 0.5, 1]);
  assert.deepEqual([...next.images], [7, 8, 9]);
});

test("frames that the run no longer sends are dropped", () => {
  const next = merged(first, news(1, [0, 2], [network("teacher", [1, 2], [0], true), network("student", [8, 9], [2])]));
  assert.deepEqual(maps(next.networks[1]), [[3, 4], [8, 9]]);
  assert.deepEqual(next.epochs, [0, 1]);
});

test("a probe that cannot be read leaves no gap among the frames", () => {
  const next = merged(first, news(1, [0, 1], [network("teacher", [1, 2], [0], true), network("student", [], [])]));
  assert.deepEqual(maps(next.networks[1]), [[3, 4], [5, 6]]);
});

test("a run that begins again, or another run, replaces everything", () => {
  const again = merged(first, news(-1, [0], [network("student", [9, 9], [1])]));
  assert.deepEqual(maps(again.networks[0]), [[9, 9]]);
  const other = merged(first, {...news(-1, [0], [network("student", [1, 1], [1])]), id: "b"});
  assert.deepEqual(maps(other.networks[0]), [[1, 1]]);
});

test("before the first evaluation a curve has the value of the sample, then that of the evaluations", () => {
  const curve = {points: [[1, 0.5], [2, 0.7]], sample: [[0, 0.1], [0.5, 0.2], [1.5, 0.9]]};
  assert.equal(valueAt(curve, 0.25), 0.15000000000000002);
  assert.equal(valueAt(curve, 1.5), 0.6);
  assert.equal(valueAt(curve, 9), 0.7);
  assert.equal(valueAt({level: 0.99, points: []}, 3), 0.99);
});

test("a curve without points has no value", () => {
  assert.equal(interpolated([], 1), null);
  assert.equal(interpolated([[2, 0.5]], 1), null);
});

test("the dot of a curve stands on it: at the epoch, or where it was last measured", () => {
  const curve = {points: [[1, 0.5], [2, 0.7]], sample: [[0, 0.1], [0.5, 0.2]]};
  assert.deepEqual([0.7, 1.5, 2.9].map((epoch) => dotAt(curve, epoch)), [0.7, 1.5, 2]);
  assert.equal(dotAt({...curve, points: []}, 0.7), 0.5);
  assert.equal(dotAt({points: []}, 0.5), 0.5);
});

test("the sample leads to the first evaluation without a gap, unless it goes on beyond it", () => {
  const early = {points: [[1, 0.5], [2, 0.7]], sample: [[0, 0.1], [0.5, 0.3]]};
  assert.deepEqual(sampleOf(early), [[0, 0.1], [0.5, 0.3], [1, 0.5]]);
  assert.equal(valueAt(early, 0.75), 0.4);
  assert.deepEqual(sampleOf({points: [[1, 0.5]], sample: [[0, 0.1], [1.5, 0.6]]}), [[0, 0.1], [1.5, 0.6]]);
  assert.deepEqual([sampleOf({points: [[1, 0.5]]}), sampleOf({points: [], sample: [[0, 0.1]]})], [[], [[0, 0.1]]]);
});
