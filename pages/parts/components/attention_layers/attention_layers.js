// Layers down, heads across; one map a layer: the layers across. A click tells the server which.
export default function ({data, parentElement, setTriggerValue}) {
  const atlas = parentElement.querySelector(".atlas"), heads = data.rows[0].length;
  const [layer, head] = data.chosen, last = data.weights ? Math.max(...data.weights) : 1;
  atlas.className = heads > 1 ? "atlas table" : "atlas";
  atlas.style.setProperty("--heads", heads);
  const cells = heads > 1 ? [element("span"), ...data.rows[0].map((_, column) => element("span", "head", `Head ${column + 1}`)), element("span")] : [];
  for (const [row, maps] of data.rows.entries()) {
    if (heads > 1) cells.push(element("span", "", `Layer ${row + 1}`));
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
      button.append(...(heads > 1 ? [] : [element("b", "", `Layer ${row + 1}`)]), thumb, map.entropy === null ? "no map" : map.entropy.toFixed(2));
      if (heads <= 1 && data.weights) button.append(weightOf(data.weights[row], last));
      button.onclick = () => setTriggerValue("picked", [row, column]);
      cells.push(button);
    }
    if (heads > 1) cells.push(data.weights ? weightOf(data.weights[row], last) : element("span"));
  }
  atlas.replaceChildren(...cells);
}

// How much of the distillation's weight a layer had, as a bar.
function weightOf(share, most) {
  const weight = element("span", "weight", percent(share)), bar = element("i");
  bar.style.setProperty("--share", `${(share / most) * 100}%`);
  weight.prepend(bar);
  return weight;
}
