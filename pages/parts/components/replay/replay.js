// A run on one scrubber: accuracy, and what each network looks at and predicts at the same moment. `data` holds all that is known
// when the page is drawn; what an active run adds is requested from the server. The moment is shared with the page's other charts.
import {Address} from "../shared/address.js";
import {cursor} from "../shared/cursor.js";
import {gradient} from "../shared/heat.js";
import {clamp, percent} from "../shared/numbers.js";
import {drawChart} from "./curves.js";
import {epochAt, frameAt, heldWords, playedTo, probeAfter, probeBefore} from "./frames.js";
import {merged, valueAt} from "./model.js";
import {fillPinned} from "./pinned.js";
import {pollWhile} from "./poller.js";

const SECONDS = 14; // one play-through at normal speed
const REPORTED_AFTER = 300; // milliseconds that the cursor rests before it is written into the address
const DRAGGED = 6; // pixels
const REPLAYS = new WeakMap();

export default function ({data, parentElement, setTriggerValue}) {
  let replay = REPLAYS.get(parentElement);
  if (!replay) REPLAYS.set(parentElement, (replay = new Replay(parentElement)));
  replay.tell = setTriggerValue;
  replay.take(data);
  return () => { replay.close(); REPLAYS.delete(parentElement); };
}

class Replay {
  constructor(parent) {
    this.find = (name) => parent.querySelector("." + name);
    this.root = this.find("replay");
    this.address = new Address();
    // epoch: where it rests, null for the newest moment. whole: what lies behind the cursor is drawn faint, else not at all.
    this.view = {epoch: null, playing: false, whole: true};
    this.find("colours").style.background = gradient("viridis");
    this.resized = new ResizeObserver(() => this.redraw());
    this.resized.observe(this.find("chart"));
    this.unsubscribe = cursor.subscribe((value, source) => this.follow(value, source));
    this.listen();
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.request);
    clearTimeout(this.due);
    this.stopPolling?.();
    this.resized.disconnect();
    this.unsubscribe();
    cursor.set(null, this);
  }

  // Data

  take(data) {
    const first = !this.data, restored = data.in_address && this.address.restored(this.view, data.start);
    this.data = data;
    if (restored && !first) this.go(this.view.epoch);
    if (data.version !== this.model?.version || data.id !== this.model?.id || !data.version) this.learn(data);
    if (first && this.view.epoch !== null) this.go(this.view.epoch);
    else if (first && data.plays && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      Object.assign(this.view, {epoch: 0, whole: false});
      this.setPlaying(true);
    }
    if (data.active && !this.stopPolling) {
      const ask = () => `/api/runs/${encodeURIComponent(this.model.id)}/moments?since=${this.model.places.at(-1) ?? -1}&version=${encodeURIComponent(this.model.version)}`;
      this.stopPolling = pollWhile(() => this.model.active, ask, (news) => this.learn(news), (words) => this.report(words), () => this.model.places.length > 1);
    } else if (!data.active) { this.stopPolling?.(); this.stopPolling = null; }
  }

  learn(news) {
    const model = this.model = merged(this.model, news), {root, find} = this, {data} = this;
    for (const curve of model.curves) root.style.setProperty(`--${curve.name}`, curve.colour);
    root.style.setProperty("--columns", 1 + Math.max(1, model.networks.length));
    root.classList.toggle("one", Boolean(data.name));
    root.classList.toggle("stage", Boolean(data.stage));
    root.classList.toggle("empty", !model.places.length);
    find("missing").hidden = !model.missing;
    find("most").textContent = `${model.most}×`;
    if (data.name) find("what").textContent = "Map"; // whichever was chosen
    find("curves-title").textContent = model.curves_title;
    find("settings").textContent = model.settings;
    find("settings").hidden = !model.settings || data.knobs; // who has knobs sees the settings there
    find("scrub").max = model.end;
    const names = model.curves.map((curve) => { const name = document.createElement("span"); name.className = "name"; name.style.setProperty("--mine", curve.colour); name.textContent = curve.title; return name; });
    find("names").replaceChildren(...names);
    const shape = JSON.stringify([model.id, model.shape, model.targets, model.networks.map(({name, grid}) => [name, grid])]);
    if (shape !== this.shape) { this.shape = shape; this.cells = fillPinned(find("pinned"), model); }
    const ends = model.curves.map((curve) => [curve.title, valueAt(curve, model.now)]).filter(([, value]) => value !== null);
    find("chart").setAttribute("aria-label", `${model.curves_title} over ${model.end} epochs; at epoch ${model.now.toFixed(1)}: `
      + (ends.map(([title, value]) => `${title} ${percent(value)}`).join(", ") || "no values yet"));
    this.report("");
    this.redraw();
  }

  report(words) {
    const said = words || this.model.words;
    this.find("words").textContent = said;
    this.find("words").hidden = !said;
    this.find("waiting").hidden = this.model.places.length > 0;
    this.find("waiting").textContent = this.model.active ? "The first heatmaps appear before the first step." : "This run has no heatmaps.";
  }

  // Drawing

  redraw() {
    if (!this.model || this.closed) return;
    const {plot, draw} = drawChart(this.find("chart"), this.model);
    Object.assign(this, {plot, draw});
    this.show();
  }

  // The epoch that is shown: pointed at on some chart of the page, else where the cursor rests, else the newest.
  at() {
    const {model, view} = this;
    return clamp(cursor.epoch() ?? view.epoch ?? model.now, 0, model.now);
  }

  show() {
    const {model, view, find} = this, epoch = this.at(), newest = epoch >= model.now, scrub = find("scrub");
    scrub.value = epoch;
    scrub.style.setProperty("--done", `${(epoch / (model.end || 1)) * 100}%`);
    scrub.setAttribute("aria-valuetext", `epoch ${epoch.toFixed(1)} of ${model.end}`);
    find("when").textContent = `Epoch ${epoch.toFixed(1)} of ${model.end}`;
    find("when").classList.toggle("now", model.active && newest);
    find("live").hidden = !model.active || newest;
    const {from, to} = cursor.get() ?? {};
    this.draw({epoch, whole: view.whole, stretch: from === undefined ? null : [from, to]});
    if (!model.epochs.length) return;
    const frame = frameAt(model.epochs, epoch);
    find("held").textContent = heldWords(model.epochs, epoch);
    this.cells(model, () => frame);
  }

  // Moving

  follow(value, source) {
    if (source !== this) {
      if (this.view.playing) this.setPlaying(false);
      if (value?.pinned) this.rest(value.epoch);
    }
    if (this.model) this.show();
  }

  // Let the cursor rest at an epoch; null, and the newest moment, mean to stay with the newest.
  go(epoch) {
    if (this.view.playing) this.setPlaying(false);
    this.view.whole = true;
    this.rest(epoch === null || (this.model && epoch >= this.model.now) ? null : epoch);
    this.point();
  }

  rest(epoch) {
    this.view.epoch = epoch;
    clearTimeout(this.due);
    if (this.data.in_address) this.due = setTimeout(() => this.address.report({epoch: epoch === null ? null : +epoch.toFixed(2)}, this.data.usual, this.tell), REPORTED_AFTER);
  }

  // Tell the page's charts where this one rests.
  point() {
    const {epoch} = this.view;
    cursor.set(epoch === null ? null : {epoch, pinned: true}, this);
    if (this.model) this.show();
  }

  setPlaying(playing) {
    const {view, model, find} = this;
    if (playing && this.at() >= model.now) view.epoch = 0;
    else if (playing) view.epoch = this.at();
    view.playing = playing;
    this.before = 0;
    const action = playing ? "Pause" : "Play";
    const play = find("play");
    play.dataset.icon = action;
    play.setAttribute("aria-label", action);
    play.title = `${action} (space)`;
    cancelAnimationFrame(this.request);
    if (playing) this.request = requestAnimationFrame((now) => this.tick(now));
    else if (view.epoch !== null) this.rest(view.epoch);
  }

  tick(now) {
    const {view, model} = this;
    if (!view.playing || this.closed) return;
    view.epoch = playedTo(view.epoch, model.now, this.before ? now - this.before : 0, SECONDS, this.find("speed").value);
    this.before = now;
    if (view.epoch >= model.now) { this.setPlaying(false); this.go(null); return; }
    cursor.set({epoch: view.epoch, pinned: true}, this);
    this.request = requestAnimationFrame((next) => this.tick(next));
  }

  // The visitor

  listen() {
    const {find, root} = this, chart = find("chart");
    find("play").onclick = () => this.setPlaying(!this.view.playing);
    find("live").onclick = () => this.go(null);
    find("scrub").oninput = () => this.go(Number(find("scrub").value));
    let pressed = null;
    chart.onpointerdown = (event) => {
      root.focus({preventScroll: true});
      pressed = {x: event.clientX, epoch: this.under(event), mouse: event.pointerType === "mouse"};
    };
    chart.onpointermove = (event) => {
      const epoch = this.under(event);
      if (epoch === null) return;
      const drags = pressed && pressed.epoch !== null && Math.abs(event.clientX - pressed.x) > DRAGGED;
      this.resume ||= this.view.playing;
      if (this.view.playing) this.setPlaying(false);
      if (pressed && !pressed.mouse) this.go(epoch); // a finger scrubs
      else cursor.set({epoch, ...(drags ? {from: pressed.epoch, to: epoch} : stretchOf(cursor.get()))}, this);
      if (drags) pressed.dragged = true;
    };
    chart.onpointerup = (event) => {
      const epoch = this.under(event);
      if (pressed && !pressed.dragged && epoch !== null) { this.resume = false; this.go(epoch); }
      pressed = null;
    };
    chart.onpointercancel = () => { pressed = null; };
    chart.onpointerleave = () => {
      pressed = null;
      const stretch = stretchOf(cursor.get()), {epoch} = this.view;
      if (this.resume && this.model.now > this.at()) this.setPlaying(true); // a pointer that leaves lets it play on
      else cursor.set({...(epoch === null ? {} : {epoch, pinned: true}), ...stretch}, this);
      this.resume = false;
    };
    root.onkeydown = (event) => this.key(event);
  }

  // The epoch under the pointer; null beside the plot.
  under(event) {
    const {left, right} = this.plot, box = this.find("chart").getBoundingClientRect();
    const epoch = epochAt(event.clientX - box.left - left, right - left, this.model.end);
    return epoch === null ? null : Math.min(epoch, this.model.now);
  }

  key(event) {
    if (event.target === this.find("speed") || event.altKey || event.ctrlKey || event.metaKey) return;
    const {model} = this;
    const moves = {
      ArrowRight: () => this.go(probeAfter(model.epochs, this.at())), ArrowLeft: () => this.go(probeBefore(model.epochs, this.at())),
      Home: () => this.go(0), End: () => this.go(null), Escape: () => this.go(null), " ": () => this.setPlaying(!this.view.playing),
    };
    if (!moves[event.key] || (event.key.startsWith("Arrow") && !model.epochs.length)) return;
    event.preventDefault();
    event.stopPropagation();
    this.resume = false;
    moves[event.key]();
  }
}

function stretchOf(value) {
  return value?.from === undefined ? {} : {from: value.from, to: value.to};
}
