// What a key does: P presents, Escape ends it; while presenting, arrows and a clicker step through the storyboard, L goes live.
const TYPED = "input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable=''], [contenteditable=true], [role=textbox], [role=combobox]";
const USES_ARROWS = `${TYPED}, input, canvas, svg, [tabindex='0'], [role=slider], [role=tab], [role=radio], [role=grid], [role=listbox], [role=menu]`;
const STEPS = {ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1};
const ARROWS = ["ArrowRight", "ArrowLeft"];

// "present", "leave", "live", {step}; null where the key is not for the stage. `inside`: whether a selector matches where it was pressed.
export function actionOf(event, presenting, inside) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || inside(TYPED)) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "p" && !event.repeat) return presenting ? "leave" : "present";
  if (!presenting) return null;
  if (key === "Escape") return "leave";
  if (key === "l") return "live";
  if (!(key in STEPS) || (ARROWS.includes(key) && (event.shiftKey || inside(USES_ARROWS)))) return null;
  return {step: STEPS[key]};
}

// The place of a storyboard after a step; before the first one it is -1.
export const stepped = (at, by, count) => Math.max(0, Math.min(count - 1, at + by));
