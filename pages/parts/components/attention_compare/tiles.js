// The pictures of the comparison: one network's map, the difference of two, and two maps under a slider.
import {element} from "../shared/elements.js";
import {gradient} from "../shared/heat.js";
import {percent, unpack} from "../shared/numbers.js";

// A tile: the grey photo, maps over it, the marked patch. `inner` holds what zooms together.
function tileOf(photo, label, maps = 1) {
  const tile = element("div", "tile"), inner = element("div", "inner"), grey = element("img", "grey"), spot = element("i", "spot");
  const value = element("output", "value"), heats = Array.from({length: maps}, () => element("canvas"));
  grey.src = photo;
  grey.alt = "";
  tile.tabIndex = 0;
  tile.setAttribute("role", "img");
  tile.setAttribute("aria-label", label);
  spot.hidden = value.hidden = true;
  inner.append(grey, ...heats, spot);
  tile.append(inner, value);
  return {tile, inner, heats, heat: heats[0], spot, value};
}

// One network: its name, its map over the photo, its predictions now and before the photo was changed.
export function figureOf(look, data) {
  const figure = element("figure"), who = element("figcaption", "who");
  figure.style.setProperty("--mine", look.colour);
  who.append(element("b", "", look.title));
  if (look.network !== look.title) who.append(element("span", "", look.network));
  who.title = look.network;
  const made = tileOf(data.photo, `${look.title}: ${look.method} over the photo. ${look.where} Arrow keys move over the patches.`);
  if (look.problem) made.tile.append(element("p", "problem", `No map: ${look.problem}`));

  const answers = element("ol", "answers");
  for (const [name, share, before] of look.predictions) {
    const line = element("li"), bar = element("i"), changed = before !== null && Math.abs(before - share) >= 0.005;
    bar.style.setProperty("--share", `${share * 100}%`);
    line.append(element("span", "", name), element("span", "", percent(share) + (changed ? `, was ${percent(before)}` : "")), bar);
    if (changed) { const mark = element("u"); mark.style.left = `${before * 100}%`; bar.append(mark); }
    line.title = name;
    answers.append(line);
  }
  const method = element("p", "method", look.method);
  figure.append(who, made.tile, method, answers);
  for (const [name, figures, meaning] of look.agreement) {
    const line = element("p", "agreement", `${name}: `);
    line.append(element("b", "", figures));
    line.title = meaning;
    figure.append(line);
  }
  return {...made, figure, method, look, own: unpack(look.values), near: look.near ? unpack(look.near.values) : null};
}

// The first of two maps minus the second.
export function differenceOf(data, options, chosen, choose) {
  const figure = element("figure", "difference"), who = element("figcaption");
  who.append(element("b", "", "Difference"));
  const made = tileOf(data.photo, "Difference of two maps over the photo.");
  const pair = element("select", "pairs"), legend = element("div", "legend");
  pair.setAttribute("aria-label", "Which two maps");
  for (const [place, [, , name]] of options.entries()) {
    const option = element("option", "", name);
    option.value = place;
    pair.append(option);
  }
  pair.value = chosen;
  pair.onchange = () => choose(Number(pair.value));
  legend.append(element("i"), element("span", "low"), element("span", "unit", "times the average"), element("span", "high"), element("p", "sides"));
  legend.querySelector("i").style.background = gradient("difference");
  const row = element("p", "method");
  row.append(pair);
  figure.append(who, made.tile, row, legend);
  return {...made, figure, legend};
}

// Two maps in one picture: the first left of the line, the second right of it.
export function swipeOf(data, at, move) {
  const figure = element("figure", "swiped"), who = element("figcaption", "sides");
  who.append(element("b", "left"), element("b", "right"));
  const made = tileOf(data.photo, "Two maps under a slider: left of the line the first, right of it the second.", 2), line = element("i", "line");
  made.tile.append(line);
  const slide = element("input", "slide");
  Object.assign(slide, {type: "range", min: 0, max: 100, step: 1, value: at});
  slide.setAttribute("aria-label", "Where the first network's map ends");
  const put = (place) => {
    line.style.left = `${place}%`;
    slide.style.setProperty("--done", `${place}%`);
    move(Number(place));
  };
  slide.oninput = () => put(slide.value);
  figure.append(who, made.tile, slide);
  return {...made, figure, put, slide};
}
