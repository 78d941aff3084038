import assert from "node:assert/strict";
import test from "node:test";
import {keptWords, labelsOf, rangesAsText, rangesFrom, scaleOf, within} from "./parallel_axes.js";

const weight = {name: "kd", unit: "", words: [], values: [0, 0.5, 1, null]};
const terms = {name: "terms", unit: "", words: ["ce", "ce + kd"], values: [0, 1, 1, 1]};
const student = {name: "Student", unit: "%", words: [], values: [0.5, 0.6, 0.7, 0.8]};

test("numbers keep their distances, words are evenly spaced, and equal values lie in the middle", () => {
  assert.deepEqual(weight.values.slice(0, 3).map(scaleOf(weight).at), [0, 0.5, 1]);
  assert.equal(scaleOf(terms).at(1), 1);
  assert.equal(scaleOf({words: [], values: [3, 3]}).at(3), 0.5);
});

test("a run is kept that lies in every brushed range; without a value it lies in none", () => {
  const axes = [weight, terms, student];
  assert.deepEqual(within(axes, {}), [true, true, true, true]);
  assert.deepEqual(within(axes, {0: [0.4, 1]}), [false, true, true, false]);
  assert.deepEqual(within(axes, {0: [0.4, 1], 2: [0, 0.4]}), [false, true, false, false]);
});

test("brushed ranges are a word of the address; what it lacks or has wrong is not brushed", () => {
  const axes = [weight, {...terms, name: "a;b~c"}, student], ranges = {0: [0.4, 1], 1: [0, 1 / 3]};
  assert.equal(rangesAsText(axes, ranges), "kd~0.4~1;a%3Bb%7Ec~0~0.333");
  assert.deepEqual(rangesFrom(axes, rangesAsText(axes, ranges)), {0: [0.4, 1], 1: [0, 0.333]});
  assert.deepEqual(rangesFrom([weight, student], "kd~0.4~1;Student~0.1~0.2"), {0: [0.4, 1], 1: [0.1, 0.2]});
  assert.deepEqual(rangesFrom([weight], "Student~0~0.5;kd~0.9~0.1;kd~x~1;kd~0~7;kd"), {});
  assert.deepEqual(rangesFrom([weight], ""), {});
});

test("an axis is labelled with its few values, or with its ends", () => {
  assert.deepEqual(labelsOf(weight), [[0, "0"], [0.5, "0.5"], [1, "1"]]);
  assert.deepEqual(labelsOf(terms), [[0, "ce"], [1, "ce + kd"]]);
  assert.deepEqual(labelsOf(student).map(([, words]) => words), ["50.0 %", "60.0 %", "70.0 %", "80.0 %"]);
  const many = {name: "lr", unit: "", words: [], values: [1, 2, 3, 4, 5, 6, 7]};
  assert.deepEqual(labelsOf(many).map(([, words]) => words), ["1", "4", "7"]);
});

test("the kept runs are named where they are few", () => {
  const names = ["a", "b", "c"];
  assert.equal(keptWords(names, [true, true, true]), "3 runs");
  assert.equal(keptWords(names, [true, false, true]), "2 of 3 runs: a; c");
  assert.equal(keptWords(names, [false, false, false]), "None of 3 runs lies in these ranges.");
});

test("a negative end of an axis has a minus sign", () => {
  const words = labelsOf({words: [], values: [-0.25, 0.5], unit: ""}).map(([, word]) => word);
  assert.deepEqual(words, ["−0.25", "0.5"]);
});
