import assert from "node:assert/strict";
import test from "node:test";
import {place, span} from "./dumbbell.js";

const scale = {low: 20, high: 60};

test("a value is placed on the scale, and one beyond it at its end", () => {
  assert.equal(place(30, scale), "25.00%");
  assert.equal(place(10, scale), "0.00%");
  assert.equal(place(75, scale), "100.00%");
});

test("a bar is the same from either end", () => {
  assert.deepEqual(span(30, 50, scale), {left: "25.00%", width: "50.00%"});
  assert.deepEqual(span(50, 30, scale), span(30, 50, scale));
});
