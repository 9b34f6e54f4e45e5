// Panel: everything that is known of one camera, beside its picture.
import {CFA_PATTERNS} from "../stream/header.js";
import {make, write} from "../view/element.js";
import {isServed, streamFacts, streamRates} from "../view/served_facts.js";
import {NONE, age, bitRate, byteCount, count, decimal, latency, scalar, size, utc} from "../view/text.js";
import {Controls} from "./controls.js";
import {Facts} from "./facts.js";
import {Plots} from "./plots.js";
import {ViewTools} from "./view_tools.js";

const FIGURES = ["Frame rate", "Bit rate", "Latency", "Age", "PSNR", "Energy kept"];
const LOSS_WORDS = {camera_gap: "before the sender (camera gap)", nobody_watching: "nobody watching"};

function rankText({rank}) {
  if (rank.length === 0) return null;
  const distinct = [...new Set(rank)];
  return distinct.length === 1 ? `${rank[0]}${rank.length > 1 ? ` in each of ${rank.length} planes` : ""}`
    : rank.join(", ");
}

// Streams of a camera, as "main 640 × 360, door 160 × 120 at 200, 100", each on one line.
function streamTexts(streams) {
  return Object.entries(streams ?? {}).map(([name, size]) => {
    const [, width, height, x, y] = /^(?:(\d+)x(\d+))?(?:\+(\d+)\+(\d+))?$/.exec(size) ?? [];
    const parts = [name, width && `${width}\u00a0×\u00a0${height}`, x && `at ${x},\u00a0${y}`];
    return parts.filter(Boolean).join("\u00a0");
  }).join(", ") || null;
}

export class Panel {
  // `request` is null where nothing may be changed.
  constructor(view, request) {
    this.view = view;
    this.chip = make("span", {class: "chip"});
    this.shape = make("span", {class: "shape", "aria-hidden": "true"});
    this.detail = make("p", {class: "note"});
    this.figures = new Map(FIGURES.map((name) => [name, make("dd")]));
    this.plots = new Plots();
    this.tools = new ViewTools(view);
    this.controls = request && new Controls(request);
    this.stream = new Facts("Stream");
    this.checks = new Facts("Checks of this page");
    this.losses = new Facts("Losses by cause");
    this.relay = new Facts("Relay");
    this.sender = new Facts("Sender");
    this.meta = new Facts("Metadata");
    const figures = [...this.figures].map(([name, value]) =>
      make("div", {}, make("dt", {}, name), value));
    this.element = make("aside", {class: "panel", "aria-label": `Details of ${view.name}`},
      make("header", {}, make("h2", {}, view.name), make("p", {class: "state"}, this.shape, this.chip),
        this.detail),
      make("dl", {class: "figures"}, ...figures), this.plots.element, this.tools.element,
      this.controls?.element ?? "", this.stream.element, this.checks.element, this.losses.element,
      this.relay.element, this.sender.element, this.meta.element);
  }

  draw() {
    const {view} = this;
    const {camera, state, meter} = view;
    const info = streamFacts(view);
    const rates = streamRates(view);
    this.element.dataset.tone = state.tone;
    write(this.chip, view.chip.textContent);
    write(this.detail, state.detail);
    const figure = (name, text) => write(this.figures.get(name), text);
    figure("Frame rate", decimal(rates.fps, 1, "fps"));
    figure("Bit rate", bitRate(rates.bits));
    figure("Latency", view.source.isRecorded ? NONE : latency(meter.latency()));
    figure("Age", view.source.isRecorded ? NONE : age(view.ageMs()));
    figure("PSNR", info ? decimal(info.psnrDb, 1, "dB") : NONE);
    figure("Energy kept", info?.energy == null ? NONE : `${(100 * info.energy).toFixed(3)} %`);
    this.plots.draw(view);
    this.tools.draw();
    this.controls?.draw(view);
    this.drawStream(info, meter);
    this.drawChecks(info);
    this.drawLosses(camera);
    this.drawRelay(camera?.sender);
    this.drawSender(camera?.sender);
    this.meta.set([...(info?.meta ?? [])].map(([name, value]) => [name, scalar(value)]));
  }

