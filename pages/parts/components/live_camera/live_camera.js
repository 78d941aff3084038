// The camera: a frame is sent when the answer to the last one is there, so always the newest and never two.
import {element} from "../shared/elements.js";
import {paintHeat} from "../shared/heat.js";
import {percent, unpack} from "../shared/numbers.js";
import {middleSquare, onScale, rateOf, reasonInWords, rgbOf, scaleFor, within} from "./frames.js";

const LIVE = new WeakMap(); // what runs in an element, kept while the page sends new settings
const SHOWN = 384, KEPT = 768; // pixels a side of a tile, and of the longer side of a frozen frame
const REMEMBERED = 12; // frames over which the rate is taken

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class Live {
  constructor(root) {
    this.find = (name) => root.querySelector("." + name);
    this.root = root;
    this.video = root.querySelector("video");
    [this.small, this.square, this.whole, this.answered] = Array.from({length: 4}, () => document.createElement("canvas"));
    this.stream = null;
    this.facing = "user";
    this.find("start").onclick = () => (this.stream ? this.stop() : this.start());
    this.find("turn").onclick = () => { this.facing = this.facing === "user" ? "environment" : "user"; this.stop(); this.start(); };
    this.find("freeze").onclick = () => this.freeze();
  }

  // New settings of the page: other networks, another map.
  take(data, setTriggerValue) {
    Object.assign(this, {data, send: setTriggerValue});
    const looks = data.looks.map((look) => {
      const figure = element("figure", "look"), caption = element("figcaption"), tile = element("div", "tile"), answer = element("p", "answer");
      const grey = element("canvas", "grey"), heat = element("canvas", "heat"), problem = element("p", "problem");
      const named = element("span"), share = element("b"), bar = element("i"), method = element("p", "method");
      figure.style.setProperty("--mine", look.colour);
      caption.append(element("b", "", look.title), element("span", "", look.network));
      problem.hidden = true;
      tile.setAttribute("role", "img");
      tile.setAttribute("aria-label", `${look.title}: its map over the camera's picture`);
      tile.append(grey, heat, problem);
      answer.append(named, share, bar);
      figure.append(caption, tile, method, answer);
      return {figure, grey, heat, problem, named, share, answer, method};
    });
    this.looks = looks;
    this.find("tiles").style.setProperty("--columns", looks.length + 1);
    this.find("tiles").replaceChildren(this.find("own"), ...looks.map((look) => look.figure));
    if (!window.isSecureContext || !navigator.mediaDevices) this.say("insecure");
    this.find("start").disabled = !window.isSecureContext || !navigator.mediaDevices;
  }

  say(reason) { this.tell(reasonInWords(reason), true); }

  tell(words, problem = false) {
    if (this.find("now").textContent !== words) this.find("now").textContent = words;
    this.find("now").toggleAttribute("data-problem", problem);
  }

  async start() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({audio: false, video: {facingMode: this.facing, width: {ideal: 640}, height: {ideal: 480}}});
    } catch (error) { this.say(error.name); return; }
    const [track] = this.stream.getVideoTracks(), own = this.stream;
    if (!this.root.isConnected || LIVE.get(this.root) !== this) return this.stop(); // the page was left while the browser asked
    track.onended = () => { this.stop(); this.say("ended"); };
    this.video.srcObject = own;
    this.find("camera").classList.toggle("mirrored", track.getSettings().facingMode !== "environment");
    this.find("start").textContent = "Stop the camera";
    this.find("start").toggleAttribute("data-on", true);
    this.tell("Hold an object up and move it. Each map is drawn over the frame that it was computed for.");
    const devices = await navigator.mediaDevices.enumerateDevices();
    this.find("turn").hidden = devices.filter((each) => each.kind === "videoinput").length < 2;
    this.watch(own);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) { track.onended = null; track.stop(); }
    this.stream = this.video.srcObject = null;
    this.find("start").textContent = "Start the camera";
    this.find("start").toggleAttribute("data-on", false);
    this.find("rate").textContent = "";
  }

  // Until this stream is stopped: take the newest picture, send it, draw the answer.
  async watch(stream) {
    const times = [];
    this.scale = 0;
    while (this.stream === stream) {
      const began = performance.now();
      if (document.hidden || !this.video.videoWidth) { times.length = 0; await pause(100); continue; }
      const {looks, data} = this, pixels = this.grab(data.side);
      const answer = await this.ask(data.address, pixels);
      if (this.stream !== stream) return;
      if (answer.error) {
        this.tell(answer.error, true);
        times.length = 0;
        await pause(answer.wait);
        continue;
      }
      if (looks === this.looks && answer.networks.length === looks.length) this.draw(answer);
      if (this.find("now").hasAttribute("data-problem")) this.tell("The camera goes on.");
      times.push(performance.now());
      if (times.length > REMEMBERED) times.shift();
      this.find("rate").textContent = rateOf(times) ? `${rateOf(times).toFixed(0)} frames a second` : "";
      await pause(Math.max(0, 1000 / data.fastest - (performance.now() - began)));
    }
  }

  // The newest picture: whole for a photo, its middle square for the tiles and, small, for the networks. Returns its bytes.
  grab(side) {
    const {videoWidth: width, videoHeight: height} = this.video, middle = middleSquare(width, height);
    [this.whole.width, this.whole.height] = within(width, height, KEPT);
    this.whole.getContext("2d").drawImage(this.video, 0, 0, this.whole.width, this.whole.height);
    const square = (canvas, pixels) => {
      if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
      const g = canvas.getContext("2d", {willReadFrequently: pixels === side});
      g.imageSmoothingQuality = "high";
      g.drawImage(this.video, middle[0], middle[1], middle[2], middle[2], 0, 0, pixels, pixels);
      return g;
    };
    square(this.square, SHOWN);
    return rgbOf(square(this.small, side).getImageData(0, 0, side, side).data);
  }

  async ask(address, body) {
    try {
      const response = await fetch(address, {method: "POST", body, headers: {"Content-Type": "application/octet-stream"}});
      if (response.ok) return await response.json();
      const {error} = await response.json();
      return {error, wait: 1000 * Number(response.headers.get("Retry-After") ?? 1)};
    } catch { return {error: "The server does not answer. The camera goes on when it does.", wait: 2000}; }
  }

  draw({networks, most}) {
    [this.answered.width, this.answered.height] = [this.whole.width, this.whole.height];
    this.answered.getContext("2d").drawImage(this.whole, 0, 0); // what can be frozen is what is shown
    this.find("freeze").disabled = false;
    const maps = networks.map((network) => unpack(network.values));
    this.scale = scaleFor(maps.filter((_, k) => !networks[k].problem), most, this.scale);
    for (const [k, network] of networks.entries()) {
      const look = this.looks[k];
      if (look.grey.width !== SHOWN) look.grey.width = look.grey.height = SHOWN;
      look.grey.getContext("2d").drawImage(this.square, 0, 0);
      look.heat.hidden = Boolean(network.problem);
      look.problem.hidden = !network.problem;
      look.problem.textContent = network.problem && `No map: ${network.problem}`;
      if (!network.problem) paintHeat(look.heat, onScale(maps[k], most, this.scale), ...network.grid);
      if (look.method.textContent !== network.method) look.method.textContent = network.method;
      look.named.textContent = look.named.title = network.class;
      look.share.textContent = percent(network.probability);
      look.answer.style.setProperty("--share", `${network.probability * 100}%`);
    }
  }

  freeze() {
    this.find("freeze").disabled = true;
    this.stop();
    this.send("frozen", this.answered.toDataURL("image/jpeg", 0.92));
  }
}

export default function ({data, parentElement, setTriggerValue}) {
  const live = LIVE.get(parentElement) ?? new Live(parentElement), same = JSON.stringify(data);
  LIVE.set(parentElement, live);
  live.send = setTriggerValue;
  if (live.drawn !== same) live.take(data, setTriggerValue);
  live.drawn = same;
  return () => { live.stop(); LIVE.delete(parentElement); };
}
