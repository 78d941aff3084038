// A drawing context that writes SVG: the part of a canvas's interface that the plots use.
const NUMBERS = (...values) => values.map((v) => +v.toFixed(2));
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const ANCHORS = { left: "start", right: "end", center: "middle" };
const BASELINES = { middle: "central", alphabetic: "auto", top: "hanging" };

export class SvgContext {
  constructor(wide, high) {
    Object.assign(this, { wide, high, parts: [], path: "", kept: [], dash: [], clips: 0, clipped: "" });
    Object.assign(this, { strokeStyle: "#000", fillStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "12px sans-serif", textAlign: "left",
      textBaseline: "alphabetic", lineJoin: "miter" });
  }

  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${NUMBERS(x, y)}`; }
  lineTo(x, y) { this.path += `L${NUMBERS(x, y)}`; }
  closePath() { this.path += "Z"; }
  rect(x, y, w, h) { const [a, b, c, d] = NUMBERS(x, y, w, h); this.path += `M${a},${b}h${c}v${d}h${-c}Z`; }
  arc(x, y, r) { const [a, b, c] = NUMBERS(x, y, r); this.path += `M${a - c},${b}a${c},${c} 0 1 0 ${2 * c},0a${c},${c} 0 1 0 ${-2 * c},0`; }
  setLineDash(dash) { this.dash = dash; }
  stroke() {
    const dashed = this.dash.length ? ` stroke-dasharray="${this.dash}"` : "";
    this.add(`<path d="${this.path}" fill="none" stroke="${escaped(this.strokeStyle)}" stroke-width="${this.lineWidth}" stroke-linejoin="round"${dashed}/>`);
  }
  fill() { this.add(`<path d="${this.path}" fill="${escaped(this.fillStyle)}"/>`); }
  fillRect(x, y, w, h) { this.beginPath(); this.rect(x, y, w, h); this.fill(); }
  fillText(text, x, y) {
    const [a, b] = NUMBERS(x, y), [, weight, size, family] = this.font.match(/^(\d+ |bold )?([\d.]+)px (.*)$/);
    this.add(`<text x="${a}" y="${b}" font-family="${escaped(family)}" font-size="${size}"${weight ? ` font-weight="${weight.trim()}"` : ""} text-anchor="${ANCHORS[this.textAlign]}" dominant-baseline="${BASELINES[this.textBaseline]}" fill="${escaped(this.fillStyle)}">${escaped(text)}</text>`);
  }
  measureText(text) { return { width: 0.56 * parseFloat(this.font.match(/([\d.]+)px/)[1]) * String(text).length }; } // there is no font here
  clip() { this.clipped = `c${++this.clips}`; this.parts.push(`<clipPath id="${this.clipped}"><path d="${this.path}"/></clipPath>`); }
  save() { this.kept.push({ clipped: this.clipped, dash: this.dash, globalAlpha: this.globalAlpha, lineWidth: this.lineWidth }); }
  restore() { Object.assign(this, this.kept.pop()); }

  add(part) {
    const set = (this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : "") + (this.clipped ? ` clip-path="url(#${this.clipped})"` : "");
    this.parts.push(part.replace(/^<\w+/, (start) => start + set));
  }

  /** The picture as a text; `title` is its name for screen readers. */
  text(title) {
    const size = `width="${this.wide}" height="${this.high}" viewBox="0 0 ${this.wide} ${this.high}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><title>${escaped(title)}</title>\n${this.parts.join("\n")}\n</svg>\n`;
  }
}
