// Grid: the cameras side by side, in as many columns as make the pictures largest.

const GAP_PX = 10; // also around them
const LINE_PX = 34;
const NARROW_PX = 560;
const TOP_PX = 50;
const PLAIN_ASPECT = 16 / 9;
const scrolls = matchMedia("(max-width: 920px)");

function aspectOf(view) {
  return view.info ? view.info.shape[1] / view.info.shape[0] : PLAIN_ASPECT;
}

// The number of columns, and the height of a picture.
export function layout(width, height, aspects) {
  const count = Math.max(1, aspects.length);
  const aspect = aspects.reduce((sum, one) => sum + one, 0) / count || PLAIN_ASPECT;
  let best = {area: 0, columns: 1, pictureHeight: 0};
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - GAP_PX * (columns - 1)) / columns;
    const cellHeight = (height - GAP_PX * (rows - 1)) / rows - LINE_PX;
    const pictureWidth = Math.min(cellWidth, cellHeight * aspect);
    const area = pictureWidth * pictureWidth;
    if (cellHeight > 0 && area > best.area)
      best = {area, columns, pictureHeight: Math.min(cellHeight, cellWidth / aspect)};
  }
  return best;
}

export class Grid {
  constructor(element) {
    this.element = element;
    this.views = [];
    new ResizeObserver(() => this.place()).observe(element);
  }

  // Shows these views in order of their names, so that no tile moves when another camera is faster.
  set(views) {
    const names = new Intl.Collator(undefined, {numeric: true});
    this.views = [...views].sort((one, other) => names.compare(one.name, other.name));
    this.views.forEach(({element}, i) => {
      if (this.element.children[i] !== element)
        this.element.insertBefore(element, this.element.children[i] ?? null);
    });
    this.place();
  }

  place() {
    const shown = this.views.filter(({isShown}) => isShown);
    const {clientWidth} = this.element;
    const {style} = this.element;
    const isSingle = shown.length === 1 && shown[0].element.classList.contains("single");
    this.element.classList.toggle("alone", isSingle);
    if (isSingle || clientWidth < NARROW_PX) {
      style.gridTemplateColumns = "";
      style.gridAutoRows = "";
      return;
    }
    // A page that scrolls has no height of its own: its tiles fit the window.
    const clientHeight = scrolls.matches ? innerHeight - TOP_PX : this.element.clientHeight;
    const {columns, pictureHeight} = layout(clientWidth - 2 * GAP_PX, clientHeight - 2 * GAP_PX, shown.map(aspectOf));
    style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    style.gridAutoRows = `${Math.max(120, Math.floor(pictureHeight)) + LINE_PX}px`;
  }
}
