// The pictures of the comparison: a network's, the difference of two, and two networks under one slider.

// A tile: the grey photo, maps over it, the pointed place. What zooms together lies in `inner`.
function tileOf(photo, label, maps = 1) {
  const tile = element("div", "tile"), inner = element("div", "inner"), grey = element("img", "grey"), spot = element("i", "spot");
  const value = element("output", "value"), heats = Array.from({length: maps}, () => element("canvas"));
  grey.src = photo;
  grey.alt = "";
  tile.tabIndex = 0;
  tile.setAttribute("role", "img");
  tile.setAttribute("aria-label", label);
  spot.hidden = value.hidden = true;
  inner.append(grey, ...heats, spot);
  tile.append(inner, value);
  return {tile, inner, heats, heat: heats[0], spot, value};
}

// One network: who it is, its map over the photo, what it answers and answered before the photo was changed.
function figureOf(look, data) {
  const figure = element("figure"), who = element("figcaption", "who");
  figure.style.setProperty("--mine", look.colour);
  who.append(element("b", "", look.title), element("span", "", look.network));
  who.title = look.network;
  const made = tileOf(data.photo, `${look.title}: ${look.method} over the photo. ${look.where} Arrow keys move over the patches.`);
  if (look.problem) made.tile.append(element("p", "problem", `No map: ${look.problem}`));

  const answers = element("ol", "answers");
  for (const [name, share, before] of look.predictions) {
    const line = element("li"), bar = element("i"), changed = before !== null && Math.abs(before - share) >= 0.005;
    bar.style.setProperty("--share", `${share * 100}%`);
    line.append(element("span", "", name), element("span", "", percent(share) + (changed ? `, was ${percent(before)}` : "")), bar);
    if (changed) { const mark = element("u"); mark.style.left = `${before * 100}%`; bar.append(mark); }
    line.title = name;
    answers.append(line);
  }
  const method = element("p", "method", look.method);
  figure.append(who, made.tile, method, answers);
  for (const [name, figures, meaning] of look.agreement) {
    const line = element("p", "agreement", `${name}: `);
    line.append(element("b", "", figures));
    line.title = meaning;
    figure.append(line);
  }
  return {...made, figure, method, look, own: unpack(look.values), near: look.near ? unpack(look.near.values) : null};
}

// The first of two maps less the second.
function differenceOf(data, options, chosen, choose) {
  const figure = element("figure", "difference"), who = element("figcaption");
  who.append(element("b", "", "Difference"));
  const made = tileOf(data.photo, "Difference of two maps over the photo.");
  const pair = element("select", "pairs"), legend = element("div", "legend");
  pair.setAttribute("aria-label", "Which two maps");
  for (const [place, [, , name]] of options.entries()) {
    const option = element("option", "", name);
    option.value = place;
    pair.append(option);
  }
  pair.value = chosen;
  pair.onchange = () => choose(Number(pair.value));
  legend.append(element("i"), element("span", "low"), element("span", "unit", "times the average"), element("span", "high"), element("p", "sides"));
  legend.querySelector("i").style.background = gradient("difference");
  const row = element("p", "method");
  row.append(pair);
  figure.append(who, made.tile, row, legend);
  return {...made, figure, legend};
}

// Two networks in one picture: left of the line the first, right of it the second.
function swipeOf(data, at, move) {
  const figure = element("figure", "swiped"), who = element("figcaption", "sides");
  who.append(element("b", "left"), element("b", "right"));
  const made = tileOf(data.photo, "Two maps under a slider: left of the line the first, right of it the second.", 2), line = element("i", "line");
  made.tile.append(line);
  const slide = element("input", "slide");
  Object.assign(slide, {type: "range", min: 0, max: 100, step: 1, value: at});
  slide.setAttribute("aria-label", "Where the first network's map ends");
  const put = (place) => {
    line.style.left = `${place}%`;
    slide.style.setProperty("--done", `${place}%`);
    move(Number(place));
  };
  slide.oninput = () => put(slide.value);
  figure.append(who, made.tile, slide);
  return {...made, figure, put, slide};
}

// Densities on a coarser grid, by the area that cells share.
function pooled(values, [rows, columns], [toRows, toColumns]) {
  if (rows === toRows && columns === toColumns) return values;
  const shared = (n, m, i, k) => Math.max(0, Math.min(((k + 1) * n) / m, i + 1) - Math.max((k * n) / m, i));
  const area = (rows / toRows) * (columns / toColumns), found = new Float32Array(toRows * toColumns);
  for (let y = 0; y < rows; y++) for (let r = Math.floor((y * toRows) / rows); r < toRows && (r * rows) / toRows < y + 1; r++)
    for (let x = 0; x < columns; x++) for (let c = Math.floor((x * toColumns) / columns); c < toColumns && (c * columns) / toColumns < x + 1; c++)
      found[r * toColumns + c] += (values[y * columns + x] * shared(rows, toRows, y, r) * shared(columns, toColumns, x, c)) / area;
  return found;
}

// The comparison as it is shown, as one PNG on white.
function savePicture(data, shown, note) {
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
