import {clamp} from "./numbers.js";

// Heatmaps as pixels. A value is a multiple of the map's average (1 in a uniform map), so maps on different grids compare.

// matplotlib's perceptually uniform colour maps at 33 even places, as RGB hex.
const COLOUR_MAPS = {
  viridis: "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c" +
    "1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  inferno: "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315bbc3754" +
    "c73e4cd24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68afcffa4",
  cividis: "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c78" +
    "8482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838",
  // ColorBrewer's PRGn, for differences: safe for colour-blind readers, with a neutral middle.
  difference: "00441b1b78375aae61a6dba0d9f0d3f7f7f7e7d4e8c2a5cf9970ab762a8340004b",
};
const LOOKUPS = {};

// 256 colours as RGB bytes.
export function lookup(name) {
  if (LOOKUPS[name]) return LOOKUPS[name];
  const anchors = COLOUR_MAPS[name].match(/../g).map((hex) => parseInt(hex, 16)), last = anchors.length / 3 - 1;
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * last, low = Math.min(last - 1, Math.floor(place)), share = place - low;
    for (let k = 0; k < 3; k++) table[i * 3 + k] = anchors[low * 3 + k] * (1 - share) + anchors[low * 3 + 3 + k] * share;
  }
  return (LOOKUPS[name] = table);
}

// The colour map as a CSS gradient.
export function gradient(name) {
  const every = name === "difference" ? 1 : 4, colours = COLOUR_MAPS[name].match(/.{6}/g).filter((_, i) => i % every === 0);
  return `linear-gradient(to right, ${colours.map((hex) => "#" + hex).join(", ")})`;
}

// The RGBA pixels of `values` (row by row, 0 to 255). The higher a value, the more opaque; what is below `threshold` is
// transparent. In a difference 127.5 means none, and what is nearer to it than `threshold` is transparent.
export function heatPixels(values, rows, columns, {colours = "viridis", threshold = 0, smooth = true} = {}) {
  const zoom = smooth ? Math.max(1, Math.round(112 / Math.max(rows, columns))) : 1;
  const width = columns * zoom, height = rows * zoom, table = lookup(colours), pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const v = clamp((y + 0.5) / zoom - 0.5, 0, rows - 1), top = Math.floor(v), down = v - top;
    const upper = top * columns, lower = Math.min(rows - 1, top + 1) * columns;
    for (let x = 0; x < width; x++) {
      const u = clamp((x + 0.5) / zoom - 0.5, 0, columns - 1), left = Math.floor(u), across = u - left;
      const right = Math.min(columns - 1, left + 1);
      const value = (values[upper + left] * (1 - across) + values[upper + right] * across) * (1 - down)
        + (values[lower + left] * (1 - across) + values[lower + right] * across) * down;
      const at = (y * width + x) * 4, colour = Math.min(255, Math.round(value)) * 3;
      pixels[at] = table[colour]; pixels[at + 1] = table[colour + 1]; pixels[at + 2] = table[colour + 2];
      const strength = colours === "difference" ? Math.abs(value - 127.5) * 2 : value;
      pixels[at + 3] = strength < threshold ? 0 : 30 + strength * 0.88;
    }
  }
  return {pixels, width, height};
}

// Draw them into a canvas.
export function paintHeat(canvas, values, rows, columns, options = {}) {
  const {pixels, width, height} = heatPixels(values, rows, columns, options);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  canvas.style.imageRendering = options.smooth ?? true ? "auto" : "pixelated";
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}
