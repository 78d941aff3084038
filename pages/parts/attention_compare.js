// Photo and heatmaps side by side. Opacity, threshold, colours and the probed place answer here, without the server.
const VIEWS = new WeakMap(); // what the visitor set, kept while new photos and maps come

export default function ({data, parentElement}) {
  const find = (name) => parentElement.querySelector("." + name);
  const view = VIEWS.get(parentElement) ?? {opacity: 75, threshold: 0, colours: "viridis", cells: false, spot: null};
  VIEWS.set(parentElement, view);

  const tiles = find("tiles"), photo = find("photo"), pictures = [];
  tiles.style.setProperty("--columns", data.looks.length + 1);
  find("whole").src = data.photo;
  find("whole").alt = `The photo ${data.name}`;
  find("name").textContent = data.name;
  find("most").textContent = `${data.most}×`;
  tiles.replaceChildren(photo, ...data.looks.map((look) => {
    const made = figureOf(look, data);
    pictures.push(made);
    return made.figure;
  }));
  const whole = {tile: photo.querySelector(".tile"), spot: photo.querySelector(".spot"), rows: 0, columns: 0};

  function paint() {
    for (const {heat, look, values} of pictures) {
      if (look.problem) continue;
      paintHeat(heat, values, look.grid[0], look.grid[1], {colours: view.colours, threshold: (view.threshold / data.most) * 255, smooth: !view.cells});
      heat.style.opacity = view.opacity / 100;
    }
    const times = view.threshold.toFixed(1);
    find("opacity-shown").textContent = `${view.opacity} %`;
    find("opacity").style.setProperty("--done", `${view.opacity}%`);
    find("threshold-shown").textContent = view.threshold ? `${times}×` : "off";
    find("threshold").setAttribute("aria-valuetext", `${times} times the average`);
    find("threshold").style.setProperty("--track", gradient(view.colours));
  }

  function point() {
    const spoken = [];
    whole.spot.hidden = !view.spot;
    if (view.spot) Object.assign(whole.spot.style, {left: `${view.spot.u * 100}%`, top: `${view.spot.v * 100}%`});
    for (const {look, values, spot, value} of pictures) {
      spot.hidden = value.hidden = !view.spot || Boolean(look.problem);
      if (spot.hidden) continue;
      const [rows, columns] = look.grid, row = Math.floor(view.spot.v * rows), column = Math.floor(view.spot.u * columns);
      Object.assign(spot.style, {left: `${(column / columns) * 100}%`, top: `${(row / rows) * 100}%`, width: `${100 / columns}%`, height: `${100 / rows}%`});
      const level = values[row * columns + column], times = ((level / 255) * data.most).toFixed(1);
      value.textContent = level === 255 ? `≥ ${data.most}×` : `${times}×`;
      spoken.push(`${look.title} ${times} times the average`);
    }
    return spoken.join(", ");
  }

  function follow(tile, rows, columns) {
    const inside = (share) => Math.min(0.9999, Math.max(0, share));
    const move = (event) => {
      const box = tile.getBoundingClientRect();
      view.spot = {u: inside((event.clientX - box.left) / box.width), v: inside((event.clientY - box.top) / box.height)};
      point();
    };
    tile.onpointermove = tile.onpointerdown = move;
    tile.onpointerleave = (event) => { if (event.pointerType === "mouse") { view.spot = null; point(); } };
    tile.onkeydown = (event) => {
      const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
      if (!step && event.key !== "Escape") return;
      event.preventDefault();
      const {u, v} = view.spot ?? {u: 0.5, v: 0.5};
      view.spot = step ? {u: inside(u + step[0] / columns), v: inside(v + step[1] / rows)} : null;
      find("spoken").textContent = point();
    };
  }
  follow(whole.tile, 16, 16);
  for (const {tile, look} of pictures) follow(tile, ...look.grid);

  for (const name of ["opacity", "threshold"]) {
    find(name).value = view[name];
    find(name).oninput = (event) => { view[name] = Number(event.target.value); paint(); };
  }
  find("threshold").max = data.most;
  find("threshold").value = view.threshold;
  find("colours").value = view.colours;
  find("colours").onchange = (event) => { view.colours = event.target.value; paint(); };
  find("cells").checked = view.cells;
  find("cells").onchange = (event) => { view.cells = event.target.checked; paint(); };
  paint();
  point();
  return () => VIEWS.delete(parentElement);
}

// One network: who it is, its map over the photo, what it answers, how its map compares with the first one's.
function figureOf(look, data) {
  const figure = element("figure"), who = element("figcaption", "who"), tile = element("div", "tile");
  figure.style.setProperty("--mine", look.colour);
  who.append(element("b", "", look.title), element("span", "", look.network));
  who.title = look.network;
  const grey = element("img", "grey"), heat = element("canvas"), spot = element("i", "spot"), value = element("output", "value");
  grey.src = data.photo;
  grey.alt = "";
  tile.tabIndex = 0;
  tile.setAttribute("role", "img");
  tile.setAttribute("aria-label", `${look.title}: ${look.method} over the photo. Arrow keys read the map.`);
  tile.append(grey, heat, spot, value);
  if (look.problem) tile.append(element("p", "problem", `No map: ${look.problem}`));

  const answers = element("ol", "answers");
  for (const [name, share] of look.predictions) {
    const line = element("li"), bar = element("i");
    bar.style.setProperty("--share", `${share * 100}%`);
    line.append(element("span", "", name), element("span", "", percent(share)), bar);
    line.title = name;
    answers.append(line);
  }
  figure.append(who, tile, element("p", "method", look.method), answers);
  if (look.agreement.length) {
    const list = element("dl", "agreement");
    list.append(element("dt", "title", data.against));
    for (const [name, figures, meaning] of look.agreement) {
      const term = element("dt", "", name);
      term.title = meaning;
      list.append(term, element("dd", "", figures));
    }
    figure.append(list);
  }
  return {figure, tile, heat, spot, value, look, values: unpack(look.values)};
}
