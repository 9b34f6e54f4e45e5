// Light or dark: as the system has it, until somebody chooses.

const KEY = "rankcast-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export class Theme {
  constructor(button) {
    this.button = button;
    button.onclick = () => this.toggle();
    dark.addEventListener("change", () => this.apply());
    this.apply();
  }

  get chosen() {
    // Storage may be forbidden.
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  get isDark() {
    return this.chosen ? this.chosen === "dark" : dark.matches;
  }

  toggle() {
    const next = this.isDark ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch {
      document.documentElement.dataset.theme = next;
      return;
    }
    this.apply();
  }

  apply() {
    document.documentElement.dataset.theme = this.isDark ? "dark" : "light";
    this.button.setAttribute("aria-label", this.isDark ? "Switch to light colours" : "Switch to dark colours");
  }
}
