import assert from "node:assert/strict";
import test from "node:test";
import {fitted, imageIn} from "./photo_paste.js";

test("a large picture is made smaller, its sides in proportion", () => {
  assert.deepEqual(fitted(4096, 2048), [1024, 512]);
  assert.deepEqual(fitted(300, 3000, 1000), [100, 1000]);
});

test("a small picture stays as it is, and no side becomes 0", () => {
  assert.deepEqual(fitted(640, 480), [640, 480]);
  assert.deepEqual(fitted(5000, 1), [1024, 1]);
});

test("of what is in the clipboard the first image is taken", () => {
  const item = (type) => ({type, getAsFile: () => type});
  assert.equal(imageIn([item("text/html"), item("image/png"), item("image/jpeg")]), "image/png");
  assert.equal(imageIn([item("text/plain")]), undefined);
  assert.equal(imageIn(undefined), undefined);
});
