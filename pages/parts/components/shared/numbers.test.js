import assert from "node:assert/strict";
import test from "node:test";
import {clamp, minus, percent, unpack} from "./numbers.js";

test("a share is rounded to whole percents", () => {
  assert.equal(percent(0.614), "61 %");
  assert.equal(percent(1), "100 %");
});

test("a negative number has a minus sign, and zero none", () => {
  assert.deepEqual(["-0.19", "0.19", "-0.00", "-1.2e-7", "-12 %"].map(minus), ["−0.19", "0.19", "0.00", "−1.2e-7", "−12 %"]);
});

test("a value outside its range becomes the nearer end", () => {
  assert.deepEqual([-1, 0.5, 7].map((value) => clamp(value, 0, 2)), [0, 0.5, 2]);
});

test("base64 text becomes its bytes", () => {
  assert.deepEqual([...unpack("AAF/gP8=")], [0, 1, 127, 128, 255]);
});
