import assert from "node:assert/strict";
import test from "node:test";
import {pollWhile} from "./poller.js";

// The pauses before each of so many requests, of a run that has moved or has not.
async function pauses(requests, moved) {
  const waits = [], {setTimeout: timeout, fetch, document} = globalThis;
  let next = null;
  Object.assign(globalThis, {setTimeout: (poll, wait) => { waits.push(wait); next = poll; }, fetch: async () => ({ok: true, status: 204}), document: {hidden: false}});
  try {
    pollWhile(() => true, () => "/api", () => {}, () => {}, () => moved);
    for (let i = 1; i < requests; i++) await next();
  } finally {
    Object.assign(globalThis, {setTimeout: timeout, fetch, document});
  }
  return waits;
}

test("a run is requested more often until it has moved", async () => {
  assert.deepEqual(await pauses(2, false), [250, 250]);
  assert.deepEqual(await pauses(2, true), [1000, 1000]);
});

test("a run that does not move is requested more often for a minute", async () => {
  const waits = await pauses(300, false);
  assert.equal(waits.filter((wait) => wait === 250).reduce((sum, wait) => sum + wait, 0), 60000);
  assert.equal(waits.at(-1), 1000);
});
