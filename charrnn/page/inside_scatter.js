// Labelled points on a plane, of which one is chosen by pointer or keys.

import { element, freshId, setChildren } from "./dom.js";

const SCATTER_MARGIN = 6; // percent of the plane that is left at each edge
const WIDEST_PLANE = 1.25; // its width for a height of 1
const LABEL_HEIGHT = 18; // pixels; labels that would lie on others are left out
const LABEL_WIDTH = 9;
const POINTED_WITHIN = 40; // pixels from a point that is meant

/** The plane. The first points keep their labels where several lie close together. */
export class ScatterPlot {
  /**
   * points: [{x, y, label, name, key, isFaint}]: the label is short, the name is what it is called,
   *   and the key on the keyboard chooses it.
   * title: what is shown; onChoose(number): called with the number of a point that is chosen.
   */
  constructor(points, { title, onChoose }) {
    this.onChoose = onChoose;
    this.chosen = null;
    this.pointed = null;
    this.points = points;
    const { place, ratio } = placesOf(points);
    this.dots = points.map((point, k) => element("span", {
      class: point.isFaint ? "scatter-point faint" : "scatter-point", role: "option", id: freshId("point"), "aria-label": point.name,
      "aria-selected": "false", style: { "--x": `${place[k].x}%`, "--y": `${place[k].y}%` },
    }, element("span", { class: "scatter-label written", "aria-hidden": "true" }, point.label)));
    this.place = place;
    this.node = element("div", {
      class: "scatter", role: "listbox", tabindex: "0", "aria-label": title,
      style: { "--ratio": ratio.toFixed(3) },
      onPointermove: (event) => this.point(this.nearest(event)),
      onPointerleave: () => this.point(null),
      onClick: (event) => {
        const near = this.nearest(event);
        if (near !== null) this.choose(near);
      },
      onKeydown: (event) => this.onKey(event),
    }, ...this.dots);
    this.tip = element("p", { class: "scatter-tip number", "aria-hidden": "true" }, "\u00a0");
    new ResizeObserver(() => this.arrange()).observe(this.node);
  }

  choose(k) {
    if (this.chosen !== null) this.dots[this.chosen].setAttribute("aria-selected", "false");
    this.chosen = k;
    this.dots[k].setAttribute("aria-selected", "true");
    this.node.setAttribute("aria-activedescendant", this.dots[k].id);
    this.arrange();
    this.onChoose(k);
  }

  /** Shows which points belong to the chosen one. */
  relate(numbers) {
    this.dots.forEach((dot, k) => dot.classList.toggle("related", numbers.includes(k)));
    this.related = numbers;
    this.arrange();
  }

  point(k) {
    if (k === this.pointed) return;
    if (this.pointed !== null) this.dots[this.pointed].classList.remove("pointed");
    this.pointed = k;
    if (k !== null) this.dots[k].classList.add("pointed");
    setChildren(this.tip, k === null ? "\u00a0" : this.points[k].name);
  }

  /** The point that is meant by a place of the pointer, or null. */
  nearest({ clientX, clientY }) {
    const box = this.node.getBoundingClientRect();
    let [best, nearest] = [null, POINTED_WITHIN];
    this.place.forEach(({ x, y }, k) => {
      const away = Math.hypot(
        box.left + (x / 100) * box.width - clientX, box.top + (y / 100) * box.height - clientY);
      if (away < nearest) [best, nearest] = [k, away];
    });
    return best;
  }

  /** Leaves out the labels that would lie on others; the chosen one and its own always have theirs. */
  arrange() {
    const { width, height } = this.node.getBoundingClientRect();
    if (width === 0) return;
    const first = [this.chosen, ...(this.related ?? [])].filter((k) => k !== null);
    const order = [...new Set([...first, ...this.points.keys()])];
    const taken = [];
    for (const [rank, k] of order.entries()) {
      const half = (LABEL_WIDTH * [...this.points[k].label].length) / 2 + 2;
      const [x, y] = [(this.place[k].x / 100) * width, (this.place[k].y / 100) * height];
      const isFree = taken.every((each) => Math.abs(each.y - y) >= LABEL_HEIGHT
        || Math.abs(each.x - x) >= each.half + half);
      const isShown = isFree || rank < first.length;
      if (isShown) taken.push({ x, y, half });
      this.dots[k].classList.toggle("unlabelled", !isShown);
    }
  }

  /** Arrows go to the nearest point in their direction; a letter to the point of its name. */
  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    let next = null;
    if (event.key in ways) next = this.beside(this.chosen ?? 0, ways[event.key]);
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = this.points.length - 1;
    else if ([...event.key].length === 1) {
      const found = this.points.findIndex(({ key }) => key === event.key);
      next = found === -1 ? null : found;
    } else return;
    event.preventDefault();
    if (next !== null) this.choose(next);
  }

  /** The point that is nearest to another one in a direction, or null. */
  beside(from, [right, down]) {
    const here = this.place[from];
    let [best, least] = [null, Infinity];
    this.place.forEach(({ x, y }, k) => {
      const ahead = (x - here.x) * right + (y - here.y) * down;
      const aside = Math.abs((x - here.x) * down) + Math.abs((y - here.y) * right);
      if (k === from || ahead <= 0 || aside > 2 * ahead) return;
      const away = ahead + 2 * aside;
      if (away < least) [best, least] = [k, away];
    });
    return best;
  }
}

/**
 * Where points stand on the plane, in percent from its upper left, and its width for a height of 1.
 * Both axes have one scale.
 */
function placesOf(points) {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const span = (values) => Math.max(...values) - Math.min(...values);
  const middle = (values) => (Math.max(...values) + Math.min(...values)) / 2;
  const ratio = Math.min(Math.max(span(xs) / (span(ys) || 1), 1), WIDEST_PLANE);
  const height = Math.max(span(ys), span(xs) / ratio) || 1;
  const scale = (100 - 2 * SCATTER_MARGIN) / height;
  const place = points.map(({ x, y }) => ({
    x: 50 + (scale / ratio) * (x - middle(xs)), y: 50 - scale * (y - middle(ys)),
  }));
  return { place, ratio };
}
