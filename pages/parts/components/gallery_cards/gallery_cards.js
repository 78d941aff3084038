// A card an image: the picture and both maps. Where a click means something, the card is a button.
export default function ({data, parentElement, setTriggerValue}) {
  const made = (tag, kind, text) => Object.assign(document.createElement(tag), kind && {className: kind}, text !== undefined && {textContent: text});
  const pictured = (url, alt, ...below) => {
    const figure = made("span", "picture"), image = made("img");
    Object.assign(image, {src: url, alt, loading: "lazy"});
    figure.append(image, ...below);
    return figure;
  };
  parentElement.querySelector(".cards").replaceChildren(...data.cards.map((card) => {
    const whole = made(data.clickable ? "button" : "div", "card"), row = made("span", "row"), head = made("span", "head");
    head.append(made("b", "", card.label), made("span", "apart", card.apart));
    row.append(pictured(card.photo, `A test image: ${card.label}`, made("span", "who", "Image")), ...card.networks.map((network, place) => {
      const who = made("span", "who", network.heading), says = made("span", network.right ? "says" : "says wrong");
      who.style.setProperty("--mine", data.colours[place]);
      who.classList.add("named");
      says.append(`${network.right ? "✓" : "✗"} ${network.says} `, made("small", "", network.share));
      says.title = `${network.heading}: ${network.says}, ${network.share}, ${network.right ? "right" : "wrong"}`;
      return pictured(network.url, `Where the ${network.heading.toLowerCase()} looks; it says ${network.says}`, who, says);
    }));
    whole.append(head, row);
    if (data.clickable) {
      whole.type = "button";
      whole.title = "Open this image in the lab";
      whole.onclick = () => setTriggerValue("picked", card.place);
    }
    return whole;
  }));
}
