import assert from "node:assert/strict";
import test from "node:test";
import {actionOf, stepped} from "./keys.js";
import {baseOf, pathOf, sameView, viewAt, viewOf} from "./views.js";

const PAGES = ["", "attention", "train"];
const at = (address) => { const url = new URL(address, "http://app"); return viewOf(url, PAGES); };

test("a location is a page and its parameters, without those of a window", () => {
  assert.deepEqual(at("/train?run=one&present=1&follow=1"), {page: "train", query: "run=one"});
  assert.deepEqual(at("/"), {page: "", query: ""});
  assert.deepEqual(viewAt("/train?run=one", PAGES), {page: "train", query: "run=one"});
});

test("a proxy's base path stays before the page", () => {
  assert.equal(baseOf("/kd/train", PAGES), "/kd/");
  assert.equal(baseOf("/kd/", PAGES), "/kd/");
  assert.equal(pathOf({page: "attention", query: "photo=cat"}, "/kd/train", PAGES), "/kd/attention?photo=cat");
  assert.equal(pathOf({page: "", query: ""}, "/kd/train", PAGES, true), "/kd/?present=1");
});

test("a view that is no page of the app has no path", () => {
  for (const page of ["https://evil.example", "//evil.example", "../x", "nope", undefined]) assert.equal(pathOf({page, query: ""}, "/train", PAGES), null);
  assert.equal(viewAt("//evil.example", PAGES), null);
  assert.equal(viewAt("https://evil.example/train", PAGES), null);
  assert.equal(pathOf({page: "train", query: "embed=true&run=a"}, "/", PAGES), "/train?run=a");
});

test("views are compared whatever the order and encoding of their parameters", () => {
  assert.ok(sameView({page: "train", query: "a=1&b=x%20y"}, {page: "train", query: "b=x+y&a=1"}));
  assert.ok(!sameView({page: "train", query: "a=1"}, {page: "train", query: "a=2"}));
  assert.ok(!sameView(null, {page: "", query: ""}));
});

const pressed = (key, presenting, where = [], more = {}) => actionOf({key, ...more}, presenting, (selector) => where.some((each) => selector.includes(each)));

test("P presents and ends it, not in a text field", () => {
  assert.equal(pressed("p", false), "present");
  assert.equal(pressed("P", true), "leave");
  assert.equal(pressed("Escape", true), "leave");
  assert.equal(pressed("p", false, ["textarea"]), null);
  assert.equal(pressed("p", false, [], {ctrlKey: true}), null);
});

test("a clicker's keys step while presenting, arrows where nothing else uses them", () => {
  assert.deepEqual(pressed("PageDown", true, ["canvas"]), {step: 1});
  assert.deepEqual(pressed("PageUp", true), {step: -1});
  assert.deepEqual(pressed("ArrowRight", true), {step: 1});
  assert.equal(pressed("ArrowRight", true, ["[role=slider]"]), null);
  assert.equal(pressed("ArrowLeft", true, [], {defaultPrevented: true}), null);
  for (const key of ["PageDown", "ArrowRight", "Escape", "l"]) assert.equal(pressed(key, false), null);
  assert.equal(pressed("l", true), "live");
});

test("steps end at the first and the last view", () => {
  assert.equal(stepped(-1, 1, 3), 0);
  assert.equal(stepped(2, 1, 3), 2);
  assert.equal(stepped(0, -1, 3), 0);
});
