// The notes of the view that the presenter shows.
//
// data: {views: [{id, caption, notes}]}
const ASK = 1000; // milliseconds between two requests
const NOTE_KEYS = {ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1};
const shownNotes = new WeakMap();

// Texts for the view with this id: {place, caption, notes, next}. Between views the last one that was shown counts for the next.
export function textsOf(views, id, last = -1) {
  const at = views.findIndex((view) => view.id === id), from = at < 0 ? last : at, next = views[from + 1];
  return {
    at: from,
    place: at < 0 ? "" : `${at + 1} / ${views.length}`,
    caption: at < 0 ? (views.length ? "Not a view of the storyboard" : "The storyboard has no views yet") : views[at].caption,
    notes: at < 0 ? "" : views[at].notes || "No notes for this view.",
    next: next ? `Next: ${next.caption}` : views.length ? "This is the last view." : "",
  };
}

// 75 seconds -> "1:15"
export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export default function ({data, parentElement}) {
  let shown = shownNotes.get(parentElement);
  if (!shown) shownNotes.set(parentElement, (shown = new Notes(parentElement)));
  shown.take(data);
  return () => { shown.close(); shownNotes.delete(parentElement); };
}

class Notes {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.channel = new BroadcastChannel("distillation-stage");
    this.last = -1;
    this.key = (event) => {
      if (!(event.key in NOTE_KEYS)) return;
      event.preventDefault();
      this.channel.postMessage({step: NOTE_KEYS[event.key]});
    };
    document.addEventListener("keydown", this.key);
    this.find("button").onclick = () => { sessionStorage.setItem("kd-since", String(Date.now())); this.tick(); };
    if (!sessionStorage.getItem("kd-since")) sessionStorage.setItem("kd-since", String(Date.now()));
    this.timer = setInterval(() => this.ask(), ASK);
  }

  take(data) { this.views = data.views; this.ask(); }

  close() { clearInterval(this.timer); this.channel.close(); document.removeEventListener("keydown", this.key); }

  async ask() {
    this.tick();
    try {
      const response = await fetch(`${location.pathname.replace(/\/?$/, "/")}api/stage`, {cache: "no-store"});
      if (response.ok) this.show((await response.json()).view ?? "");
    } catch { this.find(".place").textContent = "No connection"; }
  }

  show(id) {
    const texts = textsOf(this.views, id, this.last);
    this.last = texts.at;
    for (const [selector, text] of [[".place", texts.place], ["h1", texts.caption], [".text", texts.notes], [".next", texts.next]]) {
      if (this.find(selector).textContent !== text) this.find(selector).textContent = text;
    }
  }

  tick() {
    this.find("time").textContent = new Date().toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
    this.find("button").textContent = elapsed((Date.now() - sessionStorage.getItem("kd-since")) / 1000);
  }
}
