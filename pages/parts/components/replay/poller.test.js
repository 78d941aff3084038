import assert from "node:assert/strict";
import test from "node:test";
import {pollWhile} from "./poller.js";

test("a run is requested more often until there is something to see", () => {
  const waits = [], usual = globalThis.setTimeout;
  globalThis.setTimeout = (_, wait) => waits.push(wait);
  try {
    for (const there of [false, true]) pollWhile(() => true, () => "/api", () => {}, () => {}, () => there);
  } finally {
    globalThis.setTimeout = usual;
  }
  assert.deepEqual(waits, [250, 1000]);
});
