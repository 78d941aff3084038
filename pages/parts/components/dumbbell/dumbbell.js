// A row per test set: intervals and marks of each network on one scale. A click on a row sends its id to the server.
import {element} from "../shared/elements.js";
import {clamp} from "../shared/numbers.js";

// Where a value is on the scale, as a CSS percentage; what is beyond an end is drawn at it.
export const place = (value, {low, high}) => `${clamp((value - low) / (high - low) * 100, 0, 100).toFixed(2)}%`;

// The part of the scale from one value to another, as `left` and `width`.
export function span(from, to, scale) {
  const left = parseFloat(place(Math.min(from, to), scale)), right = parseFloat(place(Math.max(from, to), scale));
  return {left: `${left.toFixed(2)}%`, width: `${(right - left).toFixed(2)}%`};
}

export default function ({data, parentElement, setTriggerValue}) {
  const legend = parentElement.querySelector(".legend"), body = parentElement.querySelector(".body");
  const focused = parentElement.activeElement?.dataset?.id;
  legend.replaceChildren(...data.networks.map((network) => {
    const entry = element("span", `entry ${network.shape}`, network.name);
    entry.style.setProperty("--mine", network.colour);
    entry.prepend(element("i", "mark"));
    return entry;
  }));
  body.replaceChildren(head(data), ...data.groups.flatMap((group) => [
    ...(group.title ? [element("h4", "group", group.title)] : []),
    ...group.rows.map((row) => drawn(row, data, setTriggerValue)),
  ]));
  if (focused) [...body.querySelectorAll("[data-id]")].find((each) => each.dataset.id === focused)?.focus();
}

// The titles of the columns and the scale.
function head(data) {
  const row = element("div", "row head"), track = element("span", "track");
  row.setAttribute("aria-hidden", "true");
  for (const tick of data.scale.ticks) {
    const text = element("span", "tick", tick.text);
    text.style.left = place(tick.value, data.scale);
    track.append(text);
  }
  row.append(element("span", "name", data.first), track, element("span", "gap", data.last));
  return row;
}

function drawn(row, data, setTriggerValue) {
  const opens = data.clickable && row.opens, whole = element(opens ? "button" : "div", "row"), name = element("span", "name"), gap = element("span", "gap");
  name.append(element("b", "", row.title), ...(row.strength ? [element("small", "", row.strength)] : []));
  gap.append(element("span", row.claimed ? "value claimed" : "value", row.gap));
  for (const note of row.notes) {
    const badge = element("small", note.warning ? "note warning" : "note", note.text);
    badge.title = note.meaning;
    gap.append(badge);
  }
  whole.append(name, track(row, data), gap);
  whole.setAttribute("aria-label", row.label);
  whole.title = row.label;
  if (opens) {
    whole.type = "button";
    whole.dataset.id = row.id;
    whole.setAttribute("aria-pressed", row.id === data.chosen);
    whole.onclick = () => {
      setTriggerValue("picked", row.id);
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      document.querySelector(`.st-key-${data.scrollTo || "none"}`)?.scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
    };
  } else whole.setAttribute("role", "img");
  return whole;
}

// The scale's lines, the bar between the two compared networks, the intervals and above them the marks.
function track(row, data) {
  const found = element("span", "track"), at = (kind, style, colour) => {
    const made = element("i", kind);
    Object.assign(made.style, style);
    if (colour) made.style.setProperty("--mine", colour);
    found.append(made);
  };
  for (const tick of data.scale.ticks) at("line", {left: place(tick.value, data.scale)});
  const shown = data.networks.map((network) => ({...network, ...row.marks[network.key]})).filter((mark) => Number.isFinite(mark.value));
  const ends = data.bar.map((key) => row.marks[key]?.value);
  if (ends.length === 2 && ends.every(Number.isFinite)) at("bar", span(...ends, data.scale));
  for (const mark of shown) if (Number.isFinite(mark.low)) at(`interval ${mark.shape}`, span(mark.low, mark.high, data.scale), mark.colour);
  for (const mark of shown) at(`mark ${mark.shape}`, {left: place(mark.value, data.scale)}, mark.colour);
  if (!shown.length) found.append(element("small", "none", row.none || "no value"));
  return found;
}
