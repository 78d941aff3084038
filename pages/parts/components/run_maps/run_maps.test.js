import assert from "node:assert/strict";
import test from "node:test";
import {allEpochs, whenWords} from "./run_maps.js";

const runs = [{title: "kd 0", epochs: [0, 1, 2]}, {title: "kd 0.9", epochs: [0, 0.5, 4]}];

test("the arrow keys lead through the epochs of all runs", () => {
  assert.deepEqual(allEpochs(runs), [0, 0.5, 1, 2, 4]);
});

test("a run that had ended is named", () => {
  assert.equal(whenWords(1, 4, runs), "Epoch 1.0 of 4");
  assert.equal(whenWords(3, 4, runs), "Epoch 3.0 of 4; kd 0: the last map");
});
