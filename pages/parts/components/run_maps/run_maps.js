// Maps of several runs side by side: a row per pinned image, a column per run, all at the epoch of one slider. The slider and the
// page's cursor follow each other.
//
// data: as the replay has it, with `runs` [{title, epochs, grid, frames, maps, answers, sure}] and `last`, the longest run's epochs
import {framesOf} from "../replay/model.js";
import {fillPinned} from "../replay/pinned.js";
import {frameAt, probeAfter, probeBefore} from "../replay/frames.js";
import {cursor} from "../shared/cursor.js";
import {gradient} from "../shared/heat.js";
import {clamp, unpack} from "../shared/numbers.js";

const SHOWN = new WeakMap(); // the epoch of each, kept while the page runs again

// All epochs at which any run has maps, in order: where the arrow keys lead.
export function allEpochs(runs) {
  return [...new Set(runs.flatMap(({epochs}) => epochs))].sort((a, b) => a - b);
}

// The epoch in words; which runs had ended by then.
export function whenWords(epoch, last, runs) {
  const ended = runs.filter(({epochs}) => epochs.at(-1) + 1e-6 < epoch).map(({title}) => title);
  const words = `Epoch ${epoch.toFixed(1)} of ${last}`;
  return ended.length ? `${words}; ${ended.join(", ")}: the last map` : words;
}

export default function ({data, parentElement}) {
  const find = (name) => parentElement.querySelector("." + name), root = find("run-maps"), scrub = find("scrub");
  const networks = data.runs.map((run) => ({...run, frames: framesOf(run, data.shape[0])})), model = {...data, networks, images: unpack(data.images)};
  const draw = fillPinned(find("pinned"), model), epochs = allEpochs(data.runs);
  find("colours").style.background = gradient("viridis");
  find("whose").textContent = `Map of each run's ${data.network}; 1× is the image's average`;
  find("whose").style.setProperty("--mine", data.colour);
  find("most").textContent = `${data.most}×`;
  scrub.max = data.last;
  let epoch = clamp(SHOWN.get(parentElement) ?? cursor.epoch() ?? data.last, 0, data.last);

  function show() {
    SHOWN.set(parentElement, epoch);
    scrub.value = epoch;
    find("when").textContent = whenWords(epoch, data.last, data.runs);
    scrub.setAttribute("aria-valuetext", find("when").textContent);
    const frames = data.runs.map((run) => frameAt(run.epochs, epoch));
    draw(model, (column) => frames[column]);
  }
  function go(to) {
    epoch = clamp(to, 0, data.last);
    cursor.set({epoch, pinned: true}, parentElement);
    show();
  }

  scrub.oninput = () => go(Number(scrub.value));
  root.onkeydown = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = {ArrowRight: () => go(probeAfter(epochs, epoch)), ArrowLeft: () => go(probeBefore(epochs, epoch)), Home: () => go(0), End: () => go(data.last)};
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  };
  const stop = cursor.subscribe((value, source) => {
    if (source === parentElement || value?.epoch === undefined) return;
    epoch = clamp(value.epoch, 0, data.last);
    show();
  });
  show();
  return stop;
}
