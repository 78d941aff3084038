import assert from "node:assert/strict";
import test from "node:test";
import {scrollTo} from "./photo_strip.js";

test("the strip scrolls just far enough to show the end of the chosen picture", () => {
  assert.equal(scrollTo(0, 500, 400), 100);
});

test("it never scrolls back", () => {
  assert.equal(scrollTo(200, 300, 400), 200);
});
