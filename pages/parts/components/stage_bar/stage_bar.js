// Who presents, the presenter's menu and keys, and moving from view to view without loading the page again.
//
// data: {role: "presenter" | "operator" | "lent" | "visitor", shared, secret, pages, requests: [{id, name}],
//        views: [{id, address, caption, cursor, scroll}]}
// acts: {what: "window", secret}, {what: "refresh" | "back" | "present" | "storyboard" | "audience"}, {what: "add", address, cursor, scroll},
//       {what: "grant" | "decline", id}
import {cursor} from "../shared/cursor.js";
import {element} from "../shared/elements.js";
import {actionOf, stepped} from "./keys.js";
import {pathOf, sameView, viewAt, viewOf} from "./views.js";

const LOOK = 250; // milliseconds between two looks at the address, where the browser does not report its changes
const LOST = 2000; // until a lost connection is made anew
const CURSOR_EVERY = 250; // between two messages about the cursor
const MAIN = "[data-testid=stMain]", SCROLLS = 2500; // milliseconds in which a page is drawn
const BUSY = 500; // milliseconds, at most, until a page that is being drawn is left
const OWN = 3000; // an address that changes so soon after a touch or key was changed by the visitor

export default function ({data, parentElement, setTriggerValue}) {
  const stage = (globalThis.distillationStage ??= new Stage());
  stage.attach(parentElement, data, (act) => setTriggerValue("act", act));
  return () => stage.detach(parentElement);
}

// How far down the page is scrolled, as a share of its height.
function scrolled() {
  const main = document.querySelector(MAIN);
  return main && main.scrollHeight ? Math.round(1000 * main.scrollTop / main.scrollHeight) / 1000 : 0;
}

// Parts of the page before that still arrive have no place in the next one: wait a moment until none is on its way.
function whenIdle(act, until = Date.now() + BUSY) {
  const app = document.querySelector("[data-testid=stApp]");
  if (app?.dataset.testScriptState !== "running" || Date.now() > until) act();
  else setTimeout(() => whenIdle(act, until), 30);
}

class Stage {
  constructor() {
    Object.assign(this, {state: {}, touched: 0, sentAt: 0, tried: false, word: ""});
    const parameters = new URLSearchParams(location.search);
    if (parameters.has("follow")) sessionStorage.setItem("kd-follow", "1");
    if (parameters.get("present") === "1") sessionStorage.setItem("kd-present", "1");
    this.isNotes = parameters.get("notes") === "1"; // of the speaker: it presents nothing
    this.mark();
    window.addEventListener("keydown", (event) => { this.touch(event); this.key(event); });
    for (const kind of ["pointerdown", "wheel"]) window.addEventListener(kind, (event) => this.touch(event), {capture: true, passive: true});
    window.addEventListener("popstate", (event) => {
      if (event.isTrusted) { this.touched = Date.now(); if (new URLSearchParams(location.search).get("present") === "1") this.present(true); }
    });
    document.addEventListener("visibilitychange", () => this.listen());
    window.navigation?.addEventListener("currententrychange", () => this.look());
    cursor.subscribe((value, source) => { if (source !== "stage") this.publishSoon(); });
    const notes = new BroadcastChannel("distillation-stage"); // the window of notes, in the same browser
    notes.onmessage = ({data}) => { if (this.leads() && this.presenting && Math.abs(data?.step) === 1) this.step(data.step); };
  }

  attach(root, data, act) {
    const led = this.leads(), followed = this.follows;
    Object.assign(this, {root, data, act});
    if (this.leads() && !led) { this.sent = undefined; this.publishSoon(); }
    if (this.data.secret) sessionStorage.setItem("kd-window", this.data.secret);
    else if (!this.tried) {
      const secret = sessionStorage.getItem("kd-window");
      if (secret) act({what: "window", secret});
    }
    this.tried = true;
    const open = root.querySelector(".open");
    open.onclick = () => this.openMenu(root.querySelector(".items").hidden);
    root.querySelector(".menu").onkeydown = (event) => this.menuKey(event);
    root.querySelector(".menu").onfocusout = (event) => { if (!root.querySelector(".menu").contains(event.relatedTarget)) this.openMenu(false); };
    this.looking ??= setInterval(() => this.look(), LOOK);
    this.look();
    this.draw();
    this.listen();
    if (this.follows && !followed) this.follow(true); // its role has changed
  }

