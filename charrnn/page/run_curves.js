// The curves of runs: the server's SVG, and a reader that follows a place in time along them.

import { element, setChildren } from "./dom.js";
import { SVG_NAMESPACE, svgElement } from "./svg.js";

const ALLOWED = new Set(["svg", "title", "desc", "rect", "line", "polyline", "circle", "text"]);

/** Returns the picture in an SVG text as an element of this page; throws for anything else. */
export function readPicture(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.namespaceURI !== SVG_NAMESPACE || parsed.localName !== "svg") {
    throw new Error("This is no SVG.");
  }
  for (const each of [parsed, ...parsed.querySelectorAll("*")]) {
    const strange = each.namespaceURI !== SVG_NAMESPACE || !ALLOWED.has(each.localName)
      || [...each.attributes].some(({ localName }) => /^on|href$|^style$/i.test(localName));
    if (strange) throw new Error("This is not a picture that charrnn draws.");
  }
  return document.importNode(parsed, true);
}

/** Returns what a run is measured by: {title, value(evaluation), baseline}. */
export function measureOf(run) {
  const known = run.evaluations.findLast((each) => each.validation_nats !== undefined) ?? {};
  if (known.accuracy !== undefined) {
    return { title: "accuracy", short: "accuracy", value: (each) => each.accuracy };
  }
  if (known.root_mean_squared_error !== undefined) {
    return {
      title: "root mean squared error", short: "error",
      value: (each) => each.root_mean_squared_error,
    };
  }
  const unit = run.unit ? `bits per ${run.unit}` : "bits";
  return { title: unit, short: unit, value: (each) => each.validation_bits };
}

/** The curves in their frame. `onPoint(seconds)` is called for a place that is pointed at. */
export class RunCurves {
  constructor({ onPoint }) {
    this.onPoint = onPoint;
    this.runs = [];
    this.axis = "seconds";
    this.picture = null;
    this.marks = [];
    this.frame = element("div", {
      class: "curves",
      onPointermove: (event) => this.point(event),
      onPointerdown: (event) => this.point(event),
    });
    this.summary = element("p", { class: "soft curves-summary" });
    this.node = element("div", {}, this.frame, this.summary);
  }

  /** The size in pixels that a picture should have here. */
  size() {
    const width = Math.round(Math.min(Math.max(this.frame.clientWidth || 720, 260), 1400));
    return { width, height: width < 520 ? 320 : 400 };
  }

  /** Shows an SVG text of these runs over an axis. */
  show(text, runs, axis) {
    this.picture = readPicture(text);
    this.picture.removeAttribute("width");
    this.picture.removeAttribute("height");
    this.axis = axis;
    this.marks = [];
    setChildren(this.frame, this.picture);
    this.summary.textContent = this.picture.querySelector("desc")?.textContent ?? "";
    this.update(runs);
  }

  update(runs) {
    this.runs = runs;
  }

  clear(message) {
    this.picture = null;
    setChildren(this.frame, element("p", { class: "empty" }, message));
    this.summary.textContent = "";
  }

  /** Marks the evaluation that each run had reached at a time, by the run's name. */
  mark(found) {
    for (const each of this.marks) each.remove();
    this.marks = [];
    if (!this.picture) return;
    this.runs.forEach((run, number) => {
      const evaluation = found.get(run.name);
      if (evaluation) this.draw(this.place(run, evaluation), number);
    });
  }

  draw({ x, y }, number) {
    const { top, bottom } = this.limits();
    const line = svgElement("line", { class: "reader", x1: x, x2: x, y1: top, y2: bottom });
    this.picture.append(line);
    this.marks.push(line);
    if (y === null) return;
    const dot = svgElement("circle", { class: `reader-dot run-${number}`, cx: x, cy: y, r: 6 });
    this.picture.append(dot);
    this.marks.push(dot);
  }

  /** Returns where an evaluation stands in the picture. */
  place(run, evaluation) {
    const { left, right, top, bottom, xLow, xHigh, yLow, yHigh } = this.limits();
    const within = (share) => Math.min(Math.max(share, 0), 1);
    const x = left + within((this.across(run, evaluation) - xLow) / (xHigh - xLow)) * (right - left);
    const value = measureOf(run).value(evaluation);
    if (value === undefined) return { x, y: null };
    return { x, y: bottom - within((value - yLow) / (yHigh - yLow)) * (bottom - top) };
  }

  limits() {
    const numbers = Object.entries(this.picture.dataset).map(([name, value]) => [name, Number(value)]);
    return Object.fromEntries(numbers);
  }

  /** Returns the value of an evaluation on the horizontal axis. */
  across(run, evaluation) {
    if (this.axis === "seconds") return evaluation.seconds;
    if (this.axis === "steps") return evaluation.step;
    const { training } = run;
    const after = training.find((each) => each.step >= evaluation.step);
    const before = training.findLast((each) => each.step < evaluation.step);
    if (after && before) {
      const share = (evaluation.step - before.step) / (after.step - before.step);
      return before.characters + share * (after.characters - before.characters);
    }
    const near = after ?? before;
    return near && near.step > 0 ? near.characters * (evaluation.step / near.step) : 0;
  }

  point(event) {
    if (!this.picture) return;
    const box = this.picture.getBoundingClientRect();
    const scale = this.picture.viewBox.baseVal.width / box.width;
    const at = (event.clientX - box.left) * scale;
    const { left, right } = this.limits();
    if (at < left - 12 || at > right + 12) return;
    let nearest = null;
    this.runs.forEach((run) => {
      for (const each of run.evaluations) {
        const distance = Math.abs(this.place(run, each).x - at);
        if (!nearest || distance < nearest.distance) nearest = { distance, seconds: each.seconds };
      }
    });
    if (nearest) this.onPoint(nearest.seconds);
  }
}
