// The table of pinned images: each with every network's map and prediction.
import {element} from "../shared/elements.js";
import {paintHeat} from "../shared/heat.js";
import {unpack} from "../shared/numbers.js";

// A row per image, a column per network. Returns a function per cell that redraws it for a frame.
export function fillPinned(pinned, data, networks) {
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
    const mark = data.targets[image] < 0 ? "" : right ? "✓ " : "✗ "; // the class of an uploaded photo is unknown
    answer.className = mark ? (right ? "answer right" : "answer wrong") : "answer";
    answer.textContent = `${mark}${data.classes[chosen]} ${network.sure[low * count + image]} %`;
    answer.title = `${network.title}: ${data.classes[chosen]}${mark && (right ? ", right" : ", wrong")}`;
  };
}
