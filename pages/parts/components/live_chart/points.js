// The points of a run's series by step: what the server sends is thinned out where it is long, and comes with means and, of a
// stretch that is looked at closely, with all of its points.
import {between} from "./scales.js";

/** A series as the server sends it: its points, and the means that a smoothed curve follows; the points themselves if all are there. */
export function received([x, y, meanX, meanY, every]) {
  return meanX ? { x, y, meanX, meanY, every, thinned: true } : { x, y, meanX: x, meanY: y, every: usualGap(x), thinned: false };
}

/** Add new points; those that the series has already from there on are replaced. */
export function append(series, { x, y }) {
  addTo(series.x, series.y, x, y);
  if (series.meanX !== series.x) addTo(series.meanX, series.meanY, x, y);
  if (!series.thinned) series.every = usualGap(series.x);
}

function addTo(xs, ys, newX, newY) {
  while (xs.length && newX.length && xs.at(-1) >= newX[0]) { xs.pop(); ys.pop(); }
  for (let i = 0; i < newX.length; i++) { xs.push(newX[i]); ys.push(newY[i]); }
}

/** The median distance of neighbours; 1 where there are none. */
export function usualGap(xs) {
  const gaps = xs.slice(1).map((x, i) => x - xs[i]).sort((a, b) => a - b);
  return gaps[gaps.length >> 1] || 1;
}

/** A series with a closer look at a part of it in place of that part. */
export function withDetail(series, detail) {
  if (!detail?.x.length) return series;
  const first = detail.x[0], last = detail.x.at(-1);
  const put = (xs, ys, newX, newY) => {
    const before = xs.findIndex((x) => x >= first), start = before < 0 ? xs.length : before, after = xs.findIndex((x) => x > last);
    const stop = after < 0 ? xs.length : after;
    return [[...xs.slice(0, start), ...newX, ...xs.slice(stop)], [...ys.slice(0, start), ...newY, ...ys.slice(stop)]];
  };
  const [x, y] = put(series.x, series.y, detail.x, detail.y), [meanX, meanY] = put(series.meanX, series.meanY, detail.meanX, detail.meanY);
  return { ...series, x, y, meanX, meanY };
}

/** The x axes: from a step of a run to a place on the axis, and from a place to an epoch. `seconds` is the run's own series. */
export const AXES = {
  epoch: { word: "epoch", place: (run, step) => step / run.about.steps_per_epoch, epoch: (run, x) => x },
  step: { word: "step", place: (run, step) => step, epoch: (run, x) => x / run.about.steps_per_epoch },
  steplog: { // a place is the step's power of ten, from step 1 on
    word: "step", place: (run, step) => Math.log10(Math.max(1, step)), epoch: (run, x) => 10 ** x / run.about.steps_per_epoch,
  },
  images: {
    word: "images", place: (run, step) => (step / run.about.steps_per_epoch) * run.about.train_images,
    epoch: (run, x) => x / run.about.train_images,
  },
  time: {
    word: "time", place: (run, step) => timeOf(run, step),
    epoch: (run, x) => between(run.points.seconds?.y ?? [], run.points.seconds?.x ?? [], x) / run.about.steps_per_epoch,
  },
};

function timeOf(run, step) {
  const { x, y } = run.points.seconds ?? { x: [], y: [] };
  return between(x, y, step);
}

/** A place on an axis in words: `epoch 2.5`, `step 1,200`, `3:05 min`. */
export function placeInWords(x, axis) {
  if (axis === "time") return clock(x);
  if (axis === "steplog") return placeInWords(10 ** x, "step");
  return axis === "epoch" ? `epoch ${x.toFixed(2)}` : axis === "step" ? `step ${Math.round(x).toLocaleString("en")}` : `${short(x)} images`;
}

/** A number on an axis: 1.5k, 2M. */
export function short(x) {
  const [size, letter] = Math.abs(x) >= 1e6 ? [1e6, "M"] : Math.abs(x) >= 1e4 ? [1e3, "k"] : [1, ""];
  return `${+(x / size).toPrecision(4)}${letter}`;
}

/** Seconds as `45 s`, `3:05` (minutes) or `2:03:00` (hours). */
export function clock(seconds) {
  if (seconds < 60) return `${+seconds.toPrecision(3)} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, "0"), whole = Math.round(seconds), hours = Math.floor(whole / 3600);
  const rest = `${hours ? two((whole % 3600) / 60) : Math.floor((whole % 3600) / 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest} h` : `${rest} min`;
}
