import assert from "node:assert/strict";
import test from "node:test";
import {cursor, plainCursor} from "./cursor.js";

test("subscribers are called with each new value and its source, and not again with the same", () => {
  const calls = [], end = cursor.subscribe((value, source) => calls.push([value, source]));
  cursor.set({epoch: 2.5}, "a");
  cursor.set({epoch: 2.5}, "b");
  cursor.set(null, "b");
  end();
  cursor.set({epoch: 3}, "a");
  assert.deepEqual(calls, [[{epoch: 2.5}, "a"], [null, "b"]]);
  assert.deepEqual(cursor.get(), {epoch: 3});
  assert.equal(cursor.epoch(), 3);
  cursor.set({from: 1, to: 2});
  assert.equal(cursor.epoch(), null);
});

test("components that are bundled apart share the cursor", async () => {
  const other = await import("./cursor.js?bundled-apart");
  cursor.set({epoch: 7}, "a");
  assert.deepEqual(other.cursor.get(), {epoch: 7});
});

test("a subscriber that fails does not keep the cursor from the others", (context) => {
  context.mock.method(console, "error", () => {});
  const calls = [], ends = [cursor.subscribe(() => { throw new Error("broken"); }), cursor.subscribe((value) => calls.push(value.epoch))];
  cursor.set({epoch: 8}, "a");
  ends.forEach((end) => end());
  assert.deepEqual(calls, [8]);
});

test("a stretch runs from its lower to its upper epoch; what is no number is left out", () => {
  assert.deepEqual(plainCursor({epoch: 1, from: 5, to: 2}), {epoch: 1, from: 2, to: 5});
  assert.deepEqual(plainCursor({epoch: 1, from: 2}), {epoch: 1});
  assert.deepEqual(plainCursor({from: 2, to: 3, pinned: true}), {from: 2, to: 3});
  assert.deepEqual(plainCursor({epoch: 0, pinned: true}), {epoch: 0, pinned: true});
  assert.equal(plainCursor({epoch: NaN}), null);
  assert.equal(plainCursor(undefined), null);
});

test("the next page has no cursor", () => {
  globalThis.location = {pathname: "/runs"};
  cursor.set({epoch: 3, pinned: true}, "a");
  assert.equal(cursor.epoch(), 3);
  globalThis.location = {pathname: "/train"};
  assert.equal(cursor.get(), null);
  cursor.set({epoch: 1}, "b");
  assert.deepEqual(cursor.get(), {epoch: 1});
  delete globalThis.location;
});
