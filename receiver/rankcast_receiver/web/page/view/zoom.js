// Zoom: which part of a picture its frame shows, by wheel, fingers, mouse or keys.

const STEP = 1.25;
const MOST_SCALE = 64;
const SHARP_FROM = 2;

export class Zoom {
  // `frame` holds `canvas`; `look(pixel)` is told what lies under the pointer, or null.
  constructor(frame, canvas, look) {
    this.frame = frame;
    this.canvas = canvas;
    this.look = look;
    this.width = this.height = 0;
    this.factor = 1;
    this.centre = [0.5, 0.5];
    this.pointers = new Map();
    this.isOn = false;
    new ResizeObserver(() => this.place()).observe(frame);
    frame.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    frame.addEventListener("pointerdown", (event) => this.press(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    frame.addEventListener("pointerleave", () => this.look(null));
    for (const name of ["pointerup", "pointercancel"])
      frame.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
  }

  resize(width, height) {
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    this.reset();
  }

  reset() {
    this.factor = 1;
    this.centre = [0.5, 0.5];
    this.place();
  }

  get fit() {
    const {clientWidth, clientHeight} = this.frame;
    return Math.min(clientWidth / this.width, clientHeight / this.height);
  }

  get scale() {
    return Math.max(this.fit, Math.min(MOST_SCALE, this.fit * this.factor));
  }

  place() {
    if (!this.width || !this.frame.clientWidth) return;
    const {clientWidth, clientHeight} = this.frame;
    this.factor = this.scale / this.fit;
    const half = [clientWidth / this.scale / this.width / 2, clientHeight / this.scale / this.height / 2];
    this.centre = this.centre.map((at, axis) =>
      half[axis] >= 0.5 ? 0.5 : Math.max(half[axis], Math.min(1 - half[axis], at)));
    const left = clientWidth / 2 - this.centre[0] * this.width * this.scale;
    const top = clientHeight / 2 - this.centre[1] * this.height * this.scale;
    this.origin = [left, top];
    const {style} = this.canvas;
    style.width = `${this.width}px`;
    style.height = `${this.height}px`;
    style.transform = `translate(${left}px, ${top}px) scale(${this.scale})`;
    const isZoomed = this.factor > 1.001;
    style.imageRendering = isZoomed && this.scale >= SHARP_FROM ? "pixelated" : "auto";
    this.frame.classList.toggle("zoomed", isZoomed);
  }

  // Coordinates of the sample under a point of the window, whether or not it lies in the picture.
  pixelAt(clientX, clientY) {
    const box = this.frame.getBoundingClientRect();
    return {
      x: Math.floor((clientX - box.left - this.origin[0]) / this.scale),
      y: Math.floor((clientY - box.top - this.origin[1]) / this.scale),
    };
  }

  // Enlarges by `times` around a point of the window, by default the middle.
  by(times, clientX, clientY) {
    if (!this.width) return;
    const box = this.frame.getBoundingClientRect();
    const x = (clientX ?? box.left + box.width / 2) - box.left;
    const y = (clientY ?? box.top + box.height / 2) - box.top;
    const at = [(x - this.origin[0]) / this.scale, (y - this.origin[1]) / this.scale];
    this.factor = Math.max(1, this.factor * times);
    const {scale} = this;
    const {clientWidth, clientHeight} = this.frame;
    this.centre = [
      (at[0] + (clientWidth / 2 - x) / scale) / this.width,
      (at[1] + (clientHeight / 2 - y) / scale) / this.height,
    ];
    this.place();
  }

  in() { this.by(STEP); }
  out() { this.by(1 / STEP); }

  // One sample of the picture is one pixel of the screen.
  toPixels() {
    this.factor = Math.max(1, 1 / (this.fit * devicePixelRatio));
    this.place();
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale / this.width,
      this.centre[1] - dy / this.scale / this.height];
    this.place();
  }

  lookAtMiddle() {
    const box = this.frame.getBoundingClientRect();
    if (this.width) this.look(this.pixelAt(box.left + box.width / 2, box.top + box.height / 2));
  }

  wheel(event) {
    if (!this.isOn || !this.width) return;
    event.preventDefault();
    this.by(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX, event.clientY);
    this.look(this.pixelAt(event.clientX, event.clientY));
  }

  press(event) {
    if (!this.isOn) return;
    this.pointers.set(event.pointerId, event);
    this.frame.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.isOn || !this.width) return;
    const before = this.pointers.get(event.pointerId);
    if (before && this.pointers.size === 1)
      this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    else if (before && this.pointers.size === 2) this.pinch(before, event);
    if (before) this.pointers.set(event.pointerId, event);
    this.look(this.pixelAt(event.clientX, event.clientY));
  }

  pinch(before, event) {
    const other = [...this.pointers.values()].find(({pointerId}) => pointerId !== event.pointerId);
    const distance = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const middle = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
    if (distance(before) > 0) this.by(distance(event) / distance(before), ...middle);
    this.pan((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
  }
}
