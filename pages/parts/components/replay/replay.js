// The recorded run on one scrubber. All of it came with `data`; nothing here asks the server.
const SECONDS = 14; // one play-through at normal speed
const MARGIN = {left: 40, right: 96, top: 14, bottom: 26};
const VIEWS = new WeakMap(); // what the visitor did, kept while new data comes

export default function ({data, parentElement}) {
  const find = (name) => parentElement.querySelector("." + name);
  const root = find("replay"), chart = find("chart"), scrub = find("scrub"), play = find("play"), when = find("when");
  const speed = find("speed"), pinned = find("pinned");
  const last = data.epochs.at(-1);
  const asked = data.in_address ? Number.parseFloat(new URL(location.href).searchParams.get("epoch")) : NaN;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const view = VIEWS.get(parentElement) ?? (Number.isFinite(asked) ? {epoch: Math.max(0, Math.min(last, asked)), playing: false}
    : {epoch: still ? last : 0, playing: !still});
  VIEWS.set(parentElement, view);
  view.stop?.();

  for (const network of data.networks) root.style.setProperty(`--${network.name}`, network.colour);
  const pictures = data.networks.map((network) => ({...network, maps: unpack(network.maps), answers: unpack(network.answers), sure: unpack(network.sure)}));
  const cells = fillPinned(pinned, data, pictures);
  find("colours").style.background = gradient("viridis");
  find("missing").hidden = !data.missing;
  find("most").textContent = `${data.most}×`;
  scrub.max = last;
  const ends = data.curves.map(({title, level, points}) => `${title} ${percent(level ?? points.at(-1)[1])}`);
  root.classList.toggle("one", Boolean(data.name));
  if (data.name) find("what").textContent = "Map"; // whichever was chosen
  find("curves-title").textContent = data.curves_title;
  chart.setAttribute("aria-label", `${data.curves_title} over ${last} epochs; at the end: ${ends.join(", ")}`);

  let draw = () => {};
  const plot = () => { draw = drawChart(chart, data, last); show(); };
  const resized = new ResizeObserver(plot);
  resized.observe(chart);

  function show() {
    const frame = frameAt(data.epochs, view.epoch);
    scrub.value = view.epoch;
    scrub.style.setProperty("--done", `${(view.epoch / last) * 100}%`);
    scrub.setAttribute("aria-valuetext", `epoch ${view.epoch.toFixed(1)} of ${last}`);
    when.textContent = `Epoch ${view.epoch.toFixed(1)} of ${last}`;
    draw(view.epoch);
    for (const cell of cells) cell(frame);
  }

  // The epoch in the address, so that a copied link shows the same moment; without it a visitor sees all of them.
  function address(epoch) {
    const here = new URL(location.href);
    if (!data.in_address || here.searchParams.get("epoch") === epoch) return;
    if (epoch === null) here.searchParams.delete("epoch"); else here.searchParams.set("epoch", epoch);
    history.replaceState(history.state, "", here);
  }

  // Playing
  let before = 0, request = 0, due = 0;
  function tick(now) {
    if (!play.isConnected) return;
    const step = before ? ((now - before) / 1000) * (last / SECONDS) * speed.value : 0;
    before = now;
    view.epoch = Math.min(last, view.epoch + step);
    if (view.epoch >= last) setPlaying(false);
    show();
    if (view.playing) request = requestAnimationFrame(tick);
  }
  function setPlaying(playing) {
    if (playing && view.epoch >= last) view.epoch = 0;
    view.playing = playing;
    before = 0;
    const what = playing ? "Pause" : view.epoch >= last ? "Play again" : "Play";
    play.dataset.icon = what;
    play.setAttribute("aria-label", what);
    play.title = `${what} (space)`;
    cancelAnimationFrame(request);
    if (playing) request = requestAnimationFrame(tick);
    clearTimeout(due);
    due = setTimeout(() => address(playing || view.epoch >= last ? null : view.epoch.toFixed(2)), 250); // where it rests, not all it passes
  }
  function go(epoch) {
    view.epoch = Math.max(0, Math.min(last, epoch));
    setPlaying(false);
    show();
  }

  play.onclick = () => setPlaying(!view.playing);
  scrub.oninput = () => go(Number(scrub.value));
  let resume = false; // a mouse that only passes over the curves does not stop them for good, a click does
  chart.onpointermove = chart.onpointerdown = (event) => {
    const box = chart.getBoundingClientRect(), width = box.width - MARGIN.left - MARGIN.right;
    const place = (event.clientX - box.left - MARGIN.left) / width;
    if (place < -0.02 || place > 1.02) return;
    resume = event.type === "pointermove" && (resume || view.playing);
    go(place * last);
  };
  chart.onpointerleave = () => {
    if (resume && view.epoch < last) setPlaying(true);
    resume = false;
  };
  root.onkeydown = (event) => {
    if (event.target === speed || event.altKey || event.ctrlKey || event.metaKey) return;
    const {low} = frameAt(data.epochs, view.epoch + 1e-6), moves = {
      ArrowRight: () => go(data.epochs[Math.min(data.epochs.length - 1, low + 1)]),
      ArrowLeft: () => go(data.epochs[view.epoch > data.epochs[low] ? low : Math.max(0, low - 1)]),
      Home: () => go(0), End: () => go(last), " ": () => setPlaying(!view.playing),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    resume = false;
    moves[event.key]();
  };

  plot();
  setPlaying(view.playing);
  view.stop = () => { cancelAnimationFrame(request); clearTimeout(due); resized.disconnect(); };
  return () => { view.stop(); address(null); VIEWS.delete(parentElement); };
}

// The two probes around an epoch, and how far it is from the first to the second.
function frameAt(epochs, epoch) {
  let low = 0;
  while (low < epochs.length - 1 && epochs[low + 1] <= epoch) low++;
  const high = Math.min(epochs.length - 1, low + 1), gap = epochs[high] - epochs[low];
  return {low, high, share: gap ? Math.max(0, (epoch - epochs[low]) / gap) : 0};
}

// One row an image, one column a network. Returns what redraws each cell for a frame.
function fillPinned(pinned, data, networks) {
  const [count, height, width] = data.shape, images = unpack(data.images), redraw = [];
  const head = element("tr");
  head.append(element("th", "", "Image"));
  for (const network of networks) {
    const name = element("th", "name", network.title);
    name.style.setProperty("--mine", network.colour);
    name.scope = "col";
    head.append(name);
  }
  const rows = [head];
  for (let i = 0; i < count; i++) {
    const row = element("tr"), truth = data.classes[data.targets[i]] ?? "unknown class", photo = element("canvas");
    photo.width = width; photo.height = height;
    const picture = new ImageData(width, height);
    for (let p = 0; p < width * height; p++) {
      for (let k = 0; k < 3; k++) picture.data[p * 4 + k] = images[(i * width * height + p) * 3 + k];
      picture.data[p * 4 + 3] = 255;
    }
    photo.getContext("2d").putImageData(picture, 0, 0);
    photo.setAttribute("role", "img");
    photo.setAttribute("aria-label", data.name || `Test image of the class ${truth}`);
    row.append(cellOf([photo], element("span", "truth", data.targets[i] < 0 ? data.name : truth)));
    for (const network of networks) {
      const under = element("canvas"), over = element("canvas", "heat"), answer = element("span", "answer");
      under.width = width; under.height = height;
      under.getContext("2d").putImageData(picture, 0, 0);
      under.className = "grey";
      over.setAttribute("role", "img");
      over.setAttribute("aria-label", `Where the ${network.title} looks in ${data.name || `the image of a ${truth}`}`);
      row.append(cellOf([under, over], answer));
      redraw.push(cellDrawer(over, answer, network, data, i, count));
    }
    rows.push(row);
  }
  pinned.replaceChildren(...rows);
  return redraw;
}

function cellOf(layers, caption) {
  const cell = element("td"), tile = element("div", "tile");
  tile.append(...layers);
  cell.append(tile, caption);
  return cell;
}

function cellDrawer(canvas, answer, network, data, image, count) {
  const [rows, columns] = network.grid, size = rows * columns, values = new Float32Array(size);
  let drawn = "";
  return ({low, high, share}) => {
    const still = network.frames === 1;
    if (still) [low, high, share] = [0, 0, 0];
    const version = `${low} ${share}`;
    if (version === drawn) return;
    drawn = version;
    const first = (low * count + image) * size, second = (high * count + image) * size;
    for (let i = 0; i < size; i++) values[i] = network.maps[first + i] * (1 - share) + network.maps[second + i] * share;
    paintHeat(canvas, values, rows, columns);
    const chosen = network.answers[low * count + image], right = chosen === data.targets[image];
    const said = data.targets[image] < 0 ? "" : right ? "✓ " : "✗ "; // of a photo nobody may know what it shows
    answer.className = said ? (right ? "answer right" : "answer wrong") : "answer";
    answer.textContent = `${said}${data.classes[chosen]} ${network.sure[low * count + image]} %`;
    answer.title = `${network.title}: ${data.classes[chosen]}${said && (right ? ", right" : ", wrong")}`;
  };
}

// Draws axes once; returns what draws the curves up to an epoch.
function drawChart(chart, data, last) {
  const width = chart.clientWidth, height = chart.clientHeight;
  const x = (epoch) => MARGIN.left + (epoch / last) * (width - MARGIN.left - MARGIN.right);
  const y = (share) => height - MARGIN.bottom - share * (height - MARGIN.top - MARGIN.bottom);
  const made = (tag, attributes, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const right = x(last), parts = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(made("line", {class: "grid", x1: x(0), x2: right, y1: y(share), y2: y(share)}));
    parts.push(made("text", {class: "tick", x: x(0) - 8, y: y(share) + 4, "text-anchor": "end"}, percent(share)));
  }
  const every = [1, 2, 5, 10, 20, 50, 100].find((step) => last / step <= width / 70) ?? 200;
  for (let epoch = 0; epoch <= last; epoch += every) {
    parts.push(made("text", {class: "tick", x: x(epoch), y: height - 6, "text-anchor": "middle"}, epoch));
  }
  parts.push(made("text", {class: "tick", x: right + 10, y: height - 6}, "epochs"));
  const cursor = made("line", {class: "cursor", y1: y(0), y2: y(1)});
  parts.push(cursor);
  const lines = data.curves.map((curve) => {
    const path = made("path", {class: "curve", style: `stroke: var(--${curve.name})`, "stroke-dasharray": curve.level ? "5 4" : "none"});
    const dot = made("circle", {r: curve.level ? 0 : 4, style: `fill: var(--${curve.name})`});
    const label = made("text", {class: "label", x: right + 10, style: `fill: var(--${curve.name})`});
    parts.push(path, dot, label);
    return {curve, path, dot, label};
  });
  chart.replaceChildren(...parts);

  return (epoch) => {
    cursor.setAttribute("x1", x(epoch));
    cursor.setAttribute("x2", x(epoch));
    const labels = [];
    for (const {curve, path, dot, label} of lines) {
      const points = curve.points.filter(([at]) => at <= epoch), next = curve.points[points.length];
      if (next && points.length) {
        const [at, share] = points.at(-1);
        points.push([epoch, share + ((next[1] - share) * (epoch - at)) / (next[0] - at)]);
      }
      const shown = curve.level ? [[0, curve.level], [last, curve.level]] : points;
      path.setAttribute("d", shown.map(([at, share], i) => `${i ? "L" : "M"}${x(at)} ${y(share)}`).join(""));
      const [at, share] = shown.at(-1) ?? [0, NaN];
      dot.setAttribute("visibility", points.length ? "visible" : "hidden");
      if (points.length) { dot.setAttribute("cx", x(at)); dot.setAttribute("cy", y(share)); }
      label.textContent = shown.length ? `${curve.title} ${percent(share)}` : "";
      if (shown.length) labels.push({label, at: y(share) + 4});
    }
    labels.sort((a, b) => a.at - b.at);
    for (let i = 1; i < labels.length; i++) labels[i].at = Math.max(labels[i].at, labels[i - 1].at + 16);
    for (const {label, at} of labels) label.setAttribute("y", at);
  };
}
