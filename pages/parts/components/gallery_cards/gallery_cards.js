// A card per image: its pictures, then each network's map and prediction. Where images can be opened, the card is a button.
import {element} from "../shared/elements.js";

// "✓ star " and "Teacher: star, 98 %, right".
export const verdict = (network) => `${network.right ? "✓" : "✗"} ${network.says} `;
export const verdictInFull = (network) => `${network.heading}: ${network.says}, ${network.share}, ${network.right ? "right" : "wrong"}`;

export default function ({data, parentElement, setTriggerValue}) {
  const pictured = (url, alt, ...below) => {
    const figure = element("span", "picture"), image = element("img");
    Object.assign(image, {src: url, alt, loading: "lazy"});
    figure.append(image, ...below);
    return figure;
  };
  parentElement.querySelector(".cards").replaceChildren(...data.cards.map((card) => {
    const whole = element(data.clickable ? "button" : "div", "card"), row = element("span", "row"), head = element("span", "head");
    head.append(element("b", "", card.label), element("span", "apart", card.apart));
    row.style.setProperty("--pictures", card.pictures.length + card.networks.length);
    if (card.pictures.length + card.networks.length > 3) row.classList.add("many");
    row.append(...card.pictures.map((picture) => pictured(picture.url, picture.alt, element("span", "who", picture.who))), ...card.networks.map((network) => {
      const who = element("span", "who", network.heading), says = element("span", network.right ? "says" : "says wrong");
      who.style.setProperty("--mine", network.colour);
      who.classList.add("named");
      says.append(verdict(network), element("small", "", network.share));
      says.title = verdictInFull(network);
      return pictured(network.url, `Map of the ${network.heading.toLowerCase()}, which predicts ${network.says}`, who, says);
    }));
    whole.append(head, row);
    if (data.clickable) {
      whole.type = "button";
      whole.title = data.hint;
      whole.onclick = () => setTriggerValue("picked", card.place);
    }
    return whole;
  }));
}
