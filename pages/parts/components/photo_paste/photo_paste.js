// Pictures from the clipboard, made smaller here so that a screenshot is a short upload.
const LONGEST = 1024; // pixels
const LISTENERS = new WeakMap();

// The size of a picture whose longer side is at most `longest`, in whole pixels.
export function fitted(width, height, longest = LONGEST) {
  const share = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
}

// The first image among the items of a clipboard event, as a file.
export const imageIn = (items) => [...(items ?? [])].find((item) => item.type.startsWith("image/"))?.getAsFile();

export default function ({parentElement, setTriggerValue}) {
  const hint = parentElement.querySelector("button");
  const show = async (file) => {
    const picture = await createImageBitmap(file), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = fitted(picture.width, picture.height);
    const g = canvas.getContext("2d");
    g.fillStyle = "#fff"; // a JPEG has no transparency
    g.fillRect(0, 0, canvas.width, canvas.height);
    g.drawImage(picture, 0, 0, canvas.width, canvas.height);
    setTriggerValue("pasted", canvas.toDataURL("image/jpeg", 0.92));
  };
  const say = (words) => { hint.textContent = words; setTimeout(() => { hint.textContent = hint.dataset.usual; }, 3000); };
  const pasted = (event) => {
    const file = imageIn(event.clipboardData?.items);
    if (file) { event.preventDefault(); show(file).catch(() => say("This picture cannot be read")); }
  };
  hint.onclick = async () => {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((each) => each.startsWith("image/"));
        if (type) return show(await item.getType(type));
      }
      say("There is no picture in the clipboard");
    } catch { say("Press Ctrl+V (or ⌘V) instead"); }
  };
  document.removeEventListener("paste", LISTENERS.get(parentElement));
  LISTENERS.set(parentElement, pasted);
  document.addEventListener("paste", pasted);
  return () => document.removeEventListener("paste", pasted);
}
