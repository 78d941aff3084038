import assert from "node:assert/strict";
import test from "node:test";
import {elapsed, textsOf} from "./stage_notes.js";

const VIEWS = [{id: "a", caption: "First", notes: "Say hello."}, {id: "b", caption: "Second", notes: ""}];

test("the view that is shown, its notes and the next one", () => {
  assert.deepEqual(textsOf(VIEWS, "a"), {at: 0, place: "1 / 2", caption: "First", notes: "Say hello.", next: "Next: Second"});
  assert.equal(textsOf(VIEWS, "b").notes, "No notes for this view.");
  assert.equal(textsOf(VIEWS, "b").next, "This is the last view.");
});

test("on the way between views the next one stays known", () => {
  assert.equal(textsOf(VIEWS, "", 0).next, "Next: Second");
  assert.equal(textsOf(VIEWS, "gone").next, "Next: First");
  assert.equal(textsOf([], "").caption, "The storyboard has no views yet");
});

test("the time since the start", () => {
  assert.deepEqual([0, 75, 3725, -5].map(elapsed), ["0:00", "1:15", "1:02:05", "0:00"]);
});
