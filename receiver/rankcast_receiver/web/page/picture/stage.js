// Stage: the newest picture of a camera on its canvas, and everything that is asked about it.
import {Painter} from "./painter.js";
import {PLAIN_VIEW} from "./view_settings.js";

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", {alpha: false});
    this.painter = new Painter();
    this.view = PLAIN_VIEW;
    this.picture = null;
    this.kept = null;
    this.paintMs = 0;
  }

  // `picture` has height, width, channels, bits, cfa, info, and `read()` for its samples and
  // perhaps `rgba()` for its pixels, or `bitmap`.
  put(picture) {
    this.picture?.bitmap?.close();
    this.picture = picture;
  }

  // Gives the picture samples of its own, which no later picture replaces.
  hold() {
    const {picture} = this;
    if (!picture || picture.bitmap) return;
    const samples = picture.read().slice();
    this.picture = {...picture, read: () => samples, rgba: null};
  }

  draw() {
    const {picture, context} = this;
    if (this.canvas.width !== picture.width || this.canvas.height !== picture.height) {
      this.canvas.width = picture.width;
      this.canvas.height = picture.height;
    }
    if (picture.bitmap) {
      context.drawImage(picture.bitmap, 0, 0);
      return {levels: null, changed: null, isIncomparable: false};
    }
    const start = performance.now();
    const comparable = this.comparable();
    const image = this.painter.paint(picture, this.view, comparable);
    this.paintMs += performance.now() - start;
    context.putImageData(image, 0, 0);
    const isIncomparable = this.view.difference && this.kept !== null && comparable === null;
    return {levels: this.painter.levels, changed: this.painter.changed, isIncomparable};
  }

  // The kept picture, if a difference to it is wanted and makes sense.
  comparable() {
    const {kept, picture} = this;
    const same = kept && this.view.difference
      && ["height", "width", "channels", "cfa"].every((name) => kept[name] === picture[name])
      && kept.samples.BYTES_PER_ELEMENT === picture.sampleBytes;
    return same ? kept : null;
  }

  keep() {
    if (!this.picture || this.picture.bitmap) return null;
    this.kept = {...this.picture, samples: this.picture.read().slice()};
    return this.kept.info.sequence;
  }

  // The samples of one pixel, in the order of the stream: B, G, R where it has three.
  valuesAt(x, y) {
    const {picture} = this;
    if (!picture || x < 0 || y < 0 || x >= picture.width || y >= picture.height) return null;
    if (picture.bitmap) {
      const [red, green, blue] = this.context.getImageData(x, y, 1, 1).data;
      return [blue, green, red];
    }
    const pixel = y * picture.width + x;
    if (picture.rgba) {
      const [red, green, blue] = picture.rgba().subarray(4 * pixel);
      return [blue, green, red];
    }
    const at = pixel * picture.channels;
    return Array.from(picture.read().subarray(at, at + picture.channels));
  }
}
