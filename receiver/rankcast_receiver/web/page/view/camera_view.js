// CameraView: one camera on the page: its picture, what stands in it, and the line below.
import {nowMs} from "../link/server_clock.js";
import {Feed} from "../picture/feed.js";
import {PLAIN_VIEW} from "../picture/view_settings.js";
import {make, write} from "./element.js";
import {Meter} from "./meter.js";
import {pictureState} from "./picture_state.js";
import {streamRates} from "./served_facts.js";
import {age, bitRate, decimal, latency} from "./text.js";
import {Zoom} from "./zoom.js";

export class CameraView {
  // `source`: acknowledge(camera, sequence), restart(camera), ageOf(tMonoNs, clock, atMs), silenceMs(),
  // and `isRecorded`. `host`: select(view), announce(text),
  // tell(text), saved(file), changed(view).
  constructor(name, source, host) {
    this.name = name;
    this.source = source;
    this.host = host;
    this.camera = null;
    this.listedMs = performance.now();
    this.feed = null;
    this.isPaused = false;
    this.isShown = true;
    this.settings = structuredClone(PLAIN_VIEW);
    this.meter = new Meter();
    this.info = null;
    this.drawn = null;
    this.spectrum = null;
    this.keptSequence = null;
    this.skipped = 0;
    this.work = null;
    this.watchedMs = performance.now();
    this.state = {word: "", tone: "waiting", detail: ""};
    this.build();
  }

  build() {
    this.canvas = make("canvas", {width: 1, height: 1, role: "img", "aria-label": `Picture of ${this.name}`});
    this.word = make("strong", {class: "word"});
    this.ageText = make("span", {class: "age"});
    this.detail = make("span", {class: "detail"});
    this.notice = make("div", {class: "notice"}, this.word, this.ageText, this.detail);
    this.values = make("div", {class: "values", hidden: true});
    this.mark = make("span", {class: "mark", hidden: true});
    this.frame = make("div", {class: "frame"}, this.canvas, this.notice, this.values, this.mark);
    this.digit = make("kbd", {class: "digit", "aria-hidden": "true", hidden: true});
    this.shape = make("span", {class: "shape", "aria-hidden": "true"});
    this.chip = make("span", {class: "chip"});
    this.numbers = ["fps", "bits", "latency"].map(() => make("span"));
    this.streamName = make("span", {class: "stream", title: "The stream of the camera that is shown"});
    const open = make("button", {class: "name", type: "button", title: `Show ${this.name} alone`,
      onclick: () => this.host.select(this)}, this.name);
    this.line = make("div", {class: "line"}, this.digit, this.shape, open, this.streamName, this.chip,
      make("span", {class: "numbers"}, ...this.numbers));
    this.element = make("article", {class: "camera", "aria-label": `Camera ${this.name}`, "data-tone": "waiting"},
      this.frame, this.line);
    this.frame.ondblclick = () => this.host.select(this);
    this.zoom = new Zoom(this.frame, this.canvas, (pixel) => this.look(pixel));
  }

  // Starts the worker: the canvas belongs to it from now on.
  start(module, limits) {
    if (this.feed) return;
    this.feed = new Feed({camera: this.name, canvas: this.canvas, module, limits, isRecorded: this.source.isRecorded}, {
      acknowledge: (sequence) => this.source.acknowledge(this.name, sequence),
      restart: () => this.source.restart(this.name),
      decoded: (info) => this.decoded(info),
      drawn: (message) => this.draws(message),
      refused: () => this.tick(),
      values: (message) => this.shows(message),
      kept: ({sequence}) => this.keeps(sequence),
      snapshot: (message) => this.host.saved(message),
    });
  }

  decoded(info) {
    this.meter.decoded(info.bytes);
    if (info.spectrum) this.spectrum = info.spectrum;
    if (info.codec !== this.info?.codec) this.spectrum = info.spectrum;
    this.info = info;
    this.zoom.resize(info.shape[1], info.shape[0]);
  }

  draws(message) {
    if (!this.drawn) performance.mark("rankcast-first-picture");
    this.drawn = message;
    const found = this.source.ageOf(message.tMonoNs, this.camera?.clock, message.atMs);
    // The last picture of a camera that has stopped has an age, which is no latency.
    this.meter.drawn(this.camera?.live === false ? null : found);
    this.tick();
  }

  update(camera) {
    this.camera = camera;
    if (camera) this.listedMs = performance.now();
  }

  // Milliseconds since the receiver last listed this camera.
  goneMs() {
    return this.camera ? 0 : performance.now() - this.listedMs;
  }

  // How the server is to send this camera: "packets", "jpeg" or not at all.
  wish(canDecode) {
    if (!this.isShown || this.isPaused) return null;
    return canDecode && this.camera?.decodes !== "server" ? "packets" : "jpeg";
  }

  show(isShown) {
    if (isShown && !this.isShown) this.watchedMs = performance.now();
    this.isShown = isShown;
    this.element.hidden = !isShown;
  }

