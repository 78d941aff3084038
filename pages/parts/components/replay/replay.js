// A run on one scrubber. `data` holds all of it; no further requests to the server.
import {gradient} from "../shared/heat.js";
import {clamp, percent, unpack} from "../shared/numbers.js";
import {PLOT, drawChart} from "./curves.js";
import {epochAt, frameAt, playedTo, probeAfter, probeBefore} from "./frames.js";
import {fillPinned} from "./pinned.js";

const SECONDS = 14; // one play-through at normal speed
const VIEWS = new WeakMap(); // epoch and state of each replay, kept while new data arrives

export default function ({data, parentElement}) {
  const find = (name) => parentElement.querySelector("." + name);
  const root = find("replay"), chart = find("chart"), scrub = find("scrub"), play = find("play"), when = find("when");
  const speed = find("speed"), pinned = find("pinned");
  const last = data.epochs.at(-1);
  const linked = data.in_address ? Number.parseFloat(new URL(location.href).searchParams.get("epoch")) : NaN;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const view = VIEWS.get(parentElement) ?? (Number.isFinite(linked) ? {epoch: clamp(linked, 0, last), playing: false}
    : {epoch: still ? last : 0, playing: !still});
  VIEWS.set(parentElement, view);
  view.stop?.();

  for (const network of data.networks) root.style.setProperty(`--${network.name}`, network.colour);
  const pictures = data.networks.map((network) => ({...network, maps: unpack(network.maps), answers: unpack(network.answers), sure: unpack(network.sure)}));
  const cells = fillPinned(pinned, data, pictures);
  find("colours").style.background = gradient("viridis");
  find("missing").hidden = !data.missing;
  find("most").textContent = `${data.most}×`;
  scrub.max = last;
  const ends = data.curves.map(({title, level, points}) => `${title} ${percent(level ?? points.at(-1)[1])}`);
  root.classList.toggle("one", Boolean(data.name));
  if (data.name) find("what").textContent = "Map"; // whichever was chosen
  find("curves-title").textContent = data.curves_title;
  chart.setAttribute("aria-label", `${data.curves_title} over ${last} epochs; at the end: ${ends.join(", ")}`);

  let draw = () => {};
  const plot = () => { draw = drawChart(chart, data, last); show(); };
  const resized = new ResizeObserver(plot);
  resized.observe(chart);

  function show() {
    const frame = frameAt(data.epochs, view.epoch);
    scrub.value = view.epoch;
    scrub.style.setProperty("--done", `${(view.epoch / last) * 100}%`);
    scrub.setAttribute("aria-valuetext", `epoch ${view.epoch.toFixed(1)} of ${last}`);
    when.textContent = `Epoch ${view.epoch.toFixed(1)} of ${last}`;
    draw(view.epoch);
    for (const cell of cells) cell(frame);
  }

  // The epoch in the address, so that a copied link shows the same moment.
  function address(epoch) {
    const here = new URL(location.href);
    if (!data.in_address || here.searchParams.get("epoch") === epoch) return;
    if (epoch === null) here.searchParams.delete("epoch"); else here.searchParams.set("epoch", epoch);
    history.replaceState(history.state, "", here);
  }

  // Playing
  let before = 0, request = 0, due = 0;
  function tick(now) {
    if (!play.isConnected) return;
    view.epoch = playedTo(view.epoch, last, before ? now - before : 0, SECONDS, speed.value);
    before = now;
    if (view.epoch >= last) setPlaying(false);
    show();
    if (view.playing) request = requestAnimationFrame(tick);
  }
  function setPlaying(playing) {
    if (playing && view.epoch >= last) view.epoch = 0;
    view.playing = playing;
    before = 0;
    const action = playing ? "Pause" : view.epoch >= last ? "Play again" : "Play";
    play.dataset.icon = action;
    play.setAttribute("aria-label", action);
    play.title = `${action} (space)`;
    cancelAnimationFrame(request);
    if (playing) request = requestAnimationFrame(tick);
    clearTimeout(due);
    due = setTimeout(() => address(playing || view.epoch >= last ? null : view.epoch.toFixed(2)), 250); // where it rests, not all it passes
  }
  function go(epoch) {
    view.epoch = clamp(epoch, 0, last);
    setPlaying(false);
    show();
  }

  play.onclick = () => setPlaying(!view.playing);
  scrub.oninput = () => go(Number(scrub.value));
  let resume = false; // a pointer that leaves the curves again lets them play on; a click stops them
  chart.onpointermove = chart.onpointerdown = (event) => {
    const box = chart.getBoundingClientRect();
    const epoch = epochAt(event.clientX - box.left - PLOT.left, box.width - PLOT.left - PLOT.right, last);
    if (epoch === null) return;
    resume = event.type === "pointermove" && (resume || view.playing);
    go(epoch);
  };
  chart.onpointerleave = () => {
    if (resume && view.epoch < last) setPlaying(true);
    resume = false;
  };
  root.onkeydown = (event) => {
    if (event.target === speed || event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = {
      ArrowRight: () => go(probeAfter(data.epochs, view.epoch)),
      ArrowLeft: () => go(probeBefore(data.epochs, view.epoch)),
      Home: () => go(0), End: () => go(last), " ": () => setPlaying(!view.playing),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    resume = false;
    moves[event.key]();
  };

  plot();
  setPlaying(view.playing);
  view.stop = () => { cancelAnimationFrame(request); clearTimeout(due); resized.disconnect(); };
  return () => { view.stop(); address(null); VIEWS.delete(parentElement); };
}
