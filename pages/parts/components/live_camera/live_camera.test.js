import assert from "node:assert/strict";
import test from "node:test";
import {middleSquare, onScale, rateOf, reasonInWords, rgbOf, scaleFor, within} from "./frames.js";

test("networks see the middle square", () => {
  assert.deepEqual(middleSquare(640, 480), [80, 0, 480]);
  assert.deepEqual(middleSquare(480, 640), [0, 80, 480]);
});

test("a frozen frame keeps its proportions and is never enlarged", () => {
  assert.deepEqual(within(1920, 1080, 768), [768, 432]);
  assert.deepEqual(within(640, 480, 768), [640, 480]);
});

test("opacity is not sent", () => {
  assert.deepEqual([...rgbOf(new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 255]))], [1, 2, 3, 4, 5, 6]);
});

test("the scale ends at the sharpest map's 97th percentile, and moves slowly from the last one", () => {
  const sharp = new Uint8Array(100).fill(128, 90), even = new Uint8Array(100).fill(32);
  assert.equal(scaleFor([sharp, even], 8, 0), (128 / 255) * 8);
  assert.equal(scaleFor([sharp, even], 8, 2).toFixed(3), (2 + 0.15 * ((128 / 255) * 8 - 2)).toFixed(3));
  assert.equal(scaleFor([even], 8, 0), 2); // never so short that a uniform map looks sharp
  assert.equal(scaleFor([], 8, 0), 2); // no map at all
});

test("what exceeds the scale is its end", () => {
  assert.deepEqual([...onScale([0, 32, 128], 8, 2)], [0, 128, 255]);
});

test("the rate is that of the last frames", () => {
  assert.equal(rateOf([0, 100]), 0);
  assert.equal(rateOf([0, 100, 200, 300]), 10);
});

test("every reason without a camera has a sentence that says what to do", () => {
  for (const name of ["insecure", "NotAllowedError", "NotFoundError", "OverconstrainedError", "NotReadableError", "AbortError", "ended", "SomethingNew"])
    assert.match(reasonInWords(name), /start again|upload|Upload|Start it again/);
  assert.match(reasonInWords("insecure"), /localhost or over HTTPS/);
  assert.match(reasonInWords("NotAllowedError"), /not permitted/);
  assert.match(reasonInWords("SomethingNew"), /SomethingNew/);
});
