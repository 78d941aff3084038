// Photo and heatmaps side by side or under a slider. Pointing, opacity, threshold, colours, zoom and difference are handled
// here; the server gets edits of the photo, and settings, which it puts into the address.
import {Address} from "../shared/address.js";
import {gradient, paintHeat} from "../shared/heat.js";
import {clamp, percent} from "../shared/numbers.js";
import {savePicture} from "./export_picture.js";
import {cellAt, differenceOfMaps, lineInPhoto, multiple, numberOf, signedMultiple, toggled, withNumber} from "./maps.js";
import {differenceOf, figureOf, swipeOf} from "./tiles.js";

const VIEWS = new WeakMap(); // the visitor's settings, kept while new photos and maps arrive
const POKED = 8; // patches a side of the photo that are covered and blurred, as in kdcore.explain.poke

export default function ({data, parentElement, setTriggerValue}) {
  const find = (name) => parentElement.querySelector("." + name);
  const view = VIEWS.get(parentElement) ?? {address: new Address(), spot: null, pinned: null, zoom: 1, origin: [0.5, 0.5], pair: 0, swipe: 50};
  VIEWS.set(parentElement, view);
  const forget = () => VIEWS.delete(parentElement), same = JSON.stringify({...data, start: null});
  if (!view.address.restored(view, data.start) && view.drawn === same) return forget; // only its own report comes back: keep what is pointed at
  view.drawn = same;

  const pairs = [];
  for (const [i, one] of data.looks.entries()) for (const [j, other] of data.looks.entries())
    if (i < j && !one.problem && !other.problem) pairs.push([i, j, `${one.title} − ${other.title.toLowerCase()}`]);
  if (view.pair >= pairs.length) view.pair = 0;
  if (!pairs.length) view.view = "side";

  const photo = find("photo"), controls = find("controls"), looks = data.looks.map((look) => figureOf(look, data));
  const difference = pairs.length ? differenceOf(data, pairs, view.pair, (place) => { view.pair = place; paint(); }) : null;
  const swiped = pairs.length ? swipeOf(data, view.swipe, (place) => { view.swipe = place; split(); }) : null;
  const whole = {tile: photo.querySelector(".tile"), inner: photo.querySelector(".inner"), spot: photo.querySelector(".spot")};
  find("whole").src = data.photo;
  find("whole").alt = `The photo ${data.name}`;
  find("name").textContent = data.name;

  function arrange() {
    const shown = view.view === "swipe" ? [swiped.figure, difference.figure] : [...looks.map((each) => each.figure), ...(difference ? [difference.figure] : [])];
    find("tiles").style.setProperty("--columns", view.view === "swipe" ? 4 : shown.length + 1);
    find("tiles").replaceChildren(photo, ...shown, controls);
    for (const button of parentElement.querySelectorAll("[data-view]")) { button.setAttribute("aria-pressed", button.dataset.view === view.view); button.disabled = !pairs.length; }
    for (const button of parentElement.querySelectorAll("[data-point]")) button.setAttribute("aria-pressed", button.dataset.point === view.point);
    Object.assign(find("compare").dataset, {point: view.point, view: view.view});
  }

  const following = () => view.point === "follow";
  const pointed = () => view.spot ?? view.pinned ?? {u: 0.5, v: 0.5};
  const most = () => (following() ? data.near_most : data.most);

  // What is drawn of a network: its map, or what the pointed patch looks at. 0 to 255 for 0 to `most()`.
  function mapOf({look, own, near}) {
    if (!following() || !near) return {values: own, grid: look.grid};
    const [row, column] = cellAt(pointed(), look.near.grid), cells = look.near.grid[0] * look.near.grid[1], place = row * look.near.grid[1] + column;
    return {values: near.subarray(place * cells, (place + 1) * cells), grid: look.near.grid};
  }

  function paint() {
    const top = most(), settings = {colours: view.colours, threshold: (view.threshold / top) * 255, smooth: !view.cells};
    for (const each of looks) {
      each.method.textContent = following() && each.look.near ? each.look.near.says : each.look.method;
      if (each.look.problem && !following()) { each.heat.style.opacity = 0; continue; }
      const {values, grid} = mapOf(each);
      paintHeat(each.heat, values, ...grid, settings);
      each.heat.style.opacity = view.opacity / 100;
    }
    if (difference) {
      const [i, j] = pairs[view.pair], one = mapOf(looks[i]), other = mapOf(looks[j]);
      Object.assign(difference, differenceOfMaps(one, other));
      paintHeat(difference.heat, difference.values, ...difference.grid, {...settings, colours: "difference"});
      difference.heat.style.opacity = view.opacity / 100;
      const say = (name, text) => { difference.legend.querySelector(name).textContent = text; };
      say(".low", `−${top}×`); say(".high", `+${top}×`);
      say(".sides", `Purple: more in the map of the ${looks[i].look.title.toLowerCase()}. Green: more in that of the ${looks[j].look.title.toLowerCase()}.`);
      for (const [k, look] of [[0, looks[i]], [1, looks[j]]]) {
        const {values, grid: own} = mapOf(look);
        paintHeat(swiped.heats[k], values, ...own, settings);
        swiped.heats[k].style.opacity = view.opacity / 100;
      }
      for (const [side, {look}] of [[".left", looks[i]], [".right", looks[j]]]) {
        swiped.figure.querySelector(side).textContent = look.title;
        swiped.figure.querySelector(side).style.setProperty("--mine", look.colour);
      }
    }
    const times = view.threshold.toFixed(1);
    find("opacity-shown").textContent = `${view.opacity} %`;
    find("opacity").style.setProperty("--done", `${view.opacity}%`);
    find("threshold").max = top;
    find("threshold-shown").textContent = view.threshold ? `${times}×` : "off";
    find("threshold").setAttribute("aria-valuetext", `${times} times the average`);
    find("threshold").style.setProperty("--track", gradient(view.colours));
    find("most").textContent = `${top}×`;
    find("now").textContent = {
      read: "Point at a picture to read every map there: 1× is the map's average.",
      follow: "Point at a patch: each network shows what that patch attends to (transformer) or which positions resemble it (CNN).",
      cover: "Tap patches to cover them with the photo's mean colour; tap again to uncover.",
      blur: "Tap patches to blur them; tap again to undo.",
    }[view.point] + (data.poke_says ? ` The photo is ${data.poke_says}.` : "");
  }

  function split() {
    if (!swiped) return;
    swiped.heats[0].style.clipPath = `inset(0 ${100 - 100 * edge()}% 0 0)`;
    swiped.heats[1].style.clipPath = `inset(0 0 0 ${100 * edge()}%)`;
  }
  const edge = () => lineInPhoto(view.swipe, view.origin[0], view.zoom);

  function point() {
    const place = view.spot ?? view.pinned, spoken = [];
    const boxed = (spot, grid) => {
      const [row, column] = cellAt(place, grid);
      Object.assign(spot.style, {left: `${(column / grid[1]) * 100}%`, top: `${(row / grid[0]) * 100}%`, width: `${100 / grid[1]}%`, height: `${100 / grid[0]}%`});
    };
    const poking = view.point === "cover" || view.point === "blur";
    whole.spot.hidden = !place;
    if (place) boxed(whole.spot, poking ? [POKED, POKED] : data.looks[0].near?.grid ?? data.looks[0].grid);
    for (const each of looks) {
      each.spot.hidden = !place || (Boolean(each.look.problem) && !poking);
      each.value.hidden = each.spot.hidden || view.point !== "read";
      if (each.spot.hidden) continue;
      const {values, grid} = mapOf(each);
      boxed(each.spot, poking ? [POKED, POKED] : grid);
      const [row, column] = cellAt(place, grid), level = values[row * grid[1] + column], times = ((level / 255) * most()).toFixed(1);
      each.value.textContent = multiple(level, most());
      spoken.push(`${each.look.title} ${times} times the average`);
    }
    if (difference) {
      difference.spot.hidden = swiped.spot.hidden = !place;
      difference.value.hidden = !place || view.point !== "read";
      if (place) {
        boxed(difference.spot, poking ? [POKED, POKED] : difference.grid);
        boxed(swiped.spot, poking ? [POKED, POKED] : mapOf(looks[pairs[view.pair][0]]).grid);
        const [row, column] = cellAt(place, difference.grid);
        difference.value.textContent = signedMultiple(difference.values[row * difference.grid[1] + column], most());
      }
    }
    return spoken.join(", ");
  }

  let due = 0;
  function redraw() { // at most once a frame: a pointer moves faster than that
    if (due) return;
    due = requestAnimationFrame(() => { due = 0; if (following()) paint(); point(); });
  }

  function zoom() {
    for (const each of [whole, ...looks, ...(difference ? [difference, swiped] : [])])
      Object.assign(each.inner.style, {transform: `scale(${view.zoom})`, transformOrigin: `${view.origin[0] * 100}% ${view.origin[1] * 100}%`});
    find("zoom").value = view.zoom;
    split();
  }

  function zoomTo(times) {
    const place = view.spot ?? view.pinned;
    if (place && times > view.zoom) view.origin = [place.u, place.v];
    view.zoom = times;
    zoom();
  }

  const report = () => view.address.report(view, data.usual, setTriggerValue);

  function poke(words) {
    find("compare").classList.add("waiting");
    setTriggerValue("poked", words.join("."));
  }
  const words = data.poke ? data.poke.split(".") : [];

  const inside = (share) => clamp(share, 0, 0.9999);
  function press(place) {
    if (view.point === "cover" || view.point === "blur") {
      const [row, column] = cellAt(place, [POKED, POKED]);
      poke(toggled(words, `${view.point}${row * POKED + column}`));
    } else {
      view.pinned = view.pinned && cellAt(view.pinned, [POKED, POKED]).join() === cellAt(place, [POKED, POKED]).join() ? null : place;
      redraw();
    }
  }
  function follow(tile, grid) {
    const placeOf = (event) => {
      const box = tile.getBoundingClientRect();
      const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share, k) => view.origin[k] + (share - view.origin[k]) / view.zoom);
      return {u: inside(u), v: inside(v)};
    };
    tile.onpointermove = (event) => { view.spot = placeOf(event); redraw(); };
    tile.onclick = (event) => press(placeOf(event));
    tile.onpointerleave = () => { view.spot = null; redraw(); };
    tile.onkeydown = (event) => {
      const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
      const times = {"+": Math.min(4, view.zoom * 2), "-": Math.max(1, view.zoom / 2)}[event.key];
      if (!step && !times && !["Enter", " ", "Escape"].includes(event.key)) return;
      event.preventDefault();
      if (times) return zoomTo(times);
      const {u, v} = pointed();
      if (event.key === "Enter" || event.key === " ") return press({u, v});
      view.spot = step ? {u: inside(u + step[0] / grid), v: inside(v + step[1] / grid)} : null;
      if (!step) view.pinned = null;
      if (following()) paint();
      const spoken = point();
      if (spoken) find("now").textContent = `${spoken}.`;
    };
  }
  for (const each of [whole, ...looks, ...(difference ? [difference, swiped] : [])]) follow(each.tile, POKED);

  for (const name of ["opacity", "threshold"]) {
    find(name).max = name === "opacity" ? 100 : most();
    find(name).value = view[name];
    find(name).oninput = (event) => { view[name] = Number(event.target.value); paint(); };
    find(name).onchange = report;
  }
  find("colours").value = view.colours;
  find("colours").onchange = (event) => { view.colours = event.target.value; paint(); report(); };
  find("cells").checked = view.cells;
  find("cells").onchange = (event) => { view.cells = event.target.checked; paint(); report(); };
  find("zoom").onchange = (event) => zoomTo(Number(event.target.value));
  for (const button of parentElement.querySelectorAll("[data-view]")) button.onclick = () => { view.view = button.dataset.view; arrange(); paint(); point(); report(); };
  for (const button of parentElement.querySelectorAll("[data-point]")) button.onclick = () => { view.point = button.dataset.point; arrange(); paint(); point(); report(); };

  const tiled = numberOf(words, "scramble"), moved = numberOf(words, "right");
  for (const [name, on] of [["flip", words.includes("flip")], ["shift", moved], ["scramble", tiled]]) find(name).setAttribute("aria-pressed", Boolean(on));
  find("shift").textContent = moved ? `Shift ${moved}` : "Shift";
  find("scramble").textContent = tiled ? `Scramble ${tiled}×${tiled}` : "Scramble";
  find("flip").onclick = () => poke(toggled(words, "flip"));
  find("shift").onclick = () => poke(withNumber(words, "right", (moved + 1) % 5));
  find("scramble").onclick = () => poke(withNumber(words, "scramble", {0: 2, 2: 4, 4: 8, 8: 0}[tiled]));
  find("undo").hidden = !data.poke;
  find("undo").onclick = () => poke([]);

  find("link").onclick = async (event) => {
    if (!data.shareable) return setTriggerValue("share", true); // the page asks first
    const button = event.target, link = new URL(location.href);
    if (link.searchParams.has("remove")) link.searchParams.delete("remove"); // the key is the sharer's alone
    try { await navigator.clipboard.writeText(link.href); button.textContent = "Copied"; }
    catch { button.textContent = "Copy it from the address bar"; }
    setTimeout(() => { button.textContent = "Copy link"; }, 2500);
  };
  find("save").onclick = () => {
    const own = {zoom: view.zoom, origin: view.origin}, under = {picture: find("whole"), grey: true}, smooth = !view.cells, opacity = view.opacity / 100;
    const answers = (look) => look.predictions.map(([name, share]) => `${name} ${percent(share)}`);
    const drawn = [{...own, title: "Photo", layers: [{picture: find("whole")}], lines: data.poke_says ? [data.poke_says] : []}];
    if (view.view === "swipe") {
      const [i, j, title] = pairs[view.pair], line = edge();
      drawn.push({...own, title: title.replace(" − ", " | "), lines: [looks[i].method.textContent, looks[j].method.textContent],
        layers: [under, {picture: swiped.heats[0], opacity, smooth, between: [0, line]}, {picture: swiped.heats[1], opacity, smooth, between: [line, 1]}]});
    } else for (const each of looks)
      drawn.push({...own, title: each.look.title, layers: [under, ...(each.look.problem ? [] : [{picture: each.heat, opacity, smooth}])], lines: [each.look.problem || each.method.textContent, ...answers(each.look)]});
    if (difference) drawn.push({...own, title: pairs[view.pair][2], layers: [under, {picture: difference.heat, opacity, smooth}], lines: [difference.legend.querySelector(".sides").textContent]});
    savePicture(data, drawn, `Colours: 0 to ${most()} times each map's average (${view.colours}); difference: green −${most()} to purple +${most()} times.`);
  };

  find("compare").classList.remove("waiting");
  arrange();
  zoom();
  if (swiped) swiped.put(view.swipe);
  paint();
  point();
  return forget;
}
