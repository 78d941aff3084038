// The comparison as one PNG.
import {element} from "../shared/elements.js";

// Draw the visible tiles in a row on white and download them.
export function savePicture(data, shown, note) {
  const side = 480, gap = 24, top = 92, below = 148, canvas = element("canvas");
  canvas.width = gap + shown.length * (side + gap);
  canvas.height = top + side + below;
  const g = canvas.getContext("2d"), font = (size, weight = "") => { g.font = `${weight} ${size}px system-ui, sans-serif`; };
  g.fillStyle = "#fff"; g.fillRect(0, 0, canvas.width, canvas.height);
  g.fillStyle = "#18181b"; font(24, "600"); g.fillText(data.name, gap, 38);
  for (const [place, each] of shown.entries()) {
    const left = gap + place * (side + gap), fit = (text) => { let cut = text; while (cut && g.measureText(cut).width > side) cut = cut.slice(0, -2); return cut === text ? text : cut + "…"; };
    g.fillStyle = "#18181b"; font(22, "600"); g.fillText(fit(each.title), left, top - 14);
    g.save();
    g.beginPath(); g.rect(left, top, side, side); g.clip();
    g.translate(left + side * each.origin[0] * (1 - each.zoom), top + side * each.origin[1] * (1 - each.zoom)); g.scale(each.zoom, each.zoom);
    for (const layer of each.layers) {
      g.globalAlpha = layer.opacity ?? 1; g.imageSmoothingEnabled = layer.smooth ?? true; g.filter = layer.grey ? "grayscale(1)" : "none";
      const [from, to] = layer.between ?? [0, 1], {width, height} = size(layer.picture);
      g.drawImage(layer.picture, from * width, 0, (to - from) * width, height, from * side, 0, (to - from) * side, side);
    }
    g.restore();
    g.fillStyle = "#52525b"; font(18);
    for (const [row, text] of each.lines.entries()) g.fillText(fit(text), left, top + side + 28 + row * 24);
  }
  g.fillStyle = "#52525b"; font(16); g.fillText(note, gap, canvas.height - 10);
  canvas.toBlob((blob) => {
    const anchor = element("a");
    anchor.href = URL.createObjectURL(blob);
    anchor.download = `${data.name.replace(/[^\w-]+/g, "-")}-comparison.png`;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
  });
}

const size = (picture) => ({width: picture.naturalWidth || picture.width, height: picture.naturalHeight || picture.height});