  // The key that shows this camera alone, or null.
  showDigit(digit) {
    this.digit.hidden = digit === null;
    write(this.digit, String(digit ?? ""));
  }

  enlarge(isSingle) {
    this.element.classList.toggle("single", isSingle);
    this.zoom.isOn = isSingle;
    this.frame.tabIndex = isSingle ? 0 : -1;
    if (!isSingle) {
      this.zoom.reset();
      this.look(null);
    }
    this.zoom.place();
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.watchedMs = performance.now();
    this.host.changed(this);
    this.tick();
  }

  set(settings) {
    Object.assign(this.settings, settings);
    this.feed?.tell("set", {view: this.settings});
  }

  keep() {
    this.feed?.tell("keep");
  }

  keeps(sequence) {
    this.keptSequence = sequence;
    this.host.tell(sequence === null ? "There is no decoded picture to keep"
      : `Kept picture #${sequence} of ${this.name} as the reference`);
  }

  look(pixel) {
    if (!this.zoom.isOn) pixel = null;
    if (!pixel) this.values.hidden = true;
    this.feed?.tell("look", {probe: pixel});
  }

  shows({x, y, values}) {
    this.values.hidden = !values || !this.zoom.isOn;
    if (!values) return;
    const names = values.length >= 3 ? ["B", "G", "R"] : [];
    const parts = values.map((value, i) => (names[i] ? `${names[i]} ${value}` : `${value}`));
    if (names.length) [parts[0], parts[2]] = [parts[2], parts[0]];
    write(this.values, `x ${x}  y ${y}   ${parts.join("  ")}${this.info?.exact ? "" : "   (JPEG)"}`);
  }

  // Milliseconds since the picture on the canvas was captured. It is at least as old as its drawing:
  // what clocks say may be wrong or unknown.
  ageMs() {
    if (!this.drawn) return null;
    const found = this.source.ageOf(this.drawn.tMonoNs, this.camera?.clock);
    return Math.max(found?.ms ?? 0, nowMs() - this.drawn.atMs);
  }

  tick() {
    this.meter.tick();
    const ageMs = this.ageMs();
    const {latestRefusal} = this.feed ?? {};
    const isRecent = latestRefusal && performance.now() - latestRefusal.atMs < 5000;
    const state = this.source.isRecorded ? this.source.state(this) : pictureState({
      isPaused: this.isPaused, silenceMs: this.source.silenceMs(), camera: this.camera, ageMs,
      watchedMs: performance.now() - this.watchedMs,
      hasJoined: this.drawn?.atMs > performance.timeOrigin + this.watchedMs,
      refusal: isRecent ? latestRefusal : null,
    });
    this.apply(state, ageMs);
  }

  apply(state, ageMs) {
    if (state.word !== this.state.word)
      this.host.announce(`${this.name}: ${state.word ? state.word.toLowerCase() : "live"}`);
    this.state = state;
    this.element.dataset.tone = state.tone;
    write(this.word, state.word);
    write(this.detail, state.detail);
    const hasAge = state.word && ageMs !== null && !this.source.isRecorded;
    write(this.ageText, hasAge ? `picture is ${age(ageMs)} old` : "");
    this.notice.hidden = !state.word;
    write(this.chip, state.word || this.source.chip?.(this) || "LIVE");
    const stream = this.camera?.stream?.name ?? "main";
    write(this.streamName, stream === "main" ? "" : stream);
    const numbers = this.numberTexts(state);
    this.numbers.forEach((element, i) => write(element, numbers[i] ?? ""));
    const mark = this.markText();
    this.mark.hidden = !mark;
    write(this.mark, mark);
  }

  // What the picture on the canvas is, if not simply the newest one.
  markText() {
    if (this.info && !this.info.exact) return "JPEG";
    if (this.drawn?.changed) return `difference to #${this.keptSequence}, × ${this.settings.gain}`;
    return this.drawn?.isIncomparable ? "no difference: the kept picture has another size or pixel format" : "";
  }

  numberTexts({tone}) {
    const {meter} = this;
    if (tone !== "live" && tone !== "recorded") return [];
    const parts = [decimal(meter.rate("drawnFps"), 1, "fps")], {bits} = streamRates(this);
    // Of a recording that the server decodes, nobody says what the stream had.
    if (bits !== null || !this.source.isRecorded) parts.push(bitRate(bits));
    if (!this.source.isRecorded) parts.push(latency(meter.latency()));
    return parts;
  }

  // Share of a core that decoding and painting took over the latest second; null before there is one.
  workShare() {
    if (!this.feed) return null;
    const now = {atMs: performance.now(), ms: this.feed.decodeMs + this.feed.paintMs};
    this.work ??= {from: now, share: null};
    const passedMs = now.atMs - this.work.from.atMs;
    if (passedMs >= 1000) this.work = {from: now, share: (now.ms - this.work.from.ms) / passedMs};
    return this.work.share;
  }

  close() {
    this.feed?.close();
    this.element.remove();
  }
}
