// Keys of the page, and the dialog that lists them.
import {make} from "./element.js";

export class Keys {
  // `groups`: title to a list of [key, what it does, action]; keys are those of KeyboardEvent, several
  // of one action separated by spaces.
  constructor(dialog, groups) {
    this.dialog = dialog;
    this.actions = new Map();
    const names = {" ": "Space", Space: "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑",
      ArrowDown: "↓", Escape: "Esc"};
    const lists = Object.entries(groups).map(([title, keys]) => make("section", {}, make("h3", {}, title),
      make("dl", {class: "keys"}, ...keys.map(([key, text, action]) => {
        const each = key.split(" ");
        for (const one of each) this.actions.set(one === "Space" ? " " : one, action);
        return make("div", {}, make("dt", {}, ...each.map((one) => make("kbd", {}, names[one] ?? one))),
          make("dd", {}, text));
      }))));
    dialog.querySelector(".lists").append(...lists);
    dialog.querySelector(".close").onclick = () => dialog.close();
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.dialog.open) return;
    const {target, key} = event;
    // Keys belong to whoever types, and Space to a button or link that has the focus.
    if (!target.closest || target.closest("input:not([type=checkbox]), select, textarea")) return;
    if ((key === " " || key === "Enter") && target.closest("button, a, summary, input")) return;
    const action = this.actions.get(key);
    if (!action || action(event) === false) return;
    event.preventDefault();
  }

  open() {
    this.dialog.showModal();
  }
}
