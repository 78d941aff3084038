import assert from "node:assert/strict";
import test from "node:test";
import {verdict, verdictInFull} from "./gallery_cards.js";

const teacher = {heading: "Teacher", says: "star", share: "98 %", right: true};

test("a prediction is marked as right or wrong, also for a screen reader", () => {
  assert.equal(verdict(teacher), "✓ star ");
  assert.equal(verdict({...teacher, right: false}), "✗ star ");
  assert.equal(verdictInFull(teacher), "Teacher: star, 98 %, right");
  assert.equal(verdictInFull({...teacher, right: false}), "Teacher: star, 98 %, wrong");
});
