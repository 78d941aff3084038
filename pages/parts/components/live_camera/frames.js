// From a camera's picture to the bytes that are sent, and from the answer to what is drawn.
import {clamp} from "../shared/numbers.js";

// The middle square of a picture: left, top and side.
export function middleSquare(width, height) {
  const side = Math.min(width, height);
  return [(width - side) / 2, (height - side) / 2, side];
}

// Width and height of a picture whose longer side is at most `longest`.
export function within(width, height, longest) {
  const share = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
}

// RGBA pixels without their opacity.
export function rgbOf(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let i = 0, k = 0; i < rgba.length; i += 4) { rgb[k++] = rgba[i]; rgb[k++] = rgba[i + 1]; rgb[k++] = rgba[i + 2]; }
  return rgb;
}

// The end of the colour scale for maps whose bytes 0 to 255 stand for 0 to `most` times the average: about 3 % of the cells of
// the sharpest map exceed it. It moves slowly from the last one, so that the colours do not flicker.
export function scaleFor(maps, most, last) {
  const wanted = Math.max(...maps.map((values) => {
    const sorted = Uint8Array.from(values).sort();
    return (sorted[Math.round(0.97 * (sorted.length - 1))] / 255) * most;
  }));
  const end = clamp(Number.isFinite(wanted) ? wanted : 2, 2, most);
  return last ? last + 0.15 * (end - last) : end;
}

// The bytes of a map on that scale.
export const onScale = (values, most, scale) => Uint8ClampedArray.from(values, (value) => (value * most) / scale);

// Frames a second, from the times in ms of the last frames; 0 until there are three.
export function rateOf(times) {
  return times.length < 3 ? 0 : ((times.length - 1) * 1000) / (times[times.length - 1] - times[0]);
}

// What to do where there is no camera, by the browser's name of the reason.
export function reasonInWords(name) {
  return {
    insecure: "A browser gives its camera only to pages at localhost or over HTTPS, and this page is neither. On the server's own machine open it at http://localhost; " +
      "from others open it over HTTPS, through a proxy with a certificate. A photo can be uploaded here in any case, under Photo.",
    NotAllowedError: "The camera was not permitted. Allow it for this page in the browser's address bar, then start again.",
    NotFoundError: "This computer has no camera that the browser can find. Connect one, then start again; or upload a photo, under Photo.",
    OverconstrainedError: "This computer has no camera that the browser can find. Connect one, then start again; or upload a photo, under Photo.",
    NotReadableError: "The camera is in use by another program or tab. Close it there, then start again.",
    AbortError: "The camera is in use by another program or tab. Close it there, then start again.",
    ended: "The camera stopped: it was disconnected, or another program took it. Start it again.",
  }[name] ?? `The camera cannot be started (${name}). Upload a photo instead, under Photo.`;
}
