import assert from "node:assert/strict";
import test from "node:test";
import {asText, boxOf, movedBy, squareOf} from "./photo_crop.js";

test("the middle square of a landscape photo", () => {
  assert.deepEqual(boxOf(300, 200, {x: 0.5, y: 0.5, size: 1}), {left: 50, top: 0, side: 200});
});

test("a square that would leave the photo is moved back inside", () => {
  assert.deepEqual(boxOf(300, 200, {x: 1, y: 0, size: 0.5}), {left: 200, top: 0, side: 100});
});

test("moving past the edge ends at the edge", () => {
  const moved = movedBy(300, 200, {x: 0.5, y: 0.5, size: 1}, 5, 5);
  assert.equal(moved.x, 200 / 300);
  assert.equal(moved.y, 0.5);
});

test("a frame in text and back; other text is the middle square", () => {
  assert.equal(asText(squareOf("0.25,0.500,0.4")), "0.250,0.500,0.400");
  assert.deepEqual(squareOf("whole"), {x: 0.5, y: 0.5, size: 1});
  assert.deepEqual(squareOf("1,2"), {x: 0.5, y: 0.5, size: 1});
});
