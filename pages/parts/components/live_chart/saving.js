// A panel as a file: its title, legend and plot as they are shown, as SVG or PNG.
import {element} from "../shared/elements.js";
import {DASHES, drawPlot, fitting} from "./plot.js";
import {SvgContext} from "./svg.js";

const WIDE = 800, PLOT_HIGH = 400, SHARP = 2, ROW = 20;

/** Draw title, note, legend and plot; returns the height that they take. `g` may be missing, to measure. */
export function drawFigure(g, { title, note, plot, background, legend }) {
  const rows = legendRows(g, legend, WIDE - 32), top = 44 + ROW * rows.length, high = top + PLOT_HIGH + 12;
  g.fillStyle = background; g.fillRect(0, 0, WIDE, high);
  g.textAlign = "left"; g.textBaseline = "alphabetic"; g.fillStyle = plot.text;
  g.font = plot.font.replace(/^[\d.]+px/, "bold 18px"); g.fillText(title, 16, 28);
  const after = 16 + g.measureText(title).width + 14;
  g.font = plot.font; g.globalAlpha = 0.75; g.fillText(fitting(g, note, WIDE - after - 16), after, 28); g.globalAlpha = 1;
  for (const [place, row] of rows.entries()) {
    let x = 16;
    for (const { line, width } of row) {
      const y = 46 + ROW * place;
      g.strokeStyle = plot.colour(line.colour); g.lineWidth = 2; g.setLineDash(DASHES[line.style % DASHES.length]);
      g.beginPath(); g.moveTo(x, y - 4); g.lineTo(x + 24, y - 4); g.stroke(); g.setLineDash([]);
      g.fillStyle = plot.text; g.fillText(line.label, x + 30, y);
      x += width;
    }
  }
  return { top, high };
}

function legendRows(g, lines, wide) {
  const rows = [[]];
  let used = 0;
  for (const line of lines) {
    const width = 46 + g.measureText(line.label).width;
    if (used + width > wide && rows.at(-1).length) { rows.push([]); used = 0; }
    rows.at(-1).push({ line, width });
    used += width;
  }
  return lines.length ? rows : [];
}

/** The SVG text of a figure. */
export function svgOf(figure) {
  const measured = new SvgContext(WIDE, 10);
  const { top, high } = drawFigure(measured, figure), g = new SvgContext(WIDE, high);
  drawFigure(g, figure);
  g.parts.push(`<g transform="translate(4 ${top})">`);
  drawPlot(g, figure.plot, WIDE - 16, PLOT_HIGH);
  g.parts.push("</g>");
  return g.text(figure.title);
}

/** A canvas with a figure. */
export function canvasOf(figure) {
  const canvas = element("canvas"), g = canvas.getContext("2d"), { top, high } = drawFigure(g, figure);
  canvas.width = WIDE * SHARP; canvas.height = high * SHARP;
  g.scale(SHARP, SHARP);
  drawFigure(g, figure);
  g.translate(4, top);
  drawPlot(g, figure.plot, WIDE - 16, PLOT_HIGH);
  return canvas;
}

export function saveFigure(figure, kind, name) {
  if (kind === "svg") return saveBlob(new Blob([svgOf(figure)], { type: "image/svg+xml" }), `${name}.svg`);
  return canvasOf(figure).toBlob((blob) => saveBlob(blob, `${name}.png`));
}

function saveBlob(blob, name) {
  const anchor = element("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}
