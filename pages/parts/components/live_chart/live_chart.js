// Curves that request new points from the server about once a second while a run is active. No page is run again for it,
// and the visitor's settings (zoom, hidden lines, smoothing) stay. All charts of a page have one cursor and one zoom.
//
// data: {runs: [{id, name, version}], panels: [{title, note, unit, log, fixed, labelled, series: [{run, name | level, behind, label, colour,
// style, smooth, faint}]}], whole, start, usual}

import {Address} from "../shared/address.js";
import {cursor} from "../shared/cursor.js";
import {Panel} from "./panel.js";
import {AXES, append, placeInWords, received, withDetail} from "./points.js";
import {KEEPS, axisEnd, keepAt, overPoints, smoothed, viewOf, zoomed} from "./scales.js";

const EVERY = 1000; // milliseconds
const TOO_MANY = 5000; // points: then the whole series is requested again, which the server thins
const LOOK_CLOSER = 150; // milliseconds that a view stays before its points are requested
const REPORT = 400; // milliseconds that a setting stays before it is in the address
const charts = new Map();

export default function ({ data, parentElement, setTriggerValue }) {
  let chart = charts.get(parentElement);
  if (!chart) charts.set(parentElement, (chart = new Chart(parentElement)));
  chart.trigger = setTriggerValue ?? (() => {});
  chart.take(data);
  return () => { chart.close(); charts.delete(parentElement); };
}

