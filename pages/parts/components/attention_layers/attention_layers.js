// A map per layer and head: layers down, heads across; without heads, layers across. A click sends [layer, head] to the server.
import {element} from "../shared/elements.js";
import {paintHeat} from "../shared/heat.js";
import {percent, unpack} from "../shared/numbers.js";

// "Layer 3, head 1: entropy 0.52", counted from 1.
export function labelOf(row, column, heads, entropy) {
  const place = `Layer ${row + 1}${heads > 1 ? `, head ${column + 1}` : ""}`;
  return entropy === null ? `${place}: no map` : `${place}: entropy ${entropy.toFixed(2)}`;
}

// Whether a map is one of the chosen layer and head; a head of null means all of them.
export const isChosen = (row, column, heads, [layer, head]) => row === layer && (heads <= 1 || head === null || head === column);

export default function ({data, parentElement, setTriggerValue}) {
  const atlas = parentElement.querySelector(".atlas"), heads = data.rows[0].length;
  const largest = data.weights ? Math.max(...data.weights) : 1;
  atlas.className = heads > 1 ? "atlas table" : "atlas";
  atlas.style.setProperty("--heads", heads);
  const cells = heads > 1 ? [element("span"), ...data.rows[0].map((_, column) => element("span", "head", `Head ${column + 1}`)), element("span")] : [];
  for (const [row, maps] of data.rows.entries()) {
    if (heads > 1) cells.push(element("span", "", `Layer ${row + 1}`));
    for (const [column, map] of maps.entries()) {
      const button = element("button"), thumb = element("span", "thumb"), photo = element("img"), heat = element("canvas");
      button.type = "button";
      button.title = labelOf(row, column, data.heads, map.entropy);
      button.setAttribute("aria-label", button.title);
      button.setAttribute("aria-pressed", isChosen(row, column, data.heads, data.chosen));
      photo.src = data.photo;
      photo.alt = "";
      if (map.entropy !== null) paintHeat(heat, unpack(map.values), ...map.grid);
      thumb.append(photo, heat);
      button.append(...(heads > 1 ? [] : [element("b", "", `Layer ${row + 1}`)]), thumb, map.entropy === null ? "no map" : map.entropy.toFixed(2));
      if (heads <= 1 && data.weights) button.append(weightOf(data.weights[row], largest));
      button.onclick = () => setTriggerValue("picked", [row, column]);
      cells.push(button);
    }
    if (heads > 1) cells.push(data.weights ? weightOf(data.weights[row], largest) : element("span"));
  }
  atlas.replaceChildren(...cells);
}

// How much of the distillation's weight a layer had, as a bar.
function weightOf(share, most) {
  const weight = element("span", "weight", percent(share)), bar = element("i");
  bar.style.setProperty("--share", `${(share / most) * 100}%`);
  weight.prepend(bar);
  return weight;
}
