import assert from "node:assert/strict";
import test from "node:test";
import {gradient, heatPixels, lookup} from "./heat.js";

const pixel = ({pixels, width}, x, y) => [...pixels.slice((y * width + x) * 4, (y * width + x) * 4 + 4)];
const raw = {smooth: false};

test("a colour map begins and ends in matplotlib's colours", () => {
  assert.deepEqual([...lookup("viridis").slice(0, 3)], [0x44, 0x01, 0x54]);
  assert.deepEqual([...lookup("viridis").slice(-3)], [0xfd, 0xe7, 0x25]);
  assert.deepEqual([...lookup("inferno").slice(0, 3)], [0, 0, 4]);
});

test("between two of its 33 colours it is interpolated", () => {
  // place 1/255 * 32 = 0.1255 between 440154 and 470d60: 68.4, 2.5, 85.5
  assert.deepEqual([...lookup("viridis").slice(3, 6)], [68, 3, 86]);
});

test("a gradient names every fourth colour of a map, and all eleven of the difference", () => {
  assert.equal(gradient("viridis").match(/#/g).length, 9);
  assert.equal(gradient("difference").match(/#/g).length, 11);
  assert.ok(gradient("viridis").startsWith("linear-gradient(to right, #440154,"));
});

test("without smoothing a cell is a pixel, more opaque where the value is higher", () => {
  const drawn = heatPixels([0, 255], 1, 2, raw);
  assert.deepEqual([drawn.width, drawn.height], [2, 1]);
  assert.deepEqual(pixel(drawn, 0, 0), [0x44, 0x01, 0x54, 30]);
  assert.deepEqual(pixel(drawn, 1, 0), [0xfd, 0xe7, 0x25, 254]); // 30 + 255 * 0.88 = 254.4
});

test("what is below the threshold is transparent", () => {
  const drawn = heatPixels([99, 100], 1, 2, {...raw, threshold: 100});
  assert.equal(pixel(drawn, 0, 0)[3], 0);
  assert.equal(pixel(drawn, 1, 0)[3], 118); // 30 + 88
});

test("smoothing enlarges to about 112 pixels and interpolates between the centres of cells", () => {
  const drawn = heatPixels([0, 200], 1, 2);
  assert.deepEqual([drawn.width, drawn.height], [112, 56]);
  assert.equal(pixel(drawn, 0, 0)[3], 30); // outside the first centre: its value
  assert.equal(pixel(drawn, 111, 55)[3], 206); // 30 + 200 * 0.88
  // pixel 55 is (55.5 / 56 - 0.5) = 0.4911 of the way: 98.2, so 30 + 86.4 = 116.4
  assert.equal(pixel(drawn, 55, 0)[3], 116);
});

test("in a difference the middle is the least opaque, and either end the most", () => {
  const drawn = heatPixels([0, 127.5, 255], 1, 3, {...raw, colours: "difference"});
  assert.deepEqual([0, 1, 2].map((x) => pixel(drawn, x, 0)[3]), [254, 30, 254]);
  assert.deepEqual(pixel(drawn, 0, 0).slice(0, 3), [0x00, 0x44, 0x1b]);
  assert.deepEqual(pixel(drawn, 2, 0).slice(0, 3), [0x40, 0x00, 0x4b]);
});
