// Small pictures in a row; a click sends the id of one to the server.
import {element} from "../shared/elements.js";

// How far to scroll so that a picture that ends at `end` is inside a strip `width` wide.
export const scrollTo = (now, end, width) => Math.max(now, end - width);

export default function ({data, parentElement, setTriggerValue}) {
  const strip = parentElement.querySelector(".strip"), focused = strip.contains(parentElement.activeElement);
  strip.replaceChildren(...data.items.map((item) => {
    const button = element("button"), picture = element("img"), name = element("span", "", item.name);
    button.type = "button";
    button.title = item.name;
    button.setAttribute("aria-pressed", item.id === data.chosen);
    picture.src = item.url;
    picture.alt = "";
    button.append(picture, name);
    button.onclick = () => setTriggerValue("picked", item.id);
    return button;
  }));
  const chosen = strip.querySelector('[aria-pressed="true"]');
  if (!chosen) return;
  const end = chosen.offsetLeft + chosen.offsetWidth - strip.offsetLeft;
  strip.scrollLeft = scrollTo(strip.scrollLeft, end, strip.clientWidth); // not scrollIntoView, which would scroll the page too
  if (focused) chosen.focus();
}