  detach(root) {
    if (root !== this.root) return;
    clearInterval(this.looking);
    Object.assign(this, {root: null, looking: undefined});
  }

  // --- what this window is

  get presenting() { return sessionStorage.getItem("kd-present") === "1"; }
  get follows() { return sessionStorage.getItem("kd-follow") === "1" && this.watches() && !this.isNotes; }
  get at() { return +(sessionStorage.getItem("kd-at") ?? -1); }
  operates() { return this.data && ["presenter", "operator"].includes(this.data.role); }
  watches() { return this.data && this.data.shared && !this.operates(); }
  leads() { return !this.isNotes && this.leading(); }
  leading() { return this.data?.role === "presenter" || (this.operates() && !this.data.shared); }
  here() { return viewOf(location, this.data.pages); }
  touch(event) { if (event.isTrusted && !event.composedPath().includes(this.root)) this.touched = Date.now(); }

  // --- the address

  look() {
    if (!this.data) return;
    const view = this.here();
    if (this.presenting && new URLSearchParams(location.search).get("present") !== "1") this.rewrite();
    if (sameView(view, this.seen)) return;
    this.seen = view;
    const own = Date.now() - this.touched < OWN;
    if (this.follows && own && this.moved && !sameView(view, this.moved)) { sessionStorage.setItem("kd-follow", "0"); this.lookedAround = true; this.draw(); }
    if (this.leads()) {
      const place = this.data.views.findIndex((each) => sameView(viewAt(each.address, this.data.pages), view));
      if (place >= 0 && !this.shownView()) this.remember(place); // it may be there twice
      this.publishSoon();
      this.draw();
    }
  }

  // Show a view: Streamlit runs the page as for the browser's Back button, so that every control gets its value from the address.
  go(view, {replace = false, at} = {}) {
    const path = view && pathOf(view, location.pathname, this.data.pages, this.presenting);
    if (!path) return;
    this.moved = view;
    cursor.set(at ?? null, "stage");
    if (sameView(view, this.here())) return;
    whenIdle(() => {
      if (this.moved !== view) return; // another one was chosen meanwhile
      history[replace ? "replaceState" : "pushState"](null, "", path);
      window.dispatchEvent(new PopStateEvent("popstate", {state: null}));
    });
  }

  rewrite() {
    const path = pathOf(this.here() ?? {}, location.pathname, this.data.pages, this.presenting);
    if (path) history.replaceState(history.state, "", path + location.hash);
  }

  // --- presenting

  key(event) {
    if (!this.data || this.isNotes || document.querySelector("[role=dialog]")) return;
    const path = event.composedPath().filter((each) => each.matches);
    const action = actionOf(event, this.presenting, (selector) => path[0]?.matches(selector) ?? false);
    if (!action) return;
    event.preventDefault();
    if (action === "present" || action === "leave") this.present(action === "present");
    else if (action === "live") this.live();
    else this.step(action.step);
  }

  present(on) {
    if (on) sessionStorage.setItem("kd-present", "1"); else sessionStorage.removeItem("kd-present");
    this.mark();
    if (this.data) { this.rewrite(); this.draw(); this.publishSoon(); }
  }

  mark() { document.documentElement.toggleAttribute("data-present", this.presenting && !this.isNotes); }

  remember(place) { sessionStorage.setItem("kd-at", String(place)); }

  step(by) {
    const views = this.data.views;
    if (!this.leads() || !views.length) return;
    const place = stepped(this.at, by, views.length);
    this.remember(place);
    this.go(viewAt(views[place].address, this.data.pages), {at: views[place].cursor});
    this.scrollTo(views[place].scroll);
    this.draw();
    this.publishSoon();
  }

