// Recordings: the list of them, and one that is played.
import {Player} from "../link/player.js";
import {splitMessage} from "../stream/packet.js";
import {CameraView} from "./camera_view.js";
import {make, tool, write} from "./element.js";
import {Grid} from "./grid.js";
import {isServed} from "./served_facts.js";
import {NONE, byteCount, clockTime, count, utc} from "./text.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8];
const SCRUB_PAUSE_MS = 80;

// What a person is to know of a camera that the server decodes.
function servedText({name, info, skipped}) {
  const late = skipped ? `; pictures skipped because decoding took too long: ${count(skipped)}` : "";
  return `${name}: ${info.codec}, decoded by the server and shown as JPEG${late}`;
}

export class Recordings {
  // `core`: a promise of the module, or null. `host` is that of camera views, and `limits()`.
  constructor(element, core, host) {
    this.element = element;
    this.core = core;
    this.host = host;
    this.player = null;
    this.views = new Map();
  }

  async list() {
    this.stop();
    this.element.replaceChildren(make("p", {class: "empty"}, "Reading the recordings …"));
    try {
      const answer = await fetch("/api/recordings");
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error);
      this.showList(body.recordings);
    } catch (error) {
      this.element.replaceChildren(make("p", {class: "empty", role: "alert"},
        `The recordings cannot be listed: ${error.message}`));
    }
  }

  showList(recordings) {
    if (recordings.length === 0) {
      this.element.replaceChildren(make("p", {class: "empty"}, "There is no recording in the folder yet."));
      return;
    }
    const rows = recordings.map((one) => make("tr", {},
      make("th", {scope: "row"}, make("button", {type: "button", class: "name",
        onclick: () => this.host.go(`recording=${encodeURIComponent(one.name)}`)}, one.name)),
      make("td", {}, (one.cameras ?? []).join(", ") || NONE),
      make("td", {}, (one.begin_utc ?? NONE).replace("T", " ").slice(0, 19)),
      make("td", {class: "number"}, one.duration_s == null ? NONE : clockTime(one.duration_s)),
      make("td", {class: "number"}, count(one.frames)),
      make("td", {class: "number"}, byteCount(one.bytes)),
      make("td", {}, one.error || (one.complete ? "complete" : "cut off or in progress"))));
    const heads = ["Recording", "Cameras", "Begin (UTC)", "Duration", "Frames", "Size", "State"];
    this.element.replaceChildren(make("div", {class: "scroll", tabindex: 0, role: "region",
      "aria-label": "Recordings"}, make("table", {},
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", {scope: "col"}, head)))),
      make("tbody", {}, ...rows))));
  }

  play(name) {
    this.stop();
    this.name = name;
    this.position = 0;
    this.isEnded = false;
    this.failure = null;
    const stage = make("div", {class: "grid"});
    this.grid = new Grid(stage);
    this.toggle = tool("pause", "Pause", "Space", () => this.pause());
    this.slider = make("input", {type: "range", min: 0, max: 1, step: 0.001, value: 0,
      "aria-label": "Position", oninput: () => this.scrub()});
    this.time = make("span", {class: "time"}, "0:00");
    this.speed = make("select", {"aria-label": "Speed", onchange: () => this.setSpeed()},
      ...SPEEDS.map((speed) => make("option", {value: speed, selected: speed === 1}, `${speed} ×`)));
    this.note = make("p", {class: "note", role: "status"});
    this.served = make("p", {class: "note", hidden: true});
    this.element.replaceChildren(
      make("div", {class: "player"}, make("div", {class: "crumb"},
        tool("back", "All recordings", "Escape", () => this.host.go("recordings")), make("h2", {}, name)),
      stage, make("div", {class: "transport"}, this.toggle, this.slider, this.time, this.speed), this.note, this.served));
    this.player = new Player(name, this.core, {
      recording: (message) => this.begin(message),
      packet: (buffer) => this.packet(buffer),
      seek: (message) => this.seek(message),
      skipped: ({camera, frames}) => {
        const view = this.views.get(camera);
        if (view) view.skipped += frames;
      },
      refused: (message) => this.refused(message),
      position: (positionS) => this.moveTo(positionS),
      ended: () => this.end(),
      failed: (text) => this.fail(text),
    });
    this.ticker = setInterval(() => this.tick(), 100);
  }

  async begin({cameras, duration_s, begin_utc, frames}) {
    const {player} = this;
    // Of a damaged recording it may be unknown: then the slider grows with what is played.
    this.durationS = duration_s;
    this.slider.max = duration_s ?? 0;
    write(this.note,
      `Recorded from ${(begin_utc ?? NONE).replace("T", " ").slice(0, 19)} UTC, ${count(frames)} frames`);
    const source = {
      isRecorded: true,
      acknowledge: (camera, sequence) => player.acks.add(camera, sequence),
      restart: () => {},
      ageOf: () => null,
      silenceMs: () => 0,
      state: (view) => this.stateOf(view),
      chip: ({drawn}) => `RECORDED ${drawn?.tUtcNs ? utc(drawn.tUtcNs) : ""}`.trim(),
    };
    const early = [];
    this.early = early;
    for (const name of cameras) this.views.set(name, new CameraView(name, source, this.host));
    this.grid.set(this.views.values());
    const module = await this.core;
    if (this.player !== player) return;
    for (const view of this.views.values()) view.start(module, this.host.limits());
    this.early = null;
    early.forEach((message) => message());
  }

  // What comes before the workers run waits for them, in its order.
  seek({camera, stream, sequence}) {
    if (this.early) this.early.push(() => this.seek({camera, stream, sequence}));
    else this.views.get(camera)?.feed?.tell("seek", {stream, sequence});
  }

  // A camera that the server was to decode, and does not: none of its packets, or not this one.
  refused({camera, error, lasting}) {
    if (this.early) this.early.push(() => this.refused({camera, error, lasting}));
    else this.views.get(camera)?.feed?.count(lasting ? "NotServed" : "ServerRefused", error);
  }

  packet(buffer) {
    if (this.early) {
      this.early.push(() => this.packet(buffer));
      return;
    }
    const {camera, channel, at} = splitMessage(buffer);
    this.views.get(camera)?.feed?.put(buffer, at, channel);
  }

  fail(text) {
    this.failure = text;
    write(this.note, text);
    this.tick();
  }

  // What was refused stands in the picture until a later one is drawn.
  stateOf({feed, drawn}) {
    if (this.failure) return {word: "NO SIGNAL", tone: "dead", detail: this.failure};
    const refusal = feed?.latestRefusal;
    const isShown = drawn && (!refusal || drawn.atMs > performance.timeOrigin + refusal.atMs);
    if (!refusal || isShown) return {word: "", tone: "recorded", detail: ""};
    if (refusal.kind === "UnknownCodecError")
      return {word: "NOT DECODED", tone: "dead", detail: `this codec is not decoded in the page: ${refusal.text}`};
    if (refusal.kind === "NotServed")
      return {word: "NOT DECODED", tone: "dead", detail: `the server does not decode this camera: ${refusal.text}`};
    return {word: drawn ? "STALE" : "NOT DECODED", tone: "stale", detail: `${refusal.kind}: ${refusal.text}`};
  }

  tick() {
    for (const view of this.views.values()) view.tick();
    const texts = [...this.views.values()].filter(({info}) => isServed(info)).map(servedText);
    this.served.hidden = texts.length === 0;
    write(this.served, texts.join(" · "));
    this.grid.place();
  }

  lengthText() {
    return this.durationS == null ? NONE : clockTime(this.durationS);
  }

  moveTo(positionS) {
    this.position = positionS;
    if (positionS > Number(this.slider.max)) this.slider.max = positionS;
    if (!this.isScrubbing) this.slider.value = positionS;
    const text = `${clockTime(positionS)} / ${this.lengthText()}`;
    write(this.time, text);
    this.slider.setAttribute("aria-valuetext", text);
  }

  // Dragging the slider asks a few times a second, not at every pixel.
  scrub() {
    this.isScrubbing = true;
    this.isEnded = false;
    write(this.time, `${clockTime(Number(this.slider.value))} / ${this.lengthText()}`);
    clearTimeout(this.scrubTimer);
    this.scrubTimer = setTimeout(() => {
      this.player?.play(Number(this.slider.value));
      this.isScrubbing = false;
      this.showToggle();
    }, SCRUB_PAUSE_MS);
  }

  setSpeed() {
    this.player.speed = Number(this.speed.value);
    this.player.play();
  }

  pause() {
    const {player} = this;
    if (!player) return;
    if (this.isEnded) {
      player.paused = false;
      this.isEnded = false;
      player.play(0);
    } else {
      player.paused = !player.paused;
      player.play();
    }
    this.showToggle();
  }

  step(seconds) {
    if (!this.player) return;
    this.slider.value = Math.max(0, Math.min(Number(this.slider.max), this.position + seconds));
    this.scrub();
  }

  end() {
    this.isEnded = true;
    write(this.note, "End of the recording");
    this.showToggle();
  }

  showToggle() {
    const isStill = this.player.paused || this.isEnded;
    const label = isStill ? "Play" : "Pause";
    if (this.toggle.getAttribute("aria-label") === label) return;
    const fresh = tool(isStill ? "play" : "pause", label, "Space", () => this.pause());
    const hadFocus = document.activeElement === this.toggle;
    this.toggle.replaceWith(fresh);
    this.toggle = fresh;
    if (hadFocus) fresh.focus();
  }

  stop() {
    clearInterval(this.ticker);
    clearTimeout(this.scrubTimer);
    this.player?.close();
    this.player = null;
    this.views.forEach((view) => view.close());
    this.views.clear();
  }
}
