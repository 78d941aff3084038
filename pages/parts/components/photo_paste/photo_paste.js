// Pictures from the clipboard: made small here, so that a screenshot does not travel whole.
const LONGEST = 1024; // pixels
const HEARING = new WeakMap();

export default function ({parentElement, setTriggerValue}) {
  const hint = parentElement.querySelector("button");
  const show = async (file) => {
    const picture = await createImageBitmap(file), share = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * share));
    canvas.height = Math.max(1, Math.round(picture.height * share));
    const g = canvas.getContext("2d");
    g.fillStyle = "#fff"; // a JPEG knows no transparency
    g.fillRect(0, 0, canvas.width, canvas.height);
    g.drawImage(picture, 0, 0, canvas.width, canvas.height);
    setTriggerValue("pasted", canvas.toDataURL("image/jpeg", 0.92));
  };
  const say = (words) => { hint.textContent = words; setTimeout(() => { hint.textContent = hint.dataset.usual; }, 3000); };
  const pasted = (event) => {
    const file = [...(event.clipboardData?.items ?? [])].find((item) => item.type.startsWith("image/"))?.getAsFile();
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
  document.removeEventListener("paste", HEARING.get(parentElement));
  HEARING.set(parentElement, pasted);
  document.addEventListener("paste", pasted);
  return () => document.removeEventListener("paste", pasted);
}
