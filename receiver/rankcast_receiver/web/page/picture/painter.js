// From samples to the RGBA of a screen: mosaic, levels, false colour, difference to a kept picture.
import {CFA_PATTERNS} from "../stream/header.js";
import {debayered} from "./debayer.js";
import {colourTable} from "./false_colour.js";
import {boundsOf, levelTable} from "./levels.js";

const OPAQUE = 0xff000000;
const GREY = Uint32Array.from({length: 256}, (_, level) => OPAQUE | (level * 0x010101));
const MIDDLE = 128;
const AS_IT_IS = new Set(["auto", "full"]);

export class Painter {
  constructor() {
    this.image = null;
    this.levels = null;
    this.changed = null;
  }

  // Returns ImageData of {height, width, channels, bits, cfa, read, rgba}. `kept` is the picture, with its
  // `samples`, that a difference is taken to, or null. `levels` are then the values shown as black and white.
  paint(picture, view, kept) {
    const {height, width} = picture;
    this.changed = null;
    if (picture.rgba && picture.bits === 8 && !kept && AS_IT_IS.has(view.levels.mode)) {
      this.levels = [0, 255];
      return new ImageData(picture.rgba(), width, height);
    }
    if (this.image?.height !== height || this.image?.width !== width) {
      this.image = new ImageData(width, height);
      this.rgba = new Uint32Array(this.image.data.buffer);
    }
    const shown = this.shownSamples({...picture, samples: picture.read()}, view);
    this.levels = null;
    if (kept) this.paintDifference(shown, this.shownSamples(kept, view), picture.bits, view.gain);
    else this.paintSamples(shown, picture.bits, view);
    return this.image;
  }

  shownSamples({height, width, channels, cfa, samples}, view) {
    if (cfa && channels === 1 && view.debayer !== "off") {
      const colour = debayered(samples, height, width, CFA_PATTERNS[cfa], view.debayer);
      if (colour) return {samples: colour, channels: 3};
    }
    return {samples, channels};
  }

  paintSamples({samples, channels}, bits, view) {
    this.levels = boundsOf(samples, bits, view.levels);
    const size = samples instanceof Uint8Array ? 256 : 65536;
    const [black, white] = this.levels;
    const asIs = size === 256 && black === 0 && white === 255;
    if (channels >= 3) {
      if (asIs && channels === 3) this.fillColour(samples);
      else this.fillLevels(samples, channels, levelTable(size, this.levels));
      return;
    }
    const colours = view.falseColour === "off" ? GREY : colourTable(view.falseColour);
    const table = asIs ? colours
      : Uint32Array.from(levelTable(size, this.levels), (level) => colours[level]);
    const {rgba} = this;
    if (channels === 1) for (let i = 0; i < rgba.length; i++) rgba[i] = table[samples[i]];
    // Of two channels the first is shown.
    else for (let i = 0; i < rgba.length; i++) rgba[i] = table[samples[2 * i]];
  }

  fillColour(samples) {
    const {rgba} = this;
    for (let i = 0, from = 0; i < rgba.length; i++, from += 3)
      rgba[i] = OPAQUE | (samples[from] << 16) | (samples[from + 1] << 8) | samples[from + 2];
  }

  fillLevels(samples, channels, table) {
    const {rgba} = this;
    for (let i = 0, from = 0; i < rgba.length; i++, from += channels)
      rgba[i] = OPAQUE | (table[samples[from]] << 16) | (table[samples[from + 1]] << 8)
        | table[samples[from + 2]];
  }

  // Middle grey is no change; `gain` times the difference is added to it.
  paintDifference({samples, channels}, {samples: before}, bits, gain) {
    const {rgba} = this;
    const scale = gain * 255 / (2 ** bits - 1);
    const step = Math.min(channels, 3) === 3 ? 1 : 0;
    const levels = new Uint8ClampedArray(3);
    let most = 0, count = 0;
    for (let i = 0, from = 0; i < rgba.length; i++, from += channels) {
      let differs = 0;
      for (let channel = 0; channel < 3; channel++) {
        const at = from + step * channel;
        const change = samples[at] - before[at];
        levels[channel] = MIDDLE + scale * change;
        differs = Math.max(differs, Math.abs(change));
      }
      most = Math.max(most, differs);
      count += differs > 0;
      rgba[i] = OPAQUE | (levels[0] << 16) | (levels[1] << 8) | levels[2];
    }
    this.changed = {most, share: count / rgba.length};
  }
}
