// The similarity of every layer of one network with every layer of another. A cell that is chosen is explained in words.
import {element} from "../shared/elements.js";
import {gradient, lookup} from "../shared/heat.js";
import {minus} from "../shared/numbers.js";

const CHOSEN = new WeakMap(); // component -> [row, column]

const twoDigits = (value) => minus(value.toFixed(2));

// What a similarity means.
export function degree(value) {
  if (value >= 0.8) return "nearly the same: both arrange the images almost alike";
  if (value >= 0.5) return "much in common";
  if (value >= 0.2) return "something in common";
  return "little in common";
}

// The row and column of the largest number; of equal ones the first. Missing ones are null.
export function largest(values) {
  let best = [0, 0];
  values.forEach((row, i) => row.forEach((value, j) => { if ((value ?? -1) > (values[best[0]][best[1]] ?? -1)) best = [i, j]; }));
  return best;
}

// The column that is most similar to each row.
export const partners = (values) => values.map((row) => largest([row])[1]);

// Black or white, whichever has the higher contrast with a colour: they are equal at a relative luminance of 0.179 (WCAG).
export function ink(colour) {
  const [r, g, b] = colour.map((level) => level <= 10 ? level / 255 / 12.92 : ((level / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// A cell in words.
export function words({rows, columns}, values, [i, j]) {
  const value = values[i][j], first = rows.layers[i][0].toUpperCase() + rows.layers[i].slice(1);
  if (value === null) return `${first} of ${rows.name} and ${columns.layers[j]} of ${columns.name}: not defined, as one of them gives every image the same.`;
  const partner = partners(values)[i], best = partner === j
    ? `No other layer of ${columns.name} is more similar to this layer of ${rows.name}.`
    : `The most similar layer of ${columns.name} is ${columns.layers[partner]} (${twoDigits(values[i][partner])}).`;
  return `${first} of ${rows.name} and ${columns.layers[j]} of ${columns.name}: similarity ${twoDigits(value)}, ${degree(value)}. ${best}`;
}

export default function ({data, parentElement}) {
  const matrix = parentElement.querySelector(".matrix"), said = parentElement.querySelector(".words"), {rows, columns, values} = data;
  const colours = lookup("viridis"), buttons = values.map(() => []);
  const kept = CHOSEN.get(parentElement);
  let chosen = kept && kept[0] < values.length && kept[1] < values[0].length ? kept : largest(values);
  matrix.setAttribute("aria-label", `Similarity of the layers of ${rows.name} (rows) and ${columns.name} (columns)`);
  matrix.style.setProperty("--columns", columns.layers.length);

  function choose(cell, focus) {
    const [i, j] = chosen;
    buttons[i]?.[j]?.setAttribute("aria-selected", "false");
    if (buttons[i]?.[j]) buttons[i][j].tabIndex = -1;
    chosen = cell;
    CHOSEN.set(parentElement, cell);
    const button = buttons[cell[0]][cell[1]];
    button.setAttribute("aria-selected", "true");
    button.tabIndex = 0;
    if (focus) button.focus();
    said.textContent = words(data, values, cell);
  }

  const top = element("div", "line"), corner = element("span", "corner", "");
  top.setAttribute("role", "row");
  top.append(corner, ...columns.layers.map((name) => titled("columnheader", "across", name)));
  matrix.replaceChildren(top, ...values.map((row, i) => {
    const line = element("div", "line");
    line.setAttribute("role", "row");
    line.append(titled("rowheader", "down", rows.layers[i]), ...row.map((value, j) => {
      const cell = element("button", "cell"), at = Math.round(255 * Math.min(1, Math.max(0, value ?? 0))) * 3;
      const [r, g, b] = colours.slice(at, at + 3);
      cell.type = "button";
      cell.tabIndex = -1;
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-selected", "false");
      cell.setAttribute("aria-label", words(data, values, [i, j]));
      cell.title = `${rows.layers[i]} / ${columns.layers[j]}: ${value === null ? "not defined" : twoDigits(value)}`;
      cell.style.background = value === null ? "none" : `rgb(${r} ${g} ${b})`;
      cell.style.color = ink([r, g, b]);
      if (columns.layers.length <= 14) cell.textContent = value === null ? "" : twoDigits(value).replace(/^(−?)0/, "$1");
      cell.onclick = () => choose([i, j], false);
      buttons[i][j] = cell;
      return cell;
    }));
    return line;
  }));
  matrix.onkeydown = (event) => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    const [i, j] = [chosen[0] + step[0], chosen[1] + step[1]];
    if (buttons[i]?.[j]) choose([i, j], true);
  };
  choose(chosen, false);
  const [i, j] = largest(values), list = parentElement.querySelector(".best");
  list.replaceChildren(element("li", "", `Most similar pair: ${rows.layers[i]} of ${rows.name} and ${columns.layers[j]} of ${columns.name}, ${twoDigits(values[i][j] ?? 0)}`));
  const key = parentElement.querySelector(".key"), bar = element("i");
  bar.style.background = gradient("viridis");
  key.replaceChildren(element("span", "", "0: nothing in common"), bar, element("span", "", "1: the same"));
}

function titled(role, kind, name) {
  const title = element("span", kind);
  title.append(element("span", "", name));
  title.setAttribute("role", role);
  title.title = name;
  return title;
}
