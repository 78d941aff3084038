import assert from "node:assert/strict";
import test from "node:test";
import {Address, searchWith, written} from "./address.js";

globalThis.location = {pathname: "/runs", search: "?run=a", hash: ""};
globalThis.history = {entries: [], replaceState(_, __, address) { this.entries.push(address); }};
const usual = {smooth: 0.8, log: false};

test("what comes first and what Back restores is taken over; an echo of the own report is not", () => {
  const address = new Address(), view = {}, sent = [];
  const trigger = (name, value) => sent.push([name, value]);
  assert.equal(address.restored(view, {smooth: 0.8, log: false}), true);
  assert.equal(address.restored(view, {smooth: 0.8, log: false}), false);
  view.smooth = 0.5;
  address.report(view, usual, trigger);
  view.smooth = 0.2;
  address.report(view, usual, trigger);
  assert.equal(address.restored(view, {smooth: 0.5, log: false}), false); // the first report's echo
  assert.equal(view.smooth, 0.2);
  assert.equal(address.restored(view, {smooth: 0.2, log: false}), false);
  assert.equal(address.restored(view, {smooth: 0.8, log: false}), true); // Back
  assert.equal(view.smooth, 0.8);
  assert.deepEqual(sent[0], ["looked", {smooth: 0.5, log: false}]);
  assert.deepEqual(history.entries, ["/runs?run=a&smooth=0.5", "/runs?run=a&smooth=0.2"]);
});

test("a report that changes nothing is not sent", () => {
  const address = new Address(), view = {}, sent = [];
  address.restored(view, {smooth: 0.8, log: false});
  address.report(view, usual, () => sent.push(1));
  assert.deepEqual(sent, []);
});

test("addresses are written as Python's urlencode writes them", () => {
  assert.equal(searchWith("?a=1", {a: null, b: "x y*~ü", c: true}, {c: false}), "b=x+y%2A~%C3%BC&c=yes");
  assert.equal(searchWith("?log=yes&smooth=0.1", {smooth: 0.8, log: false}, usual), "");
  assert.equal(written(0.123456789), "0.123457");
  assert.equal(written(3), "3");
});
