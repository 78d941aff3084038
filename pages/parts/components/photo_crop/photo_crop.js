// The square of a photo that networks see. The server hears of it when a move ends.

// Left, top and side in pixels; the square stays inside the photo. As `framing.box` in Python.
export function boxOf(width, height, {x, y, size}) {
  const side = Math.min(width, height) * size;
  const inside = (centre, length) => Math.min(Math.max(centre * length - side / 2, 0), length - side);
  return {left: inside(x, width), top: inside(y, height), side};
}

// The square around the centre of a box, moved by a fraction of width and height.
export function movedBy(width, height, square, dx, dy) {
  const {left, top, side} = boxOf(width, height, {...square, x: square.x + dx, y: square.y + dy});
  return {...square, x: (left + side / 2) / width, y: (top + side / 2) / height};
}

export const squareOf = (frame) => {
  const [x, y, size] = frame.split(",").map(Number);
  return [x, y, size].every(Number.isFinite) && frame.includes(",") ? {x, y, size} : {x: 0.5, y: 0.5, size: 1};
};

export const asText = ({x, y, size}) => [x, y, size].map((value) => value.toFixed(3)).join(",");

const STEP = {ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02]};

export default function ({data, parentElement, setTriggerValue}) {
  const root = parentElement.querySelector(".crop"), photo = root.querySelector(".photo"), mark = root.querySelector(".square");
  const size = root.querySelector(".size input"), whole = root.querySelector(".whole input");
  const {width, height, smallest} = data;
  let square = squareOf(data.frame);

  function draw() {
    const {left, top, side} = boxOf(width, height, square);
    Object.assign(mark.style, {
      left: `${100 * left / width}%`, top: `${100 * top / height}%`, width: `${100 * side / width}%`, height: `${100 * side / height}%`,
    });
    size.value = square.size;
    size.disabled = whole.checked;
    root.classList.toggle("all", whole.checked);
    mark.setAttribute("aria-valuetext", `${Math.round(100 * square.x)} % from the left, ${Math.round(100 * square.y)} % from the top`);
  }
  const tell = () => setTriggerValue("frame", whole.checked ? "whole" : asText(square));
  function change(next) {
    square = {...next, size: Math.min(Math.max(next.size, smallest), 1)};
    draw();
  }

  root.querySelector("img").src = data.url;
  size.min = smallest;
  whole.checked = data.frame === "whole";
  whole.onchange = () => { draw(); tell(); };
  size.oninput = () => change({...square, size: Number(size.value)});
  size.onchange = tell;
  mark.onkeydown = (event) => {
    const grow = {"+": 0.05, "-": -0.05}[event.key];
    if (grow) change({...square, size: square.size + grow});
    else if (STEP[event.key]) change(movedBy(width, height, square, ...STEP[event.key]));
    else return;
    event.preventDefault();
    tell();
  };
  photo.onpointerdown = (event) => {
    if (whole.checked) return;
    const from = {x: event.clientX, y: event.clientY}, start = square, {width: shown, height: tall} = photo.getBoundingClientRect();
    photo.setPointerCapture(event.pointerId);
    photo.onpointermove = (now) => change(movedBy(width, height, start, (now.clientX - from.x) / shown, (now.clientY - from.y) / tall));
    photo.onpointerup = photo.onpointercancel = () => {
      photo.onpointermove = photo.onpointerup = photo.onpointercancel = null;
      if (square !== start) tell();
    };
  };
  draw();
}
