// Curves that ask the server for new points by themselves, about once a second while a run is active. No page is run
// again for it, and what the visitor set (zoom, hidden lines, smoothing) stays.
//
// data: {runs: [{id, version}], panels: [{title, unit, log, series: [{run, name | level, label, colour, dash, smooth}]}]}

const EVERY = 1000, TOO_MANY = 5000, LEFT = 52, RIGHT = 10, TOP = 8, BOTTOM = 24;
const charts = new WeakMap();
let scrolledElsewhere = -Infinity; // a scroll that began outside a chart goes on over it
addEventListener("wheel", (e) => { if (!e.composedPath().some((n) => n.tagName === "CANVAS")) scrolledElsewhere = e.timeStamp; },
  { passive: true, capture: true });

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
      if (!document.hidden) await Promise.all(runs.filter((r) => r.about?.active !== false || r.last < 0).map((r) => this.ask(r)));
      this.say(!runs.length || runs.some((r) => r.last >= 0) ? "" : "Waiting for the first step.");
    } catch {
      wait = 3 * EVERY;
      this.say("No connection to the server; trying again.");
    }
    if (!this.open || runs !== this.runs) return;
    this.draw();
    if (wait > EVERY || runs.some((r) => r.about?.active !== false)) this.timer = setTimeout(() => this.poll(), wait);
  }

  async ask(run) {
    const many = Object.values(run.points).some(([steps]) => steps.length > TOO_MANY);
    const answer = await fetch(`/api/runs/${run.id}/series?since=${many ? -1 : run.last}&names=${encodeURIComponent(run.names)}`);
    if (answer.status === 404) { run.about = { active: false }; return; } // deleted meanwhile
    if (!answer.ok) throw new Error(answer.status);
    const said = await answer.json();
    if (said.reset) run.points = {};
    for (const [name, [steps, values]] of Object.entries(said.series)) {
      const [x, y] = (run.points[name] ??= [[], []]);
      while (x.length && steps.length && x.at(-1) >= steps[0] / said.steps_per_epoch) { x.pop(); y.pop(); }
      for (let i = 0; i < steps.length; i++) { x.push(steps[i] / said.steps_per_epoch); y.push(values[i]); }
    }
    this.smoothed.clear();
    if (said.step > run.last || said.reset) run.last = said.steps_per_epoch ? said.step : -1;
    run.about = said;
  }

  say(word) { this.find(".word").textContent = word; }

  /** [x, raw, smoothed] of a series; a level is a line at one height. */
  line({ run, name, level, smooth }) {
    const { points, about, id } = this.runs[run];
    if (level) { const y = about?.teacher?.[level]; return y == null ? null : [[0, this.end()], [y, y], [y, y]]; }
    if (!points[name]?.[0].length) return null;
    const [x, y] = points[name];
    if (!smooth || !this.smoothing) return [x, y, y];
    const key = `${id} ${name}`;
    if (!this.smoothed.has(key)) this.smoothed.set(key, moving(y, this.smoothing));
    return [x, y, this.smoothed.get(key)];
  }

  /** Where the x axis ends, in epochs: early on, not the whole run, so that the curve can be seen. */
  end() {
    return Math.max(1e-9, ...this.runs.map(({ about, last }) => {
      if (!about?.steps_per_epoch || last < 0) return 0;
      const now = about.step / about.steps_per_epoch;
      return about.active ? Math.min(about.epochs, Math.max(3 * now, about.epochs / 50)) : now;
    }));
  }

  zoom(at, factor) {
    const [a, b] = this.view ?? [0, this.end()], width = Math.min(this.end(), (b - a) * factor);
    this.show(at - ((at - a) / (b - a)) * width, width);
  }

  show(start, width) {
    const end = this.end();
    if (width >= end * 0.999) this.view = null;
    else { const a = Math.min(Math.max(0, start), end - width); this.view = [a, a + Math.max(width, end / 2000)]; }
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

class Panel {
  constructor(chart, spec) {
    Object.assign(this, { chart, spec, figure: element("figure"), canvas: element("canvas"), fingers: new Map() });
    const title = element("h4", spec.title), legend = element("div");
    if (spec.note) title.append(element("small", spec.note));
    legend.className = "legend";
    this.entries = spec.series.map((series) => {
      const button = element("button"), sample = element("i"), value = element("b"), key = spec.title + series.label;
      button.type = "button";
      sample.className = series.dash ? "dash" : "";
      sample.style.borderColor = `var(--st-${series.colour}-color)`;
      button.append(sample, series.label, value);
      button.setAttribute("aria-pressed", !chart.hidden.has(key));
      button.onclick = () => {
        chart.hidden.has(key) ? chart.hidden.delete(key) : chart.hidden.add(key);
        button.setAttribute("aria-pressed", !chart.hidden.has(key));
        chart.draw();
      };
      legend.append(button);
      return { series, value, key };
    });
    this.canvas.setAttribute("role", "img");
    this.canvas.tabIndex = 0;
    this.canvas.ontransitionend = () => chart.draw(); // the theme changed
    this.figure.append(title, legend, this.canvas);
    this.listen();
  }

  listen() {
    const { chart, canvas, fingers } = this;
    const at = (e) => { const [a, b] = this.range, box = canvas.getBoundingClientRect();
      return a + ((e.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * (b - a); };
    canvas.addEventListener("wheel", (e) => {
      if (e.timeStamp - scrolledElsewhere < 400) { scrolledElsewhere = e.timeStamp; return; }
      e.preventDefault();
      chart.zoom(at(e), Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.006));
    }, { passive: false });
    canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e.clientX); };
    canvas.onpointermove = (e) => {
      const width = this.range[1] - this.range[0], pixels = canvas.clientWidth - LEFT - RIGHT, before = fingers.get(e.pointerId);
      if (before !== undefined && fingers.size === 1 && chart.view) chart.show(this.range[0] - ((e.clientX - before) / pixels) * width, width);
      if (before !== undefined && fingers.size === 2) {
        const [other] = [...fingers].filter(([id]) => id !== e.pointerId).map(([, x]) => x);
        chart.zoom(at(e), Math.abs(before - other) / Math.max(20, Math.abs(e.clientX - other)));
      }
      if (before !== undefined) fingers.set(e.pointerId, e.clientX);
      chart.hover = at(e);
      chart.draw();
    };
    canvas.onpointerup = canvas.onpointercancel = (e) => fingers.delete(e.pointerId);
    canvas.onpointerleave = canvas.onblur = () => { chart.hover = null; chart.draw(); };
    canvas.ondblclick = () => { chart.view = null; chart.draw(); };
    canvas.onkeydown = (e) => {
      const [a, b] = this.range, middle = chart.hover ?? (a + b) / 2, step = (b - a) / 50;
      const acts = { ArrowLeft: () => (chart.hover = Math.max(a, middle - step)), ArrowRight: () => (chart.hover = Math.min(b, middle + step)),
        "+": () => chart.zoom(middle, 0.7), "-": () => chart.zoom(middle, 1 / 0.7), Escape: () => (chart.view = chart.hover = null) };
      if (acts[e.key]) { e.preventDefault(); acts[e.key](); chart.draw(); }
    };
  }

  draw() {
    const { chart, canvas, spec } = this, sharp = devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
    if (!wide) return;
    if (canvas.width !== Math.round(wide * sharp) || canvas.height !== Math.round(high * sharp)) {
      canvas.width = Math.round(wide * sharp);
      canvas.height = Math.round(high * sharp);
    }
    const g = canvas.getContext("2d"), style = getComputedStyle(canvas), colour = (name) => style.getPropertyValue(`--st-${name}-color`);
    g.setTransform(sharp, 0, 0, sharp, 0, 0);
    g.clearRect(0, 0, wide, high);
    g.font = `12px ${style.fontFamily}`;
    const [a, b] = (this.range = chart.view ?? [0, chart.end()]), log = chart.log && spec.log;
    const drawn = this.entries.map((entry) => ({ ...entry, line: chart.line(entry.series) }));
    const shown = drawn.filter(({ line, key }) => line && !chart.hidden.has(key));
    const [low, high_] = bounds(shown, a, b, log);
    const scale = log ? Math.log : (v) => v, x = (v) => LEFT + ((v - a) / (b - a)) * (wide - LEFT - RIGHT);
    const y = (v) => TOP + (1 - (scale(v) - scale(low)) / (scale(high_) - scale(low))) * (high - TOP - BOTTOM);

    g.strokeStyle = colour("border") || "#8884";
    g.fillStyle = style.color;
    g.lineWidth = 1;
    g.globalAlpha = 0.75;
    g.textAlign = "right"; g.textBaseline = "middle";
    for (const v of log ? decades(low, high_) : ticks(low, high_, high / 44)) {
      if (spec.unit === "%" && v > 1 + 1e-6) continue; // no share is more than all
      g.fillText(readable(v, spec.unit, true), LEFT - 8, y(v));
      g.globalAlpha = 0.35; rule(g, LEFT, y(v), wide - RIGHT, y(v)); g.globalAlpha = 0.75;
    }
    g.textBaseline = "alphabetic"; g.textAlign = "center";
    const marks = chart.runs.some((r) => r.last >= 0) ? ticks(a, b, wide / 70) : [];
    for (const v of marks) g.fillText(`${+v.toPrecision(4)}`, x(v), high - 8);
    if (!shown.length) g.fillText("Nothing measured yet", (LEFT + wide) / 2, high / 2);
    g.textAlign = "right";
    g.fillText("epoch", LEFT - 8, high - 8);
    g.globalAlpha = 1;

    g.save();
    g.beginPath(); g.rect(LEFT - 1, 0, wide - LEFT + 1, high - BOTTOM + 4); g.clip();
    for (const { series, line: [xs, raw, smooth] } of shown) {
      g.strokeStyle = g.fillStyle = colour(series.colour);
      g.lineJoin = "round";
      if (raw !== smooth) { g.globalAlpha = 0.22; g.lineWidth = 1; path(g, xs, raw, x, y, a, b); g.globalAlpha = 1; }
      g.lineWidth = 2;
      g.setLineDash(series.dash ? [6, 4] : []);
      path(g, xs, smooth, x, y, a, b);
      g.setLineDash([]);
      if (xs.length <= 40 && !series.level) for (let i = 0; i < xs.length; i++) if (raw[i] != null) dot(g, x(xs[i]), y(raw[i]), 2.5);
    }
    if (chart.hover !== null && chart.hover >= a && chart.hover <= b && shown.length) {
      g.strokeStyle = style.color; g.globalAlpha = 0.4; g.lineWidth = 1;
      rule(g, x(chart.hover), TOP, x(chart.hover), high - BOTTOM);
      g.globalAlpha = 1;
      for (const { series, line } of shown) {
        const i = nearest(line[0], chart.hover);
        g.fillStyle = colour(series.colour);
        if (line[2][i] != null) dot(g, series.level ? x(chart.hover) : x(line[0][i]), y(line[2][i]), 4);
      }
    }
    g.restore();

    const said = [];
    for (const { series, line, value, key } of drawn) {
      const at = line && (chart.hover === null ? line[0].length - 1 : nearest(line[0], chart.hover));
      value.textContent = line && !chart.hidden.has(key) ? readable(line[2][at], spec.unit) : "";
      if (line) said.push(`${series.label} ${value.textContent}`);
    }
    canvas.setAttribute("aria-label", `${spec.title}. ${said.join(", ") || "Nothing measured yet"}. Arrow keys read values, plus and minus zoom.`);
    if (chart.hover !== null) chart.say(`epoch ${chart.hover.toFixed(2)}`); else if (chart.find(".word").textContent.startsWith("epoch")) chart.say("");
  }
}

