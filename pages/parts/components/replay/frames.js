// The moments of a replay: where an epoch lies between two probes, and what of a curve is drawn until then.
import {clamp} from "../shared/numbers.js";

// The two probes around an epoch, and the share of the way from the first to the second.
export function frameAt(epochs, epoch) {
  let low = 0;
  while (low < epochs.length - 1 && epochs[low + 1] <= epoch) low++;
  const high = Math.min(epochs.length - 1, low + 1), gap = epochs[high] - epochs[low];
  return {low, high, share: gap ? Math.max(0, (epoch - epochs[low]) / gap) : 0};
}

// Which epoch the maps are of, where it is an earlier one than is shown: after the last probe of a run that measures few.
export function heldWords(epochs, epoch) {
  const last = epochs.at(-1).toFixed(1);
  return epoch > epochs.at(-1) && last !== epoch.toFixed(1) ? ` at epoch ${last}` : "";
}

// The probe after an epoch, and the one before it: where the arrow keys lead.
export function probeAfter(epochs, epoch) {
  return epochs[Math.min(epochs.length - 1, frameAt(epochs, epoch + 1e-6).low + 1)];
}

export function probeBefore(epochs, epoch) {
  const {low} = frameAt(epochs, epoch + 1e-6);
  return epochs[epoch > epochs[low] ? low : Math.max(0, low - 1)];
}

// The epoch that is `elapsed` milliseconds after another, in a play-through of `seconds` at normal speed.
export function playedTo(epoch, last, elapsed, seconds, speed) {
  return Math.min(last, epoch + (elapsed / 1000) * (last / seconds) * speed);
}

// The epoch under a pointer, `place` pixels into a plot of this width; null where it is beside the plot.
export function epochAt(place, width, last) {
  const share = place / width;
  return share < -0.02 || share > 1.02 ? null : clamp(share * last, 0, last);
}

// Points [epoch, value] of a curve up to an epoch, the last one interpolated.
export function pointsUntil(points, epoch) {
  const shown = points.filter(([at]) => at <= epoch), next = points[shown.length];
  if (next && shown.length) {
    const [at, value] = shown.at(-1);
    shown.push([epoch, value + ((next[1] - value) * (epoch - at)) / (next[0] - at)]);
  }
  return shown;
}

// How many epochs lie between two labels of an axis of this width.
export function epochStep(last, width) {
  return [1, 2, 5, 10, 20, 50, 100].find((step) => last / step <= width / 70) ?? 200;
}

// Heights of labels, moved down so that they are at least `gap` apart, and up again where the last would leave the plot.
// Sorts `labels` ({at, ...}) by height.
export function spreadLabels(labels, gap = 16, lowest = Infinity) {
  labels.sort((a, b) => a.at - b.at);
  for (let i = 1; i < labels.length; i++) labels[i].at = Math.max(labels[i].at, labels[i - 1].at + gap);
  for (let i = labels.length - 1, limit = lowest; i >= 0 && labels[i].at > limit; i--, limit -= gap) labels[i].at = limit;
  return labels;
}

// A row for each text of a chart, [left, right] in pixels, so that none covers another; the last row where none is free.
export function rowsOf(texts, most) {
  const ends = Array(most).fill(-Infinity);
  return texts.map(([left, right]) => {
    const free = ends.findIndex((end) => end < left), row = free < 0 ? most - 1 : free;
    ends[row] = Math.max(ends[row], right);
    return row;
  });
}