  // The page grows while it is drawn, so this is repeated, until the presenter scrolls or some time has passed.
  scrollTo(share) {
    clearInterval(this.scrolling);
    const until = Date.now() + SCROLLS, began = Date.now();
    this.scrolling = setInterval(() => {
      const main = document.querySelector(MAIN);
      if (Date.now() > until || !main || this.touched > began) { clearInterval(this.scrolling); return; }
      main.scrollTop = share * main.scrollHeight;
    }, 100);
  }

  async live() {
    const {live} = await (await fetch(this.api(), {cache: "no-store"})).json();
    if (live) this.go({page: "train", query: new URLSearchParams({run: live}).toString()});
    else this.say("No run is training now.");
  }

  say(word) { this.word = word; this.draw(); setTimeout(() => { this.word = ""; this.draw(); }, 4000); }

  // A move at once, also where a cursor's message waits for its time.
  publishSoon() {
    if (!this.data?.secret || !this.leads()) return;
    if (!this.data.shared && !this.presenting) return; // nobody watches
    const moved = !sameView(this.here(), this.sentView);
    if (this.publishing && !moved) return;
    clearTimeout(this.publishing);
    this.publishing = setTimeout(() => { this.publishing = undefined; this.publish(); }, moved ? 0 : Math.max(0, this.sentAt + CURSOR_EVERY - Date.now()));
  }

  async publish() {
    const view = this.data && this.here();
    if (!view || !this.leads()) return;
    const shown = this.shownView(), message = JSON.stringify({...view, cursor: cursor.get(), view: shown?.id, caption: shown?.caption});
    if (message === this.sent) return;
    Object.assign(this, {sentAt: Date.now(), sentView: view});
    try {
      const response = await fetch(this.api(), {method: "POST", body: message, headers: {"Content-Type": "application/json", "X-Window": this.data.secret}});
      if (response.ok) this.sent = message;
    } catch { this.publishSoon(); }
  }

  // The view of the storyboard that is on the screen.
  shownView() {
    const view = this.data.views[this.at];
    return view && sameView(viewAt(view.address, this.data.pages), this.here()) ? view : null;
  }

  // --- following

  api() { return pathOf({page: "", query: ""}, location.pathname, this.data.pages) + "api/stage"; }

