// The settings of a component in the address. Python reads and checks them (pages/parts/address.py) and sends them as `start`;
// this notices when they were changed by something else than the component: Back, Forward, a link, the presenter.
//
// const address = new Address();                             one for each parentElement
// if (address.restored(view, data.start)) redraw();          at every call of the component
// address.report(view, data.usual, setTriggerValue);         after the visitor changed a setting; not while dragging
export class Address {
  constructor() { Object.assign(this, { known: null, sent: [] }); }

  // Take over `start` where it is news. Python's echo of what was reported is none, however late it comes.
  restored(view, start) {
    const text = JSON.stringify(start), echo = this.sent.indexOf(text);
    if (echo >= 0) { this.sent.splice(0, echo + 1); this.known = text; return false; }
    if (text === this.known) return false;
    this.known = text;
    Object.assign(view, start);
    return true;
  }

  // Tell Python the settings of `view`. The entry of the browser's history is replaced: Back leaves the view, it does not undo a slider.
  report(view, usual, setTriggerValue) {
    const settings = Object.fromEntries(Object.keys(usual).map((name) => [name, view[name] ?? null]));
    const text = JSON.stringify(settings);
    if (text === (this.sent.at(-1) ?? this.known)) return;
    this.sent.push(text);
    replaceAddress(settings, usual);
    setTriggerValue("looked", settings);
  }
}

// As Python will write it, or the browser would get a new entry in its history.
export function searchWith(search, settings, usual) {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(settings)) {
    if (value === null || value === usual[name]) query.delete(name);
    else query.set(name, written(value));
  }
  return query.toString().replaceAll("%7E", "~").replaceAll("*", "%2A");
}

export function written(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

function replaceAddress(settings, usual) {
  const search = searchWith(location.search, settings, usual);
  history.replaceState({}, "", location.pathname + (search ? `?${search}` : "") + location.hash);
}