  drawStream(info, meter) {
    if (!info) {
      this.stream.set([]);
      return;
    }
    const {camera} = this.view;
    const kind = info.kind === null ? "mean of a second" : info.isKey ? (info.kind === 4 ? "reference" : "key frame") : "predicted frame";
    const stream = camera?.stream?.name;
    this.stream.set([
      ["Stream", stream && stream !== "main" ? stream : null],
      ["Codec", info.exact ? info.codec
        : info.codec === "jpeg" ? "jpeg, drawn by the browser" : `${info.codec}, here as JPEG`],
      ["Picture", size(info, CFA_PATTERNS)],
      ["Rank", rankText(info)],
      ["Energy kept", info.energy === null ? "not stated by this codec" : null],
      ["Packet", `${byteCount(info.bytes)}, ${kind}`],
      ["JPEG to this page", isServed(info) ? bitRate(meter.rate("bits")) : null],
      ["Sequence", count(info.sequence)],
      ["Captured", info.tUtcNs === null ? null : utc(info.tUtcNs)],
      ["Shown", decimal(meter.rate("drawnFps"), 1, "fps")],
      ["Received, as the server last said", camera ? count(camera.received) : null],
      ["Latency at the server", camera?.latency_ms
        ? `${decimal(camera.latency_ms.p50, 1)} ms, p99 ${decimal(camera.latency_ms.p99, 1)} ms` : null],
      ["Stale after", camera?.stale_after_s ? decimal(camera.stale_after_s, 1, "s") : null],
    ]);
  }

  drawChecks(info) {
    const {feed, skipped} = this.view;
    if (!feed) return;
    const refusals = [...feed.refusals].map(([kind, times]) => [kind, count(times)]);
    const work = this.view.workShare();
    this.checks.set([
      ["Decoded here", info && !info.exact ? "by the browser (JPEG), not bit by bit"
        : `${count(feed.decoded)} ${feed.decoded === 1 ? "picture" : "pictures"}, CRC-32 verified`],
      ["Checksum verified", count(feed.verified)],
      ["Processor", work === null ? null : `${decimal(100 * work, 1)} % of a core`],
      ["Skipped, too slow or late", count((skipped ?? 0) + feed.dropped)],
      ...refusals,
      ["Latest refusal", feed.latestRefusal ? feed.latestRefusal.text : null],
    ]);
  }

  drawLosses(camera) {
    const rows = [];
    for (const [where, lost] of [["receiver", camera?.lost], ["sender", camera?.sender?.lost]])
      for (const [cause, times] of Object.entries(lost ?? {}))
        if (times) rows.push([`${LOSS_WORDS[cause] ?? cause.replaceAll("_", " ")} (${where})`, count(times)]);
    if (camera && rows.length === 0) rows.push(["None", "0"]);
    this.losses.set(rows);
  }

  drawRelay(sender) {
    const {hops, uplink, lost, clock_error_ms: errorMs} = sender?.relay ?? {};
    this.relay.set(hops === undefined ? [] : [
      ["Relays from the camera to here", count(hops)],
      ["Uplink", uplink === "up" ? "up" : "down"],
      ["Passed on", count(sender.published)],
      ["Not passed on", count(lost)],
      ["Viewers", count(sender.viewers)],
      ["Clock of the camera", errorMs == null ? "unknown to the relay" : `± ${decimal(errorMs, 2)} ms`],
    ]);
  }

  drawSender(sender) {
    if (!sender) {
      this.sender.set([]);
      return;
    }
    const pairs = (map) => Object.entries(map ?? {}).map(([name, value]) => `${name} ${value}`).join(", ") || null;
    // A relay says how many frames and viewers are its own.
    const isRelayed = sender.relay?.hops !== undefined;
    this.sender.set([
      ["Frame rate", decimal(sender.fps, 1, "fps")],
      ["Published", isRelayed ? null : count(sender.published)],
      ["Viewers", isRelayed ? null : count(sender.viewers)],
      ["Streams", streamTexts(sender.streams)],
      ["Codec settings", pairs(sender.settings) ?? "default"],
      ["Camera", pairs(sender.camera)],
      ["Clock", sender.clock?.synchronised === true
        ? `synchronised${sender.clock.error_ms == null ? "" : `, ± ${decimal(sender.clock.error_ms, 2)} ms`}`
        : sender.clock?.synchronised === false ? "not synchronised" : null],
      ["Recorded", sender.recorded ? count(sender.recorded) : null],
    ]);
  }
}