  // The server sends the state when it changes. Alone on this machine nobody follows, and a window that is hidden shows nothing.
  listen() {
    clearTimeout(this.retrying);
    if (!this.data?.shared || document.hidden) { this.socket?.close(); this.socket = undefined; return; }
    if (this.socket) return;
    const socket = this.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${this.api()}/live`);
    socket.onmessage = ({data}) => {
      const before = this.state;
      this.state = JSON.parse(data);
      this.changed(before);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = undefined;
      this.retrying = setTimeout(() => this.listen(), LOST);
    };
  }

  changed(before) {
    if (before.version && before.control !== this.state.control && (this.data.secret || sessionStorage.getItem("kd-window"))) this.act({what: "refresh"});
    this.follow();
    this.draw();
  }

  // Move to what the presenter shows, once for each change, so that an address which this page writes differently does not count.
  follow(again = false) {
    const {page, query, presenting, cursor: at} = this.state;
    if (!this.follows || !presenting || page === undefined) return;
    const view = {page, query};
    if (again || !sameView(view, this.followed)) { this.followed = view; this.touched = 0; this.go(view, {replace: true, at}); }
    else cursor.set(at ?? null, "stage");
  }

  setFollowing(on) {
    sessionStorage.setItem("kd-follow", on ? "1" : "0");
    this.lookedAround = !on;
    if (on) this.follow(true);
    this.draw();
  }

  // --- drawing

  openMenu(on) {
    const items = this.root.querySelector(".items");
    items.hidden = !on;
    this.root.querySelector(".open").setAttribute("aria-expanded", String(on));
    if (!on) return;
    const alone = !this.data.shared;
    const entries = [
      ["Present", "P", () => this.present(true)],
      ["Add this view", "", () => this.act({what: "add", address: this.address(), cursor: cursor.get(), scroll: scrolled()})],
      ["Storyboard", "", () => this.act({what: "storyboard"})],
      ["Speaker notes in a window", "", () => window.open(`${pathOf({page: "", query: ""}, location.pathname, this.data.pages)}?notes=1`, "distillation-notes", "width=760,height=640")],
      ["Address and QR code", "", () => this.act({what: "audience"})],
    ];
    if (!alone && this.data.role === "operator") entries.push(["Present from this window", "", () => this.act({what: "present"})]);
    items.replaceChildren(...entries.map(([label, key, act]) => {
      const button = element("button", "", label);
      button.type = "button";
      button.setAttribute("role", "menuitem");
      if (key) button.append(element("kbd", "", key));
      button.onclick = () => { this.openMenu(false); act(); };
      return button;
    }));
    items.firstChild.focus();
  }

  menuKey(event) {
    const buttons = [...this.root.querySelectorAll(".items button")], at = buttons.indexOf(this.root.getRootNode().activeElement ?? document.activeElement);
    if (event.key === "Escape") { this.openMenu(false); this.root.querySelector(".open").focus(); }
    else if (event.key === "ArrowDown" && buttons.length) buttons[(at + 1) % buttons.length].focus();
    else if (event.key === "ArrowUp" && buttons.length) buttons.at(at <= 0 ? -1 : at - 1).focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  address() { const {page, query} = this.here() ?? {page: "", query: ""}; return `/${page}${query ? `?${query}` : ""}`; }

  draw() {
    if (!this.root || !this.data) return;
    this.root.querySelector(".menu").hidden = !this.operates() || this.isNotes;
    const bar = this.root.querySelector(".bar"), parts = this.isNotes ? [] : this.parts();
    bar.hidden = !parts.length;
    document.documentElement.toggleAttribute("data-stage-bar", parts.length > 0);
    const drawn = parts.map((part) => Array.isArray(part) ? part[0] : part.textContent).join("|");
    if (drawn === this.drawn && bar.childElementCount) return;
    this.drawn = drawn;
    bar.replaceChildren(...parts.map((part) => {
      if (!Array.isArray(part)) return part;
      const button = element("button", "", part[0]);
      button.type = "button";
      button.onclick = part[1];
      return button;
    }));
  }

  // Elements and [label, action] of buttons, from left to right.
  parts() {
    const {role, shared, requests, views} = this.data, text = (words, kind = "") => element("span", kind, words);
    const shown = this.leads() ? this.shownView() : null, parts = [];
    if (this.word) return [text(this.word)];
    if (this.leads() && this.presenting && shown) parts.push(text(`${this.at + 1} / ${views.length}`, "place"), text(shown.caption, "caption"));
    if (!shared) return parts;
    if (role === "presenter" && !this.presenting) parts.push(text("Presenting: this window"));
    if (role === "operator") parts.push(text(this.state.presenting ? "Another window presents." : "Nobody presents."), ["Present from this window", () => this.act({what: "present"})]);
    if (this.operates()) for (const each of requests.slice(0, this.presenting ? 1 : 5)) parts.push(text(`${each.name} asks for control.`), ["Hand over", () => this.act({what: "grant", id: each.id})], ["Decline", () => this.act({what: "decline", id: each.id})]);
    if (role === "lent") parts.push(text("Another window has control."), ["Take control back", () => this.act({what: "back"})]);
    if (this.watches() && this.state.presenting && this.state.page !== undefined) {
      if (this.follows) { parts.push(text("You are watching the presenter.")); if (this.state.caption) parts.push(text(this.state.caption, "caption")); parts.push(["Look around", () => this.setFollowing(false)]); }
      else parts.push(text(this.lookedAround ? "You look around." : "You are watching."), [this.lookedAround ? "Back to the presenter" : "Follow the presenter", () => this.setFollowing(true)]);
    }
    return parts;
  }
}
