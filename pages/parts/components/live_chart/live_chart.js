// Curves that request new points from the server about once a second while a run is active. No page is run again for it,
// and the visitor's settings (zoom, hidden lines, smoothing) stay.
//
// data: {runs: [{id, version}], panels: [{title, unit, log, series: [{run, name | level, label, colour, dash, smooth}]}]}

import {Panel} from "./panel.js";
import {append, axisEnd, movingAverage, viewOf, zoomed} from "./scales.js";

const EVERY = 1000; // milliseconds
const TOO_MANY = 5000; // points: then the whole series is requested again, which the server thins
const charts = new WeakMap();

export default function ({ data, parentElement }) {
  let chart = charts.get(parentElement);
  if (!chart) charts.set(parentElement, (chart = new Chart(parentElement)));
  chart.take(data);
  return () => { chart.close(); charts.delete(parentElement); };
}

class Chart {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    Object.assign(this, { runs: [], view: null, hover: null, hidden: new Set(), smoothing: 0.8, smoothed: new Map(), log: false, open: true });
    this.find("[type=range]").value = this.smoothing;
    this.find("[type=range]").oninput = (e) => { this.smoothing = +e.target.value; this.smoothed.clear(); this.draw(); };
    this.find("[type=checkbox]").oninput = (e) => { this.log = e.target.checked; this.draw(); };
    this.find(".whole").onclick = () => { this.view = null; this.draw(); };
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.find(".panels"));
  }

  close() { this.open = false; clearTimeout(this.timer); this.sizes.disconnect(); }

  take(data) {
    const drawn = JSON.stringify(data);
    if (drawn === this.taken) return;
    this.taken = drawn;
    this.smoothed.clear();
    this.runs = data.runs.map((run, i) => {
      const names = data.panels.flatMap((p) => p.series).filter((s) => s.run === i && s.name).map((s) => s.name);
      const known = this.runs.find((old) => old.id === run.id);
      return { id: run.id, names: [...new Set(names)], points: known?.points ?? {}, about: known?.about, last: -1 };
    });
    this.panels = data.panels.map((panel) => new Panel(this, panel));
    this.find(".panels").replaceChildren(...this.panels.map((p) => p.figure));
    this.find(".log").hidden = !data.panels.some((p) => p.log);
    this.find(".smoothing").hidden = !data.panels.some((p) => p.series.some((s) => s.smooth));
    clearTimeout(this.timer);
    this.poll();
  }

  async poll() {
    const runs = this.runs;
    let wait = EVERY;
    try {
      if (!document.hidden) await Promise.all(runs.filter((r) => r.about?.active !== false || r.last < 0).map((r) => this.fetchPoints(r)));
      this.report(!runs.length || runs.some((r) => r.last >= 0) ? "" : "Waiting for the first step.");
    } catch {
      wait = 3 * EVERY;
      this.report("No connection to the server; trying again.");
    }
    if (!this.open || runs !== this.runs) return;
    this.draw();
    if (wait > EVERY || runs.some((r) => r.about?.active !== false)) this.timer = setTimeout(() => this.poll(), wait);
  }

  async fetchPoints(run) {
    const many = Object.values(run.points).some(([steps]) => steps.length > TOO_MANY);
    const response = await fetch(`/api/runs/${run.id}/series?since=${many ? -1 : run.last}&names=${encodeURIComponent(run.names)}`);
    if (response.status === 404) { run.about = { active: false }; return; } // deleted meanwhile
    if (!response.ok) throw new Error(response.status);
    const news = await response.json();
    if (news.reset) run.points = {};
    for (const [name, [steps, values]] of Object.entries(news.series)) {
      append((run.points[name] ??= [[], []]), steps, values, news.steps_per_epoch);
    }
    this.smoothed.clear();
    if (news.step > run.last || news.reset) run.last = news.steps_per_epoch ? news.step : -1;
    run.about = news;
  }

  report(word) { this.find(".word").textContent = word; }

  /** [x, raw, smoothed] of a series; a level is a line at one height. */
  line({ run, name, level, smooth }) {
    const { points, about, id } = this.runs[run];
    if (level) { const y = about?.teacher?.[level]; return y == null ? null : [[0, this.end()], [y, y], [y, y]]; }
    if (!points[name]?.[0].length) return null;
    const [x, y] = points[name];
    if (!smooth || !this.smoothing) return [x, y, y];
    const key = `${id} ${name}`;
    if (!this.smoothed.has(key)) this.smoothed.set(key, movingAverage(y, this.smoothing));
    return [x, y, this.smoothed.get(key)];
  }

  end() { return axisEnd(this.runs); }

  zoom(at, factor) {
    this.view = zoomed(this.view ?? [0, this.end()], at, factor, this.end());
    this.draw();
  }

  show(start, width) {
    this.view = viewOf(start, width, this.end());
    this.draw();
  }

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      if (!this.open) return;
      this.find(".whole").hidden = !this.view;
      for (const panel of this.panels) panel.draw();
    });
  }
}
