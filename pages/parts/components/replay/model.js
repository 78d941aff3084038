// What a replay draws: the newest data of a run, with all frames of its heatmaps that have arrived so far.
import {unpack} from "../shared/numbers.js";

// `news` has everything (`since` below 0), or what was new after the probe `since`. A frame is {maps, answers, sure} of all images.
export function merged(model, news) {
  const fresh = !model || news.since < 0 || model.id !== news.id;
  const before = new Map(fresh ? [] : model.places.map((place, i) => [place, i]));
  const kept = news.places.filter((place) => before.has(place));
  const added = news.places.filter((place) => place > news.since);
  const networks = news.networks.map((network) => {
    const arrived = framesOf(network, news.shape[0]);
    if (network.still) return {...network, frames: arrived};
    const known = fresh ? null : model.networks.find(({name}) => name === network.name);
    return {...network, frames: [...kept.map((place) => known.frames[before.get(place)]), ...arrived]};
  });
  const epochOf = new Map(news.places.map((place, i) => [place, news.epochs[i]]));
  const places = [...kept, ...added];
  return {...news, images: fresh ? unpack(news.images) : model.images, networks, places, epochs: places.map((place) => epochOf.get(place))};
}

// The frames of a network: its bytes and lists, which are of all frames and images, one after another.
export function framesOf({maps, answers, sure, grid, frames}, images) {
  const bytes = unpack(maps), size = images * grid[0] * grid[1];
  return Array.from({length: frames}, (_, i) => ({
    maps: bytes.subarray(i * size, (i + 1) * size),
    answers: answers.slice(i * images, (i + 1) * images),
    sure: sure.slice(i * images, (i + 1) * images),
  }));
}

// The value of a curve at an epoch: between two full evaluations interpolated, before the first one that of the small sample.
export function valueAt(curve, epoch) {
  if (curve.level !== undefined) return curve.level;
  return interpolated(curve.points, epoch) ?? interpolated(sampleOf(curve), epoch);
}

// The small sample of a curve, and where it ends before the first full evaluation, that one: no gap between the two.
export function sampleOf({points, sample = []}) {
  return sample.length && points.length && sample.at(-1)[0] < points[0][0] ? [...sample, points[0]] : sample;
}

export function interpolated(points, epoch) {
  const next = points.findIndex(([at]) => at > epoch);
  if (next === 0 || !points.length) return null;
  if (next < 0) return points.at(-1)[1];
  const [[before, low], [after, high]] = [points[next - 1], points[next]];
  return low + ((high - low) * (epoch - before)) / (after - before);
}

// Where the newest value of a curve until an epoch was measured: its dot stands there, or at the epoch itself between two of them.
export function dotAt(curve, epoch) {
  const {points} = curve, of = points.length && points[0][0] <= epoch ? points : sampleOf(curve);
  return of.length ? Math.min(epoch, of.at(-1)[0]) : epoch;
}
