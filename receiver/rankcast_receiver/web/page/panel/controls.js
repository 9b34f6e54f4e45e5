// Controls of a camera and its stream, for receivers with --web-control.
import {make, write} from "../view/element.js";

// Options of codecs that may be set though another one, which excludes them, is in force.
const OPTIONS = {"svd-patch": ["quality", "bitrate"], jpeg: ["quality"]};
const FIELDS = [
  {name: "quality", label: "Quality", unit: "1 to 100", of: "settings", attributes: {min: 1, max: 100, step: 1}},
  {name: "bitrate", label: "Bit rate", unit: "Mbit/s", of: "settings", factor: 1e6,
    attributes: {min: 0.01, step: "any"}},
  {name: "exposure", label: "Exposure", unit: "camera's own unit", of: "camera", attributes: {step: "any"}},
  {name: "gain", label: "Gain", unit: "camera's own unit", of: "camera", attributes: {step: "any"}},
];
const ACTIONS = [
  ["keyframe", "Key frame", "Ask for a key frame"],
  ["trigger", "Trigger", "Make the camera take a picture"],
  ["record.trigger", "Record event", "Record what is in the pre-trigger ring, and what follows"],
];

function isOffered({of, name}, camera, value) {
  if (value !== undefined) return true;
  return of === "settings" && Boolean(OPTIONS[camera?.sender?.codec ?? camera?.stream?.codec]?.includes(name));
}

function edited({target}) {
  target.dataset.edited = "yes";
}

export class Controls {
  // `request(op, args)` resolves to the result.
  constructor(request) {
    this.request = request;
    this.status = make("p", {class: "note", role: "status"});
    this.inputs = FIELDS.map((field) => ({field, input: make("input", {
      type: "number", ...field.attributes, "aria-label": `${field.label}, ${field.unit}`,
      oninput: edited, onchange: edited,
      onkeydown: ({key, target}) => { if (key === "Escape") delete target.dataset.edited; },
    })}));
    const rows = this.inputs.map(({field, input}) => {
      const form = make("form", {class: "row", onsubmit: (event) => this.submit(event, field, input)},
        make("span", {}, field.label, make("small", {}, field.unit)),
        make("span", {class: "pair"}, input, make("button", {}, "Set")));
      return form;
    });
    this.buttons = ACTIONS.map(([op, label, title]) =>
      make("button", {type: "button", title, onclick: () => this.run(label, op)}, label));
    const button = (op) => this.buttons[ACTIONS.findIndex(([name]) => name === op)];
    this.trigger = button("trigger");
    this.record = button("record.trigger");
    this.element = make("details", {class: "section", open: true}, make("summary", {}, "Control"),
      ...rows, make("div", {class: "actions"}, ...this.buttons), this.status);
  }

  // What is in force stands in the inputs, except from the first letter that somebody types to Set or
  // Escape.
  draw({camera}) {
    this.trigger.hidden = camera?.sender?.camera?.trigger !== "on";
    this.record.hidden = !camera?.sender?.events;
    for (const {field, input} of this.inputs) {
      const value = camera?.sender?.[field.of]?.[field.name];
      input.form.hidden = !isOffered(field, camera, value) && !input.dataset.edited;
      if (document.activeElement === input || input.dataset.edited) continue;
      // A rate may be a text, such as "8 Mbit/s".
      const number = Number.parseFloat(value);
      input.placeholder = value === undefined ? "not set" : String(value);
      input.value = Number.isFinite(number) && typeof value === "number" ? number / (field.factor ?? 1) : "";
    }
  }

  submit(event, field, input) {
    event.preventDefault();
    if (input.value === "" || !input.reportValidity()) return;
    delete input.dataset.edited;
    this.run(`${field.label} ${input.value}`, "set", {[field.name]: Number(input.value) * (field.factor ?? 1)});
    input.blur();
  }

  async run(label, op, args = {}) {
    write(this.status, `${label} …`);
    this.status.dataset.tone = "";
    try {
      const result = await this.request(op, args);
      // A trigger answers with all settings of the camera, which it has not changed.
      const [[name, value] = []] = op === "trigger" ? [] : Object.entries(result ?? {});
      write(this.status, name ? `${label}: done, ${name} = ${value}` : `${label}: done`);
    } catch (error) {
      this.status.dataset.tone = "dead";
      write(this.status, `${label}: ${error.message}`);
    }
  }
}
