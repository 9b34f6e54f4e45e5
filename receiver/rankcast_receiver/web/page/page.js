// The page: which cameras are watched, which one is shown alone, and what keys and buttons do.
import {Connection} from "./link/connection.js";
import {Panel} from "./panel/panel.js";
import {splitMessage} from "./stream/packet.js";
import {CameraView} from "./view/camera_view.js";
import {write} from "./view/element.js";
import {Grid} from "./view/grid.js";
import {Keys} from "./view/keys.js";
import {Recordings} from "./view/recordings.js";
import {bitRate} from "./view/text.js";
import {Theme} from "./view/theme.js";
import {saveOriginal, saveBlob} from "./view/saving.js";

const CORE = "/page/rankcast_core.wasm";
const TICK_MS = 100;
const DRAW_MS = 250;
// Of a tab that nobody sees the server sends nothing: it joins again when somebody looks.
const HIDDEN_PAUSE_MS = 3000;
const MAX_SIDE = 65535;
const PAN_PX = 60;
const TOAST_MS = 6000;
// A camera that the receiver no longer lists stays for a while, so that nobody wonders where it went.
const GONE_MS = 60_000;
const NEVER_SEEN_MS = 2000;
const DIGITS = 9;

// The name in an address that somebody may have typed.
function nameIn(text = "") {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const find = (selector) => document.querySelector(selector);

// A server that asks for no token sends whoever wants to log in back to the page.
async function asksForToken() {
  try {
    return (await fetch("/login", {redirect: "manual"})).status === 200;
  } catch {
    return false;
  }
}

// The core, or null where the browser has no WebAssembly with SIMD: then the server sends JPEG.
async function loadCore() {
  try {
    const answer = await fetch(CORE);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return await WebAssembly.compile(await answer.arrayBuffer());
  } catch (error) {
    write(find("#core-note"), "This browser does not decode the streams themselves "
      + `(${error.message}): the server sends JPEG, which is not bit by bit what the camera's stream holds.`);
    find("#core-note").hidden = false;
    return null;
  }
}

class Page {
  constructor() {
    this.views = new Map();
    this.single = null;
    this.panel = null;
    this.isHidden = false;
    this.module = undefined;
    this.core = loadCore().then((module) => {
      this.module = module;
      this.startViews();
      return module;
    });
    this.grid = new Grid(find("#cameras .grid"));
    this.connection = new Connection({
      hello: () => this.hello(),
      cameras: (list) => this.update(list),
      packet: (buffer) => this.packet(buffer),
      skipped: ({camera, frames}) => {
        const view = this.views.get(camera);
        if (view) view.skipped += frames;
      },
      changed: () => this.tick(),
      unauthorised: () => { location.href = `/login${location.hash}`; },
    });
    const {connection} = this;
    this.source = {
      isRecorded: false,
      acknowledge: (camera, sequence) => connection.acks.add(camera, sequence),
      restart: (camera) => connection.restart(camera),
      ageOf: (...given) => connection.clock.ageOf(...given),
      silenceMs: () => connection.silenceMs(),
    };
    this.host = {
      select: (view) => this.go(view === this.single ? "" : `camera=${encodeURIComponent(view.name)}`),
      announce: (text) => this.announce(text),
      tell: (text) => this.toast(text),
      changed: () => this.watch(),
      saved: (file) => this.saved(file),
      go: (hash) => this.go(hash),
      limits: () => this.limits(),
    };
    this.recordings = new Recordings(find("#recordings"), this.core,
      {...this.host, select: () => {}, changed: () => {}});
    this.theme = new Theme(find("#theme"));
    this.keys = new Keys(find("#help-dialog"), this.keyGroups());
    this.bindButtons();
    asksForToken().then((asks) => { find("#log-out").hidden = !asks; });
    addEventListener("hashchange", () => this.route());
    document.addEventListener("visibilitychange", () => this.changeVisibility());
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => this.draw(), DRAW_MS);
    this.route();
  }

  go(hash) {
    location.hash = hash;
  }

  // #camera=NAME, #recordings, #recording=NAME, or nothing for the grid.
  route() {
    const [what, name] = location.hash.slice(1).split("=");
    const recorded = what === "recordings" || what === "recording";
    find("#cameras").hidden = recorded;
    find("#recordings").hidden = !recorded;
    for (const [id, isHere] of [["#to-cameras", !recorded], ["#to-recordings", recorded]])
      find(id).setAttribute("aria-current", isHere ? "page" : "false");
    if (what === "recording") this.recordings.play(nameIn(name));
    else if (what === "recordings") this.recordings.list();
    else this.recordings.stop();
    this.isRecorded = recorded;
    this.showSingle(what === "camera" ? this.views.get(nameIn(name)) ?? null : null);
  }

  showSingle(view) {
    this.single = view;
    for (const one of this.views.values()) {
      one.show(!this.isRecorded && (!view || one === view));
      one.enlarge(one === view);
    }
    this.placePanel(view);
    document.body.classList.toggle("is-single", Boolean(view));
    find("#toolbar").hidden = !view;
    if (view) write(find("#single-name"), view.name);
    this.showPaused();
    document.title = view ? `${view.name} · Rankcast` : "Rankcast";
    this.grid.place();
    this.watch();
  }

  // The panel of a camera stays while the camera is shown: somebody may be typing in it.
  placePanel(view) {
    const mayControl = this.connection.hello ? Boolean(this.connection.hello.control) : this.mayControl;
    if (this.panel?.view === view && mayControl === this.mayControl) return;
    if (!this.panel && !view) return;
    this.mayControl = mayControl;
    this.panel?.element.remove();
    this.panel = null;
    if (!view) return;
    const request = mayControl ? (op, args) => this.connection.request(op, view.name, args) : null;
    this.panel = new Panel(view, request);
    find("#cameras").append(this.panel.element);
    this.panel.draw();
  }

  hello() {
    find("#to-recordings").hidden = !this.connection.hello.recordings;
    this.startViews();
    // Whether anything may be changed is part of the greeting.
    this.showSingle(this.single);
  }

  limits() {
    const {max_packet_bytes, max_samples} = this.connection.hello
      ?? {max_packet_bytes: 32 << 20, max_samples: 2 ** 27};
    return {maxPacketBytes: max_packet_bytes, maxSamples: max_samples, maxSide: MAX_SIDE};
  }

  startViews() {
    if (this.module === undefined || !this.connection.hello) return;
    for (const view of this.views.values()) view.start(this.module, this.limits());
    this.watch();
  }

  update(list) {
    const named = new Map(list.map((camera) => [camera.name, camera]));
    const before = [...this.views.keys()].join("\n");
    for (const name of named.keys())
      if (!this.views.has(name)) this.views.set(name, new CameraView(name, this.source, this.host));
    for (const [name, view] of this.views) {
      view.update(named.get(name) ?? null);
      if (view.goneMs() < (view.drawn ? GONE_MS : NEVER_SEEN_MS)) continue;
      view.close();
      this.views.delete(name);
    }
    find("#empty").hidden = this.views.size > 0;
    if ([...this.views.keys()].join("\n") !== before) {
      this.grid.set(this.views.values());
      this.grid.views.forEach((view, i) => view.showDigit(i < DIGITS ? i + 1 : null));
      this.startViews();
      // The address may name a camera that has just been heard of.
      if (!this.isRecorded) this.route();
    }
    this.watch();
  }

  watch() {
    if (this.module === undefined) return;
    const cameras = {};
    if (!this.isHidden)
      for (const [name, view] of this.views) {
        const wish = view.camera && view.wish(Boolean(this.module));
        if (wish) cameras[name] = wish;
      }
    this.connection.watch(cameras);
  }

  packet(buffer) {
    try {
      const {camera, channel, at} = splitMessage(buffer);
      this.views.get(camera)?.feed?.put(buffer, at, channel);
    } catch (error) {
      this.announce(error.message);
    }
  }

  tick() {
    if (document.hidden) return;
    for (const view of this.views.values()) if (view.isShown) view.tick();
    const silenceMs = this.connection.silenceMs();
    const link = find("#link");
    link.dataset.tone = silenceMs ? "dead" : "live";
    write(link.lastElementChild, silenceMs ? "no connection" : "connected");
  }

  draw() {
    if (document.hidden || this.isRecorded) return;
    this.panel?.draw();
    this.grid.place();
    const shown = [...this.views.values()].filter(({isShown}) => isShown);
    const bits = shown.reduce((sum, view) => sum + (view.meter.rate("bits") ?? 0), 0);
    const all = this.views.size;
    const live = [...this.views.values()].filter(({camera}) => camera?.live).length;
    write(find("#total"), all ? `${live} of ${all} live   ${bitRate(bits)}` : "");
  }

  changeVisibility() {
    clearTimeout(this.hideTimer);
    if (document.hidden) {
      this.hideTimer = setTimeout(() => {
        this.isHidden = true;
        this.watch();
      }, HIDDEN_PAUSE_MS);
      return;
    }
    this.isHidden = false;
    for (const view of this.views.values()) view.watchedMs = performance.now();
    this.watch();
    this.tick();
  }

  announce(text) {
    write(find("#announcer"), text);
  }

  toast(text) {
    write(find("#toast"), text);
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => write(find("#toast"), ""), TOAST_MS);
  }

  saved(file) {
    this.toast(file.error ?? `Saved ${saveBlob(file)}${file.note ? `: ${file.note}` : ""}`);
  }

  async original() {
    this.toast("Asking the sender for the original …");
    try {
      this.saved(await saveOriginal(this.single.name));
    } catch (error) {
      this.saved({error: error.message});
    }
  }

  snapshot(format) {
    if (!this.single) return;
    // Of a camera shown as JPEG the server has the samples: of its newest picture, not of a paused one.
    if (this.single.info && !this.single.info.exact && !this.single.isPaused) {
      const name = encodeURIComponent(this.single.name);
      saveBlob({href: `/api/cameras/${name}/snapshot?format=${format}`, name: ""});
    } else this.single.feed?.tell("snapshot", {format});
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else (this.single?.element ?? find("main")).requestFullscreen?.();
  }

  pause() {
    if (this.isRecorded) this.recordings.pause();
    else if (this.single) this.single.pause(!this.single.isPaused);
    else {
      const isPaused = ![...this.views.values()].every((view) => view.isPaused);
      for (const view of this.views.values()) view.pause(isPaused);
    }
    this.showPaused();
  }

  showPaused() {
    const isPaused = this.single?.isPaused ?? [...this.views.values()].some((view) => view.isPaused);
    find("#pause").setAttribute("aria-pressed", isPaused);
  }

  next(step) {
    const {views} = this.grid;
    if (views.length === 0) return;
    const at = views.indexOf(this.single);
    const to = at < 0 ? (step > 0 ? 0 : views.length - 1) : (at + step + views.length) % views.length;
    this.go(`camera=${encodeURIComponent(views[to].name)}`);
  }

  back() {
    if (this.isRecorded) this.go(location.hash.startsWith("#recording=") ? "recordings" : "");
    else this.go("");
  }

  zoom(action) {
    if (!this.single) return;
    action(this.single.zoom);
    this.single.zoom.lookAtMiddle();
  }

  arrow(dx, dy) {
    if (this.isRecorded) {
      if (dx) this.recordings.step(dx);
      return;
    }
    if (this.single && this.single.zoom.factor > 1.001) this.zoom((zoom) => zoom.pan(-PAN_PX * dx, -PAN_PX * dy));
    else if (dx) this.next(dx);
  }

  togglePanel() {
    const isHidden = document.body.classList.toggle("no-panel");
    find("#panel-toggle").setAttribute("aria-pressed", !isHidden);
    this.grid.place();
  }

  keyGroups() {
    const single = (action) => () => this.single ? action(this.panel.tools, this.single) : false;
    return {
      "Everywhere": [
        ["?", "this list", () => this.keys.open()],
        ["Escape", "back to all cameras, or all recordings", () => this.back()],
        ["Space", "pause and go on", () => this.pause()],
        ["f", "full screen", () => this.fullScreen()],
        ["o", "overlay of the pictures", () => document.body.classList.toggle("no-overlay")],
        ["t", "light or dark", () => this.theme.toggle()],
        ["1 2 3 4 5 6 7 8 9", "the camera of this number", (event) => {
          const view = this.grid.views[Number(event.key) - 1];
          if (view) this.go(`camera=${encodeURIComponent(view.name)}`);
        }],
      ],
      "One camera": [
        ["ArrowLeft ArrowRight", "the camera before and after; pan where enlarged",
          ({key}) => this.arrow(key === "ArrowLeft" ? -1 : 1, 0)],
        ["ArrowUp ArrowDown", "pan where enlarged", ({key}) => this.arrow(0, key === "ArrowUp" ? -1 : 1)],
        ["+ =", "enlarge, with the values of the pixel in the middle", () => this.zoom((zoom) => zoom.in())],
        ["-", "reduce", () => this.zoom((zoom) => zoom.out())],
        ["0", "whole picture", () => this.zoom((zoom) => zoom.reset())],
        ["z", "one pixel to one", () => this.zoom((zoom) => zoom.toPixels())],
        ["s", "snapshot as PNG", () => this.snapshot("png")],
        ["S", "snapshot as TIFF", () => this.snapshot("tiff")],
        ["a", "snapshot of the original, losslessly coded", single(() => this.original())],
        ["k", "keep this picture as a reference", single((_tools, view) => view.keep())],
        ["d", "difference to the kept picture", single((tools) => tools.toggleDifference())],
        ["l", "next way of choosing levels", single((tools) => tools.next("mode"))],
        ["c", "next false colour", single((tools) => tools.next("map"))],
        ["p", "panel", () => this.togglePanel()],
      ],
    };
  }

  bindButtons() {
    const actions = {
      "#back": () => this.back(), "#pause": () => this.pause(), "#png": () => this.snapshot("png"),
      "#tiff": () => this.snapshot("tiff"), "#original": () => this.original(),
      "#zoom-in": () => this.zoom((zoom) => zoom.in()), "#zoom-out": () => this.zoom((zoom) => zoom.out()),
      "#zoom-fit": () => this.zoom((zoom) => zoom.reset()), "#full": () => this.fullScreen(),
      "#panel-toggle": () => this.togglePanel(), "#help": () => this.keys.open(),
    };
    for (const [id, action] of Object.entries(actions)) find(id).onclick = action;
  }
}

// Tests look at the page through this.
window.rankcast = new Page();
