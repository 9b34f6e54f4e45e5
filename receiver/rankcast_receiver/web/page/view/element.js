// Elements of the page. Texts come from cameras and people: they are never parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

// make("button", {class: "tool", "aria-label": "Pause", onclick}, "Pause", child, ...)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// An icon of the sprite in index.html.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  svg.append(use);
  return svg;
}

export function tool(name, label, key, onclick) {
  const hint = key ? `${label} (${key})` : label;
  return make("button", {class: "tool", type: "button", title: hint, "aria-label": label,
    "aria-keyshortcuts": key, onclick}, icon(name));
}

// Writes a text only where it changed, so that nothing is laid out or read aloud again.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function option(value, label, selected) {
  return make("option", {value, selected: value === selected}, label);
}
