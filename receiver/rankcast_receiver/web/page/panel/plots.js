// Plots of one camera: bit rate and latency of the last minute, and its singular values.
import {make, write} from "../view/element.js";
import {isServed} from "../view/served_facts.js";
import {bitRate, decimal} from "../view/text.js";

const SPAN_STEPS = 120;
const MOST_PLANES = 4;

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * [1, 2, 5, 10].find((step) => step * power >= value);
}

class Plot {
  constructor(title) {
    this.canvas = make("canvas", {role: "img", "aria-label": title});
    this.value = make("span", {class: "value"});
    this.note = make("p", {class: "note", hidden: true});
    this.caption = make("span", {}, title);
    this.element = make("figure", {class: "plot"},
      make("figcaption", {}, this.caption, this.value), this.canvas, this.note);
    this.title = title;
  }

  rename(title) {
    this.title = title;
    write(this.caption, title);
  }

  say(text, now) {
    write(this.value, now);
    this.canvas.setAttribute("aria-label", `${this.title}: ${text}`);
  }

  // The context, cleared, in pixels of the page, and the colours of the theme.
  begin() {
    const {clientWidth: width, clientHeight: height} = this.canvas;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    return {context, width, height, accent: colour("--accent"), line: colour("--line"),
      muted: colour("--muted"), font: `11px ${style.fontFamily}`};
  }

  scale({context, width, height, line, muted, font}, top, bottom) {
    context.strokeStyle = line;
    context.lineWidth = 1;
    for (const y of [0.5, height / 2, height - 0.5]) {
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
    }
    context.fillStyle = muted;
    context.font = font;
    context.textAlign = "left";
    context.fillText(top, 4, 13);
    context.fillText(bottom, 4, height - 5);
  }
}

// A line through values that may be missing; `xs` and `ys` are functions of index and value.
function trace(context, values, xs, ys) {
  context.beginPath();
  let isDown = false;
  values.forEach((value, i) => {
    if (value === null || !Number.isFinite(value)) {
      isDown = false;
      return;
    }
    if (isDown) context.lineTo(xs(i), ys(value));
    else context.moveTo(xs(i), ys(value));
    isDown = true;
  });
  context.stroke();
}

class History extends Plot {
  // `show` writes a value as text.
  draw(values, errors, show, now) {
    const known = values.filter((value) => value !== null && Number.isFinite(value));
    const most = Math.max(0, ...known);
    this.say(`now ${now}, most of the last minute ${show(most)}`, now);
    const area = this.begin();
    const top = niceTop(most);
    this.scale(area, show(top), "0");
    const {context, width, height, accent} = area;
    const first = SPAN_STEPS - values.length;
    const xs = (i) => ((first + i) / (SPAN_STEPS - 1)) * width;
    const ys = (value) => height - 1 - (Math.max(0, value) / top) * (height - 2);
    context.strokeStyle = context.fillStyle = accent;
    if (errors) {
      context.globalAlpha = 0.25;
      values.forEach((value, i) => {
        if (value === null) return;
        const [low, high] = [ys(value - errors[i]), ys(value + errors[i])];
        context.fillRect(xs(i) - 1, high, 2, Math.max(1, low - high));
      });
      context.globalAlpha = 1;
    }
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    trace(context, values, xs, ys);
  }
}

class Spectrum extends Plot {
  draw(planes, reason) {
    this.canvas.hidden = !planes;
    this.note.hidden = Boolean(planes);
    if (!planes) {
      write(this.note, reason);
      write(this.value, "");
      return;
    }
    const all = planes.flat();
    const largest = Math.max(...all, 1e-9), smallest = Math.min(...all, largest);
    const ranks = planes.map((plane) => plane.length);
    this.say(`ranks ${ranks.join(", ")}, from ${decimal(largest, 0)} down to ${decimal(smallest, 1)}`,
      `s₁ ${decimal(largest, 0)}`);
    const area = this.begin();
    const top = Math.ceil(Math.log10(largest)), bottom = Math.min(top - 1, Math.floor(Math.log10(smallest)));
    this.scale(area, `10^${top}`, `10^${bottom}`);
    const {context, width, height, accent} = area;
    const longest = Math.max(2, ...ranks);
    context.strokeStyle = accent;
    context.lineWidth = 1.5;
    planes.slice(0, MOST_PLANES).forEach((plane, number) => {
      context.globalAlpha = 1 - 0.25 * number;
      context.setLineDash(number ? [4, 2 * number] : []);
      trace(context, plane, (i) => (i / (longest - 1)) * width,
        (value) => 1 + (top - Math.log10(value)) / (top - bottom) * (height - 2));
    });
    context.globalAlpha = 1;
    context.setLineDash([]);
  }
}

function whyNoSpectrum({info}) {
  if (!info) return "No picture yet.";
  if (isServed(info)) return "The JPEG of the server has no singular values.";
  const rank = Number(info.params[2] ?? 0);
  if (info.codec === "svd-patch")
    return "svd-patch sends no singular values of the whole picture. Of each core of 8 × 8 its encoder "
      + (rank >= 8 ? "keeps all rows and columns." : `keeps the first ${rank} rows and columns.`);
  return `${info.codec} sends no singular values.`;
}

export class Plots {
  constructor() {
    this.rate = new History("Bit rate");
    this.latency = new History("Latency, capture to screen");
    this.spectrum = new Spectrum("Singular values");
    this.element = make("details", {class: "section", open: true}, make("summary", {}, "Plots of the last minute"),
      this.rate.element, this.latency.element, this.spectrum.element);
  }

  draw(view) {
    if (!this.element.open) return;
    const {steps} = view.meter;
    const rate = view.meter.rate("bits");
    this.rate.rename(isServed(view.info) ? "Bit rate of the JPEG to this page" : "Bit rate");
    this.rate.draw(steps.map(({bits}) => bits), null, bitRate, bitRate(rate));
    this.latency.element.hidden = view.source.isRecorded === true;
    const now = view.meter.latency();
    const show = (value) => decimal(value, value < 10 ? 1 : 0, "ms");
    this.latency.draw(steps.map(({latencyMs}) => latencyMs), steps.map(({errorMs}) => errorMs), show,
      now ? `${show(now.ms)} ± ${decimal(now.errorMs, 1)}` : "–");
    this.spectrum.draw(view.spectrum, whyNoSpectrum(view));
  }
}
