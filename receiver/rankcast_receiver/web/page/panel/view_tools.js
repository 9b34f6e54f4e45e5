// How a picture is shown: levels, false colour, mosaic, difference to a kept picture.
import {METHODS} from "../picture/debayer.js";
import {MAPS} from "../picture/false_colour.js";
import {MODES} from "../picture/levels.js";
import {make, option, write} from "../view/element.js";
import {decimal} from "../view/text.js";

const GAINS = [1, 4, 16, 64];
const MODE_NAMES = {auto: "automatic", full: "all bits", minmax: "minimum to maximum",
  percentile: "percentile 0.1–99.9 %", fixed: "fixed"};

export class ViewTools {
  constructor(view) {
    this.view = view;
    const {settings} = view;
    this.mode = this.select(MODES.map((mode) => [mode, MODE_NAMES[mode]]), settings.levels.mode,
      () => this.setLevels());
    this.low = this.number("Black level", settings.levels.low, () => this.fix());
    this.high = this.number("White level", settings.levels.high, () => this.fix());
    this.map = this.select(MAPS.map((map) => [map, map]), settings.falseColour,
      () => view.set({falseColour: this.map.value}));
    this.debayer = this.select(METHODS.map((method) => [method, method]), settings.debayer,
      () => view.set({debayer: this.debayer.value}));
    this.difference = make("input", {type: "checkbox",
      onchange: () => this.toggleDifference(this.difference.checked)});
    this.difference.checked = settings.difference;
    this.gain = this.select(GAINS.map((gain) => [String(gain), `× ${gain}`]), String(settings.gain),
      () => view.set({gain: Number(this.gain.value)}));
    this.gain.setAttribute("aria-label", "Gain of the difference");
    this.wrong = make("p", {class: "note", role: "alert", "data-tone": "dead", hidden: true});
    this.keeper = make("button", {type: "button", onclick: () => view.keep()}, "Keep this picture");
    this.reference = make("span", {}, "Reference");
    this.result = make("p", {class: "note"});
    const row = (label, ...inputs) => make("label", {class: "row"}, make("span", {}, label), ...inputs);
    this.mapRow = row("False colour", this.map);
    this.mosaicRow = row("Mosaic", this.debayer);
    this.element = make("details", {class: "section", open: true}, make("summary", {}, "View"),
      row("Range", this.mode),
      make("div", {class: "row"}, make("span", {}, "Levels"),
        make("span", {class: "pair"}, this.low, this.high)),
      this.wrong,
      this.mapRow, this.mosaicRow,
      make("div", {class: "row"}, this.reference, this.keeper),
      make("div", {class: "row"}, make("label", {class: "check"}, this.difference, "Difference to it"), this.gain),
      this.result);
  }

  select(options, chosen, onchange) {
    return make("select", {onchange}, ...options.map(([value, label]) => option(value, label, chosen)));
  }

  number(label, value, onchange) {
    return make("input", {type: "number", min: 0, max: 65535, step: 1, "aria-label": label, value, onchange});
  }

  setLevels() {
    const isWrong = this.mode.value === "fixed" && !(Number(this.low.value) < Number(this.high.value));
    this.wrong.hidden = !isWrong;
    const [low, high] = [this.low, this.high].map(({value}) => value || "empty");
    write(this.wrong, isWrong ? `Not set: black is ${low}, white is ${high}; white must be above black.` : "");
    for (const input of [this.low, this.high]) input.toggleAttribute("aria-invalid", isWrong);
    if (isWrong) return;
    this.view.set({levels: {mode: this.mode.value, low: Number(this.low.value), high: Number(this.high.value)}});
  }

  fix() {
    this.mode.value = "fixed";
    this.setLevels();
  }

  toggleDifference(isOn = !this.difference.checked) {
    this.difference.checked = isOn;
    if (isOn && this.view.keptSequence === null) this.view.keep();
    this.view.set({difference: isOn});
  }

  // Steps through the choices of a list, for a key.
  next(list) {
    const select = {map: this.map, mode: this.mode}[list];
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    select.onchange();
  }

  draw() {
    const {info, drawn} = this.view;
    const channels = info?.shape[2] ?? 1;
    const isJpeg = info !== null && !info.exact;
    this.mapRow.hidden = channels !== 1 || Boolean(info?.cfa);
    this.mosaicRow.hidden = !info?.cfa;
    for (const input of [this.mode, this.low, this.high, this.keeper, this.difference, this.gain])
      input.disabled = isJpeg;
    if (drawn?.levels && this.mode.value !== "fixed" && ![this.low, this.high].includes(document.activeElement)) {
      this.low.value = Math.round(drawn.levels[0]);
      this.high.value = Math.round(drawn.levels[1]);
    }
    const {keptSequence} = this.view;
    write(this.reference, keptSequence === null ? "Reference" : `Reference: #${keptSequence}`);
    const changed = drawn?.changed;
    write(this.result, isJpeg ? "This picture is a JPEG: it is shown as the browser draws it."
      : changed ? `Largest difference ${changed.most}; ${decimal(100 * changed.share, 1)} % of pixels differ. `
        + "Middle grey is no change."
      : drawn?.isIncomparable ? "The kept picture has another size or pixel format: keep this one instead." : "");
  }
}
