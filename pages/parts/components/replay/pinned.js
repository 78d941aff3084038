// The table of pinned images: each with every network's map and prediction.
import {element} from "../shared/elements.js";
import {paintHeat} from "../shared/heat.js";

// A row per image, a column per network. Returns a function that draws the cells of a model; `frameOf(column)` says at which frame.
export function fillPinned(pinned, model) {
  const head = element("tr"), rows = [head], redraw = [];
  head.append(element("th", "", "Image"));
  for (const network of model.networks) {
    const name = element("th", "name", network.title);
    name.style.setProperty("--mine", network.colour);
    name.scope = "col";
    head.append(name);
  }
  for (let i = 0; i < model.shape[0]; i++) {
    const row = element("tr"), truth = model.classes[model.targets[i]] ?? "unknown class", photo = element("canvas");
    const picture = pictureOf(model, i);
    paintPicture(photo, picture);
    photo.setAttribute("role", "img");
    photo.setAttribute("aria-label", model.name || `Test image of the class ${truth}`);
    row.append(cellOf([photo], element("span", "truth", model.targets[i] < 0 ? model.name : truth)));
    model.networks.forEach((network, place) => {
      const under = element("canvas", "grey"), over = element("canvas", "heat"), answer = element("span", "answer");
      paintPicture(under, picture);
      over.setAttribute("role", "img");
      over.setAttribute("aria-label", `Where the ${network.title} looks in ${model.name || `the image of a ${truth}`}`);
      row.append(cellOf([under, over], answer));
      redraw.push(cellDrawer(over, answer, place, i));
    });
    rows.push(row);
  }
  pinned.replaceChildren(...rows);
  return (now, frameOf) => { for (const draw of redraw) draw(now, frameOf); };
}

function pictureOf({shape: [, height, width], images}, i) {
  const picture = new ImageData(width, height);
  for (let p = 0; p < width * height; p++) {
    for (let k = 0; k < 3; k++) picture.data[p * 4 + k] = images[(i * width * height + p) * 3 + k];
    picture.data[p * 4 + 3] = 255;
  }
  return picture;
}

function paintPicture(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function cellOf(layers, caption) {
  const cell = element("td"), tile = element("div", "tile");
  tile.append(...layers);
  cell.append(tile, caption);
  return cell;
}

// Draws one network's map and prediction of one image, where the frame or the colour scale changed.
function cellDrawer(canvas, answer, place, image) {
  let drawn = {};
  return ({networks, classes, targets, most, packed}, frameOf) => {
    const {low, high, share} = frameOf(place), network = networks[place], still = network.frames.length === 1;
    const first = network.frames[still ? 0 : low], second = network.frames[still ? 0 : high];
    if (!first || (drawn.first === first && drawn.second === second && drawn.most === most && (still || drawn.share === share))) return;
    drawn = {first, second, share, most};
    const [rows, columns] = network.grid, size = rows * columns, start = image * size, scale = packed / most;
    const values = Float32Array.from({length: size}, (_, i) =>
      Math.min(255, scale * (first.maps[start + i] * (1 - share) + second.maps[start + i] * share)));
    paintHeat(canvas, values, rows, columns);
    const chosen = first.answers[image], right = chosen === targets[image];
    const mark = targets[image] < 0 ? "" : right ? "✓ " : "✗ "; // the class of an uploaded photo is unknown
    answer.className = mark ? (right ? "answer right" : "answer wrong") : "answer";
    answer.textContent = `${mark}${classes[chosen]} ${first.sure[image]}\u00a0%`;
    answer.title = `${network.title}: ${classes[chosen]}${mark && (right ? ", right" : ", wrong")}`;
  };
}
