// Small pictures in a row; a click tells the server which one.
export default function ({data, parentElement, setTriggerValue}) {
  const strip = parentElement.querySelector(".strip"), focused = strip.contains(parentElement.activeElement);
  strip.replaceChildren(...data.items.map((item) => {
    const button = document.createElement("button"), picture = document.createElement("img"), name = document.createElement("span");
    button.type = "button";
    button.title = item.name;
    button.setAttribute("aria-pressed", item.id === data.chosen);
    picture.src = item.url;
    picture.alt = "";
    name.textContent = item.name;
    button.append(picture, name);
    button.onclick = () => setTriggerValue("picked", item.id);
    return button;
  }));
  const chosen = strip.querySelector('[aria-pressed="true"]');
  if (!chosen) return;
  const hidden = chosen.offsetLeft + chosen.offsetWidth - strip.offsetLeft - strip.clientWidth;
  strip.scrollLeft = Math.max(strip.scrollLeft, hidden); // not scrollIntoView, which would move the page as well
  if (focused) chosen.focus();
}
