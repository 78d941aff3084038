// The numbers behind a chart: axes, smoothing, zoom and what stands under the pointer. Nothing here touches the page.
import {minus} from "../shared/numbers.js";

export const LEFT = 52, RIGHT = 10, TOP = 8, BOTTOM = 24; // margins of a plot, in pixels

/** Exponential moving average without the bias towards 0 at the start: `keep` of the old for each distance `every`. Gaps stay gaps. */
export function smoothed(xs, ys, keep, every) {
  let sum = 0, weight = 0, before = null;
  return ys.map((y, i) => {
    if (y == null) return y;
    const kept = keep ** (before === null ? 1 : (xs[i] - before) / every);
    sum = kept * sum + (1 - kept) * y;
    weight = kept * weight + (1 - kept);
    before = xs[i];
    return sum / weight;
  });
}

/** The amounts of smoothing that the slider has: over 1 (none), 2, 5, 10 ... points. */
export const KEEPS = [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999];
export const keepAt = (keep) => nearest(KEEPS, keep);
export const overPoints = (keep) => Math.round(1 / (1 - keep));

/** Where the x axis ends, in epochs: early in a run three times as far as it is, later its length; `whole`: always its length. */
export function axisEnd(runs, whole = false) {
  return Math.max(1e-9, ...runs.map(({ about, last }) => {
    if (!about?.steps_per_epoch || last < 0) return 0;
    const now = about.step / about.steps_per_epoch;
    if (whole) return Math.max(now, about.epochs);
    return about.active ? Math.min(about.epochs, Math.max(3 * now, about.epochs / 50)) : now;
  }));
}

/** The part [start, start + width] of an axis that ends at `end`, kept inside it; null for the whole. */
export function viewOf(start, width, end) {
  if (width >= end * 0.999) return null;
  const a = Math.min(Math.max(0, start), end - width);
  return [a, a + Math.max(width, end / 2000)];
}

/** The view [a, b] made wider by a factor, with `at` in the same place of it; null for the whole. */
export function zoomed([a, b], at, factor, end) {
  const width = Math.min(end, (b - a) * factor);
  return viewOf(at - ((at - a) / (b - a)) * width, width, end);
}

/** The place on the x axis that stands `pixel` pixels from the left edge of a canvas of this width, which shows [a, b]. */
export function placeUnder(pixel, wide, [a, b], right = RIGHT) {
  return a + ((pixel - LEFT) / (wide - LEFT - right)) * (b - a);
}

/** The points of a line that are drawn for the view [a, b]: from one before it to one after it; none of a line that ends before. */
export function visible(xs, a, b) {
  if (!xs.length || xs[0] > b || xs.at(-1) < a) return [0, 0];
  return [Math.max(0, nearest(xs, a) - 1), Math.min(xs.length, nearest(xs, b) + 2)];
}

/** The y axis: the visible values with a margin, from 0 where that is near or all values are the same. `cut`: without the hundredth
 * of values at either end, where there are a hundred or more. */
export function bounds(lines, a, b, log, cut = false) {
  let low = Infinity, high = -Infinity;
  for (const [xs, ys, noisy = true] of lines) {
    const [start, stop] = visible(xs, a, b), values = [];
    for (let i = start; i < stop; i++) if (ys[i] != null && (!log || ys[i] > 0)) values.push(ys[i]);
    if (cut && noisy && values.length >= 100) {
      values.sort((p, q) => p - q);
      const dropped = Math.floor(values.length / 100);
      values.splice(values.length - dropped, dropped);
      values.splice(0, dropped);
    }
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) return [low / 1.15, high * 1.15];
  if (low === high && high > 0) return [0, 1.08 * high];
  const margin = (high - low) * 0.08 || Math.abs(high) * 0.1 || 0.5;
  return [low >= 0 && low < 0.4 * high ? 0 : low - margin, high + margin];
}

/** How many visible values lie outside [low, high]. */
export function outside([xs, ys], a, b, [low, high]) {
  let count = 0;
  for (let i = 0; i < xs.length; i++) if (ys[i] != null && xs[i] >= a && xs[i] <= b && (ys[i] < low || ys[i] > high)) count++;
  return count;
}

/** The index of the value of sorted `xs` that is nearest to x. */
export function nearest(xs, x) {
  let low = 0, high = xs.length - 1;
  while (low < high) { const middle = (low + high) >> 1; xs[middle] < x ? (low = middle + 1) : (high = middle); }
  return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
}

/** The value at x between the points of a curve; beyond its ends, on the line through 0 and its last point. */
export function between(xs, ys, x) {
  if (!xs.length) return NaN;
  const last = xs.length - 1;
  if (x >= xs[last]) return xs[last] ? (ys[last] * x) / xs[last] : ys[last];
  if (x < xs[0]) return xs[0] ? (ys[0] * x) / xs[0] : ys[0];
  let low = 0, high = last;
  while (high - low > 1) { const middle = (low + high) >> 1; xs[middle] <= x ? (low = middle) : (high = middle); }
  return ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / (xs[high] - xs[low]);
}

/** About `count` round numbers from low to high. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(2, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power, found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return found;
}

/** Ticks of a log scale: 1, 2, 5 times a power of ten; over more than 2.5 decades the powers alone. */
export function decades(low, high) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    for (const m of high / low > 300 ? [1] : [1, 2, 5]) if (m * power >= low && m * power <= high) found.push(m * power);
  return found;
}

/** A value as text; `short` on an axis. */
export function readable(value, unit, short = false) {
  if (value == null) return "–";
  if (unit === "%") return minus(`${(100 * value).toFixed(short ? 0 : 1)} %`);
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return minus(value.toExponential(short ? 0 : 2));
  return minus(`${+value.toPrecision(3)}`);
}
