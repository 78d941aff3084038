import assert from "node:assert/strict";
import test from "node:test";
import {degree, ink, largest, partners, words} from "./layer_matrix.js";
import {lookup} from "../shared/heat.js";

const data = {rows: {name: "the student", layers: ["Layer 1", "Layer 2"]}, columns: {name: "the teacher", layers: ["Layer 1", "Layer 2"]}};
const values = [[0.3, 0.9], [null, 0.1]];

test("a cell is explained, with the layer that is more similar where there is one", () => {
  assert.equal(words(data, values, [0, 0]),
    "Layer 1 of the student and Layer 1 of the teacher: similarity 0.30, something in common. The most similar layer of the teacher is Layer 2 (0.90).");
  assert.ok(words(data, values, [0, 1]).endsWith("No other layer of the teacher is more similar to this layer of the student."));
  assert.ok(words(data, values, [1, 0]).includes("not defined"));
});

test("the most similar pair and each row's partner are found beside missing values", () => {
  assert.deepEqual(largest(values), [0, 1]);
  assert.deepEqual(partners(values), [1, 1]);
});

test("a similarity has words from low to high", () => {
  assert.deepEqual([0.9, 0.6, 0.3, 0.1].map(degree).map((each) => each.split(":")[0]), ["nearly the same", "much in common", "something in common", "little in common"]);
});

test("words on a cell have a contrast of 4.5 : 1 at least, whatever its colour", () => {
  const light = (colour) => { const [r, g, b] = colour.map((level) => level <= 10 ? level / 255 / 12.92 : ((level / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const colours = lookup("viridis");
  for (let place = 0; place < colours.length; place += 3) {
    const ground = light(colours.slice(place, place + 3)), text = ink(colours.slice(place, place + 3)) === "#fff" ? 1 : 0;
    assert.ok((Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05) >= 4.5, `at ${place / 3}`);
  }
});
