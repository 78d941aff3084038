// Draws a report: each component in a shadow root of its own, with its data from the page.
const data = JSON.parse(document.getElementById("data").textContent);

// What the components request from the server, answered from the page. The stored points are all there are.
globalThis.fetch = async (address) => {
  const id = decodeURIComponent(/^\/api\/runs\/([^/]+)\/series/.exec(String(address))?.[1] ?? "");
  const found = Object.hasOwn(data.series, id) ? {...data.series[id], active: false, reset: true} : null;
  return {ok: Boolean(found), status: found ? 200 : 404, json: async () => structuredClone(found)};
};

function mount(name, place, values) {
  const holder = document.querySelector(`#${place} .holder`);
  if (!holder || !values) return;
  const root = holder.attachShadow({mode: "open"}), style = document.createElement("style"), inner = document.createElement("div");
  style.textContent = data.shadow[name].css;
  inner.innerHTML = data.shadow[name].html;
  root.append(style, inner);
  components[name]({data: values, parentElement: inner, setTriggerValue: () => {}, setStateValue: () => {}});
}

mount("live_chart", "curves", data.chart);
mount("run_maps", "maps", data.maps);