/** Moving average with exponential weights, without the pull towards 0 at the start. Gaps stay gaps. */
function moving(values, keep) {
  let sum = 0, weight = 0;
  return values.map((v) => {
    if (v == null) return v;
    sum = keep * sum + (1 - keep) * v;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}

/** The y axis: what is seen, with some air; from 0 where that is near. The raw line of a smoothed one may stick out a little. */
function bounds(shown, a, b, log) {
  let low = Infinity, high = -Infinity;
  for (const { line: [xs, , ys] } of shown)
    for (let i = Math.max(0, nearest(xs, a) - 1), n = Math.min(xs.length, nearest(xs, b) + 2); i < n; i++)
      if (ys[i] != null && (!log || ys[i] > 0)) { low = Math.min(low, ys[i]); high = Math.max(high, ys[i]); }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) return [low / 1.15, high * 1.15];
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 0.5;
  return [low >= 0 && low < 0.4 * high ? 0 : low - air, high + air];
}

function nearest(xs, x) {
  let low = 0, high = xs.length - 1;
  while (low < high) { const middle = (low + high) >> 1; xs[middle] < x ? (low = middle + 1) : (high = middle); }
  return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
}

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(2, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power, found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return found;
}

function decades(low, high) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    for (const m of high / low > 300 ? [1] : [1, 2, 5]) if (m * power >= low && m * power <= high) found.push(m * power);
  return found;
}

function readable(value, unit, short = false) {
  if (value == null) return "–";
  if (unit === "%") return `${(100 * value).toFixed(short ? 0 : 1)} %`;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(short ? 0 : 2);
  return `${+value.toPrecision(3)}`;
}

function path(g, xs, ys, x, y, a, b) {
  g.beginPath();
  let down = false;
  for (let i = Math.max(0, nearest(xs, a) - 1), n = Math.min(xs.length, nearest(xs, b) + 2); i < n; i++) {
    if (ys[i] == null || Number.isNaN(y(ys[i]))) { down = false; continue; }
    down ? g.lineTo(x(xs[i]), y(ys[i])) : g.moveTo(x(xs[i]), y(ys[i]));
    down = true;
  }
  g.stroke();
}

function rule(g, x0, y0, x1, y1) { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); }
function dot(g, x, y, size) { g.beginPath(); g.arc(x, y, size, 0, 7); g.fill(); }
function element(tag, text = "") { const made = document.createElement(tag); made.textContent = text; return made; }
