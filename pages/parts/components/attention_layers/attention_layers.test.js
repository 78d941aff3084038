import assert from "node:assert/strict";
import test from "node:test";
import {isChosen, labelOf} from "./attention_layers.js";

test("layers and heads are counted from 1", () => {
  assert.equal(labelOf(2, 0, 3, 0.517), "Layer 3, head 1: entropy 0.52");
  assert.equal(labelOf(2, 0, 1, 0.517), "Layer 3: entropy 0.52");
  assert.equal(labelOf(0, 1, 3, null), "Layer 1, head 2: no map");
});

test("without a chosen head every head of the layer is chosen", () => {
  assert.ok(isChosen(1, 2, 3, [1, null]));
  assert.ok(isChosen(1, 2, 3, [1, 2]));
  assert.ok(!isChosen(1, 0, 3, [1, 2]));
  assert.ok(!isChosen(0, 2, 3, [1, null]));
  assert.ok(isChosen(1, 0, 1, [1, 2])); // a network without heads
});
