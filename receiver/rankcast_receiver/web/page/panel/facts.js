// Facts: names and values of one section of the panel, written only where they changed.
import {make, write} from "../view/element.js";

export class Facts {
  constructor(title, {open = true} = {}) {
    this.list = make("dl", {class: "facts"});
    this.element = make("details", {class: "section", open}, make("summary", {}, title), this.list);
    this.rows = new Map();
  }

  // `facts`: pairs of name and text; a text of null leaves the row out.
  set(facts) {
    const wanted = facts.filter(([, text]) => text !== null);
    const names = wanted.map(([name]) => name);
    for (const [name, row] of this.rows)
      if (!names.includes(name)) {
        row.remove();
        this.rows.delete(name);
      }
    wanted.forEach(([name, text], i) => {
      if (!this.rows.has(name)) this.rows.set(name, make("div", {}, make("dt", {}, name), make("dd")));
      const row = this.rows.get(name);
      if (this.list.children[i] !== row) this.list.insertBefore(row, this.list.children[i] ?? null);
      write(row.lastChild, text);
    });
    this.element.hidden = wanted.length === 0;
  }
}