class Chart {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    Object.assign(this, { runs: [], panels: [], stretch: null, hover: null, pinned: false, hidden: new Set(), lines: new Map(), open: true });
    this.view = { smooth: 0.8, x: "epoch", log: false, clip: true, from: null, to: null, epoch: null };
    this.address = new Address();
    const smooth = this.find(".smoothing input"), set = (name, value) => { this.view[name] = value; this.lines.clear(); this.changed(); };
    smooth.max = KEEPS.length - 1;
    smooth.oninput = () => set("smooth", KEEPS[+smooth.value]);
    this.find(".log input").oninput = (e) => set("log", e.target.checked);
    this.find(".clip input").oninput = (e) => set("clip", e.target.checked);
    this.find(".axis select").oninput = (e) => { set("x", e.target.value); this.follow(cursor.get()); this.poll(); };
    this.find(".whole").onclick = () => this.reset();
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.find(".panels"));
    this.unsubscribe = cursor.subscribe((value, source) => this.follow(value, source));
  }

  close() { if (this.pointing) this.leave(); this.open = false; this.unsubscribe(); this.sizes.disconnect(); for (const t of [this.timer, this.closer, this.reporting]) clearTimeout(t); }

  take(data) {
    const { start, usual, ...rest } = data, drawn = JSON.stringify(rest);
    this.usual = usual ?? {};
    if (start && this.address.restored(this.view, start)) this.restore();
    this.mounted = true;
    if (drawn === this.taken) return;
    this.taken = drawn;
    this.whole = data.whole;
    this.lines.clear();
    this.runs = data.runs.map((run, i) => {
      const own = data.panels.flatMap((p) => p.series).filter((s) => s.run === i).flatMap((s) => [s.name, s.behind]).filter(Boolean);
      const known = this.runs.find((old) => old.id === run.id);
      return { id: run.id, name: run.name, names: [...new Set(own)], points: known?.points ?? {}, about: known?.about, last: -1 };
    });
    this.panels = data.panels.map((panel) => new Panel(this, panel));
    this.find(".panels").replaceChildren(...this.panels.map((p) => p.figure));
    this.find(".log").hidden = !data.panels.some((p) => p.log);
    for (const each of [".smoothing", ".clip"]) this.find(each).hidden = !data.panels.some((p) => p.series.some((s) => s.smooth));
    this.showSettings();
    this.poll();
  }

  name() { return this.runs.length === 1 ? this.runs[0].id : `${this.runs.length}-runs`; }

  // Settings and the address

  /** What the address says: the settings, the zoom and the place of the cursor. What is just pointed at stays. */
  restore() {
    const { from, to, epoch } = this.view, now = cursor.get();
    this.lines.clear();
    this.showSettings();
    const pointed = epoch ?? (now?.pinned ? undefined : now?.epoch);
    if (this.mounted || from !== null || epoch !== null) cursor.set({ epoch: pointed, pinned: epoch !== null, from: from ?? undefined, to: to ?? undefined }, "address");
    this.follow(cursor.get());
  }

  showSettings() {
    const { smooth, x, log, clip } = this.view;
    this.find(".smoothing input").value = keepAt(smooth);
    this.find(".smoothing output").textContent = smooth ? `${overPoints(smooth).toLocaleString("en")} points` : "off";
    this.find(".smoothing input").setAttribute("aria-valuetext", smooth ? `over ${overPoints(smooth)} points` : "off");
    this.find(".axis select").value = x;
    this.find(".log input").checked = log;
    this.find(".clip input").checked = clip;
  }

  /** A setting was changed here: draw, and put it into the address once it stays. */
  changed() {
    this.showSettings();
    this.draw();
    clearTimeout(this.reporting);
    if (Object.keys(this.usual).length) this.reporting = setTimeout(() => this.address.report(this.view, this.usual, this.trigger), REPORT);
  }

  // The cursor and the zoom, which all charts of the page share; in epochs of the first run

  get reference() { return this.runs.find((run) => run.about?.steps_per_epoch); }
  epochOf(place) { return this.reference ? AXES[this.view.x].epoch(this.reference, place) : place; }
  placeOf(epoch) { return this.reference ? AXES[this.view.x].place(this.reference, epoch * this.reference.about.steps_per_epoch) : epoch; }

  follow(value, source) {
    const rounded = (v) => (v === undefined ? null : Number(v.toPrecision(6)));
    this.pinned = Boolean(value?.pinned);
    this.hover = value?.epoch === undefined ? null : this.placeOf(value.epoch);
    this.stretch = value?.from === undefined ? null : [value.from, value.to];
    const now = { from: rounded(value?.from), to: rounded(value?.to), epoch: this.pinned ? rounded(value.epoch) : null };
    const news = Object.keys(now).some((name) => now[name] !== this.view[name]);
    Object.assign(this.view, now);
    if (news && source === this) this.changed(); else this.draw();
    if (this.stretch) { clearTimeout(this.closer); this.closer = setTimeout(() => this.lookCloser(), LOOK_CLOSER); }
  }

  move(changes) { cursor.set({ ...cursor.get(), ...changes }, this); }
  point(place, stepped = false) {
    this.pointing = true;
    if ((this.pinned && !stepped) || !this.reference) { this.hover = place; return this.draw(); }
    this.move({ epoch: Math.max(0, this.epochOf(place)) });
    this.hover = place;
  }
  /** Keep the cursor at a place, or release it. */
  pin(place) { this.move(this.pinned ? { pinned: false, epoch: this.epochOf(place) } : { pinned: true, epoch: Math.max(0, this.epochOf(place)) }); }
  leave() { this.pointing = false; if (this.pinned) this.follow(cursor.get()); else this.move({ epoch: undefined }); }
  reset() { cursor.set(null, this); }

  /** The visible part of the x axis. */
  range() {
    const whole = [0, this.end()];
    if (!this.stretch) return whole;
    const [a, b] = this.stretch.map((epoch) => this.placeOf(epoch));
    return viewOf(a, b - a, whole[1]) ?? whole;
  }
  end() { return Math.max(1e-9, ...this.runs.filter((run) => run.about?.steps_per_epoch).map((run) => this.endOf(run))); }
  endOf(run) { return AXES[this.view.x].place(run, axisEnd([run], this.whole) * run.about.steps_per_epoch); }
  zoom(at, factor) { this.show(zoomed(this.range(), at, factor, this.end())); }
  select(a, b) { this.show(viewOf(Math.min(a, b), Math.abs(b - a), this.end())); }
  show(view) { const [from, to] = view ? view.map((place) => this.epochOf(place)) : []; this.move({ from, to }); }

  // Points

  async poll() {
    clearTimeout(this.timer);
    const runs = this.runs, first = runs.some((r) => r.last < 0);
    let wait = EVERY;
    try {
      if (!document.hidden) await Promise.all(runs.filter((r) => r.about?.active !== false || r.last < 0 || this.lacksTime(r)).map((r) => this.fetchPoints(r)));
      this.report(!runs.length || runs.some((r) => r.last >= 0) ? "" : "Waiting for the first step.");
    } catch {
      wait = 3 * EVERY;
      this.report("No connection to the server; trying again.");
    }
    if (!this.open || runs !== this.runs) return;
    if (first) this.follow(cursor.get()); else this.draw();
    if (wait > EVERY || runs.some((r) => r.about?.active !== false)) this.timer = setTimeout(() => this.poll(), wait);
  }

  lacksTime(run) { return this.view.x === "time" && !run.points.seconds && run.last >= 0 && !run.untimed; }

  async fetchPoints(run) {
    const many = Object.values(run.points).some(({ x }) => x.length > TOO_MANY), names = [...run.names];
    const all = many || this.lacksTime(run);
    if (this.view.x === "time") names.push("seconds");
    const response = await fetch(`/api/runs/${run.id}/series?since=${all ? -1 : run.last}&names=${encodeURIComponent(names)}`);
    if (response.status === 404) { run.about = { active: false }; return; } // deleted meanwhile
    if (!response.ok) throw new Error(response.status);
    const news = await response.json();
    if (news.reset) { run.points = {}; run.detail = null; }
    for (const [name, columns] of Object.entries(news.series)) {
      const series = received(columns);
      run.points[name] ? append(run.points[name], series) : (run.points[name] = series);
    }
    run.untimed = this.view.x === "time" && !run.points.seconds;
    if (news.step > run.last || news.reset) run.last = news.steps_per_epoch ? news.step : -1;
    run.about = news;
    this.lines.clear();
  }

  /** Request all points of the view, with as much again at its sides, where the series is thinned out. */
  async lookCloser() {
    const view = this.stretch;
    await Promise.all(this.runs.map(async (run) => {
      if (!view || !run.about?.steps_per_epoch || !run.names.some((name) => run.points[name]?.thinned)) return;
      const [a, b] = this.range(), steps = [a, b].map((place) => AXES[this.view.x].epoch(run, place) * run.about.steps_per_epoch), width = steps[1] - steps[0];
      const known = run.detail;
      if (known && steps[0] >= known.first && steps[1] <= known.last && (known.whole || width * 4 > known.last - known.first)) return;
      const first = Math.max(0, Math.floor(steps[0] - width / 2)), last = Math.ceil(steps[1] + width / 2);
      const response = await fetch(`/api/runs/${run.id}/series?since=${first}&to=${last}&names=${encodeURIComponent(run.names)}`);
      if (!response.ok) return;
      const points = Object.fromEntries(Object.entries((await response.json()).series).map(([name, columns]) => [name, received(columns)]));
      run.detail = { first, last, points, whole: Object.values(points).every((series) => !series.thinned) };
    })).catch(() => {}); // the next zoom tries again
    this.lines.clear();
    this.draw();
  }

  report(words) { this.words = words; this.find(".word").textContent = words; }

  /** A series as a line of a plot, see plot.js; a level is a line at one height. Null where there are no values. */
  line(series) {
    const key = `${series.run} ${series.name} ${series.level} ${series.label}`;
    if (!this.lines.has(key)) this.lines.set(key, this.makeLine(series));
    return this.lines.get(key);
  }

  makeLine({ run: place, name, level, behind, ...style }) {
    const run = this.runs[place], { about } = run;
    if (level) {
      const y = about?.teacher?.[level];
      return y == null ? null : { ...style, level, x: [0, this.end()], raw: [y, y], meanX: [0, this.end()], mean: [y, y] };
    }
    const faint = behind && this.shown(run, behind), main = this.shown(run, name);
    if (!about?.steps_per_epoch || !(main || faint)) return null;
    const empty = { x: [], raw: [], meanX: [], mean: [] };
    return { ...style, ...(main ? this.onAxis(run, main, style.smooth ? this.view.smooth : 0) : empty), behind: faint && this.onAxis(run, faint, 0) };
  }

  shown(run, name) {
    const series = run.points[name];
    return series?.x.length ? withDetail(series, this.stretch && run.detail?.points[name]) : null;
  }

  onAxis(run, { x, y, meanX, meanY, every }, keep) {
    const place = (step) => AXES[this.view.x].place(run, step), places = x.map(place);
    if (!keep) return { x: places, raw: y, meanX: places, mean: y };
    return { x: places, raw: y, meanX: meanX === x ? places : meanX.map(place), mean: smoothed(meanX, meanY, keep, every) };
  }

  /** Changes of settings of some of the runs: [place, words]. */
  marks(places) {
    return this.runs.flatMap((run, i) => (places.has(i) && run.about?.steps_per_epoch ? run.about.marks ?? [] : []).map(([step, words]) =>
      [AXES[this.view.x].place(run, step), this.runs.length > 1 && run.name ? `${run.name}: ${words}` : words]));
  }

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      if (!this.open) return;
      this.find(".whole").hidden = !this.stretch && !this.pinned;
      this.find(".whole").textContent = this.stretch ? "Show all" : "Release the cursor";
      for (const panel of this.panels) panel.draw();
      this.find(".word").textContent = this.hover === null ? this.words ?? "" : placeInWords(this.hover, this.view.x) + (this.pinned ? ", kept" : "");
    });
  }
}
