// Layers down, heads across; a click tells the server which.
export default function ({data, parentElement, setTriggerValue}) {
  const atlas = parentElement.querySelector(".atlas");
  const [layer, head] = data.chosen, last = data.weights ? Math.max(...data.weights) : 1;
  atlas.replaceChildren(...data.rows.map((maps, row) => {
    const line = element("div", "row");
    line.append(element("span", "", `Layer ${row + 1}`));
    for (const [column, map] of maps.entries()) {
      const button = element("button"), thumb = element("span", "thumb"), photo = element("img"), heat = element("canvas");
      const what = `Layer ${row + 1}${data.heads > 1 ? `, head ${column + 1}` : ""}`;
      button.type = "button";
      button.title = map.entropy === null ? `${what}: no map` : `${what}: entropy ${map.entropy.toFixed(2)}`;
      button.setAttribute("aria-label", button.title);
      button.setAttribute("aria-pressed", row === layer && (data.heads <= 1 || head === null || head === column));
      photo.src = data.photo;
      photo.alt = "";
      if (map.entropy !== null) paintHeat(heat, unpack(map.values), ...map.grid);
      thumb.append(photo, heat);
      button.append(thumb, map.entropy === null ? "no map" : map.entropy.toFixed(2));
      button.onclick = () => setTriggerValue("picked", [row, column]);
      line.append(button);
    }
    if (data.weights) {
      const weight = element("div", "weight", percent(data.weights[row])), bar = element("i");
      bar.style.setProperty("--share", `${(data.weights[row] / last) * 100}%`);
      weight.prepend(bar);
      line.append(weight);
    }
    return line;
  }));
}
