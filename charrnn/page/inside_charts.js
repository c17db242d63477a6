// Small charts: curves, histograms, and lists of bars. Each is drawn in the width that it has, and
// has its numbers in a table below.

import { element, setChildren } from "./dom.js";
import { shareBar } from "./shares.js";
import { svgElement } from "./svg.js";

const CHART_WIDTH = 560; // before a chart is on the page
const CHART_LEAST = 200;
const CHART_HEIGHT = 250;
const CHART_LETTER = 8.3; // about the width of a digit of the labels
const CHART_LINE = 17;
const CHART_DOTS = 40; // a curve of more points has no dots
const CHART_COLOURS = [0, 1, 2, 3, 4, 6, 7]; // of plot.css; 5 is too near to 0
const DASHES = [null, "8 4", "2 4", "10 3 2 3"]; // curves can be told apart without their colours

/** Formats a number for the labels of an axis: 1,024, but 1.2M. */
export function compact(number) {
  const notation = Math.abs(number) >= 10_000 ? "compact" : "standard";
  return number.toLocaleString("en", { notation, maximumSignificantDigits: 4 });
}

/** Formats a share for the labels of an axis: 40 %. */
export function wholePercent(share) {
  return `${Number((100 * share).toPrecision(3))} %`;
}

/** Returns round numbers from `low` to `high` or beyond: about `count` of them. */
export function roundTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= 0.999 * rough);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  const ticks = [];
  for (let k = first; k <= Math.max(last, first + 1); k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

/** Where a value stands on a logarithmic axis. 0 stands one doubling before 1. */
function doublings(value) {
  return value < 1 ? -1 : Math.log2(value);
}

/**
 * Curves over an axis.
 *   title: what is shown; xLabel, yLabel: the axes.
 *   series: [{name, points: [[x, y], ...]}]; levels: [{name, value}], drawn as dashed lines.
 *   summary: what is seen, in a sentence, for those who do not see the curves.
 *   log: whether the axis below is logarithmic, for numbers from 0 on; floor, ceiling: values that
 *   the axis at the side reaches at least.
 *   xFormat, yFormat: numbers as people read them; yTick: those at the axis.
 */
export function lineChart({
  title, xLabel, yLabel, series, levels = [], summary = "", log = false, floor = Infinity,
  ceiling = -Infinity, xFormat = compact, yFormat = (value) => value.toFixed(3), yTick = compact,
}) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))]
    .sort((a, b) => a - b);
  const values = [
    ...series.flatMap(({ points }) => points.map(([, y]) => y)),
    ...levels.map(({ value }) => value),
  ].filter(Number.isFinite);
  if (values.length === 0) values.push(0);
  const yTicks = roundTicks(Math.min(floor, ...values), Math.max(ceiling, ...values), 4);
  const xTicks = log ? logTicks(xs) : roundTicks(xs[0], xs.at(-1), 5)
    .filter((each) => each >= xs[0] && each <= xs.at(-1));
  const place = log ? doublings : (value) => value;
  const reading = element("p", { class: "soft chart-reading number" }, "\u00a0");
  const draw = (width) => {
    const axes = new ChartAxes({
      width, yTicks, yTick, xLow: place(xs[0]), xHigh: place(xs.at(-1)),
    });
    const picture = axes.picture(title, summary, xLabel,
      xTicks.map((each) => [axes.x(place(each)), xFormat(each)]));
    levels.forEach(({ value }, k) => picture.append(svgElement("line", {
      class: `level run-${colourOf(series.length + k)}`, x1: axes.left, x2: axes.right,
      y1: axes.y(value), y2: axes.y(value), "stroke-dasharray": "5 4", "stroke-width": 1.5,
    })));
    series.forEach(({ points }, k) => picture.append(...curve(k, points
      .filter(([, y]) => Number.isFinite(y)).map(([x, y]) => [axes.x(place(x)), axes.y(y)]))));
    const reader = svgElement("line", {
      class: "reader", y1: axes.top, y2: axes.bottom, visibility: "hidden",
    });
    picture.append(reader);
    picture.addEventListener("pointermove", ({ clientX }) => {
      const at = clientX - picture.getBoundingClientRect().left;
      const away = (x) => Math.abs(axes.x(place(x)) - at);
      const nearest = xs.reduce((a, b) => (away(b) < away(a) ? b : a));
      for (const end of ["x1", "x2"]) reader.setAttribute(end, axes.x(place(nearest)));
      reader.setAttribute("visibility", "visible");
      reading.textContent = readingAt(nearest);
    });
    return picture;
  };
  const yAt = ({ points }, x) => points.find(([other]) => other === x)?.[1];
  const readingAt = (x) => `${xFormat(x)} ${xLabel}: ${series
    .map((each) => [each.name, yAt(each, x)]).filter(([, y]) => Number.isFinite(y))
    .map(([name, y]) => `${series.length > 1 ? `${name} ` : ""}${yFormat(y)}`).join("; ")}`;
  const rows = xs.map((x) => [xFormat(x), ...series.map((each) => {
    const y = yAt(each, x);
    return Number.isFinite(y) ? yFormat(y) : "";
  })]);
  const keys = [
    ...series.map(({ name }, k) => chartKey(name, k, dashesOf(k))),
    ...levels.map(({ name, value }, k) => (
      chartKey(`${name}: ${yFormat(value)}`, series.length + k, "5 4"))),
  ];
  return element("figure", { class: "chart" },
    element("figcaption", { class: "chart-title" }, yLabel),
    keys.length > 1 && element("ul", { class: "chart-keys" }, ...keys),
    chartFrame(draw), reading,
    chartTable(title, [xLabel, ...series.map(({ name }) => name)], rows));
}

/**
 * A histogram: the first series as bars, others as outlines over them.
 *   edges: the bounds of the bins; the last is null where the last bin has all above.
 *   series: [{name, values}]: a share for each bin.
 */
export function histogramChart({ title, xLabel, yLabel, edges, series }) {
  const count = edges.length - 1;
  const yTicks = roundTicks(0, Math.max(...series.flatMap(({ values }) => values), 1e-9), 4);
  const nameBin = (k) => (edges[k + 1] === null || edges[k + 1] === undefined
    ? `${compact(edges[k])} and more` : `${compact(edges[k])}–${compact(edges[k + 1])}`);
  const summary = series.map(({ name, values }) => {
    const most = values.indexOf(Math.max(...values));
    return `Of ${name}, the largest share lies at ${nameBin(most)} ${xLabel}: ${
      sharePercent(values[most])}.`;
  }).join(" ");
  const draw = (width) => {
    const axes = new ChartAxes({ width, yTicks, yTick: wholePercent, xLow: 0, xHigh: count });
    const labels = edges.slice(0, count).map((each, k) => [axes.x(k), compact(each)])
      .filter((_, k) => Number.isInteger(edges[k]));
    const picture = axes.picture(title, summary, xLabel, labels);
    series.forEach(({ values }, k) => {
      if (k === 0) {
        picture.append(...values.map((value, bin) => svgElement("rect", {
          class: "run-0", x: axes.x(bin) + 0.5, width: Math.max(axes.x(bin + 1) - axes.x(bin) - 1, 1),
          y: axes.y(value), height: axes.bottom - axes.y(value),
        })));
      } else {
        const corners = values.flatMap((value, bin) => (
          [[axes.x(bin), axes.y(value)], [axes.x(bin + 1), axes.y(value)]]));
        picture.append(polyline(k, corners, null));
      }
    });
    return picture;
  };
  const rows = Array.from({ length: count }, (_, bin) => (
    [nameBin(bin), ...series.map(({ values }) => sharePercent(values[bin]))]));
  return element("figure", { class: "chart" },
    element("figcaption", { class: "chart-title" }, yLabel),
    series.length > 1 && element("ul", { class: "chart-keys" },
      ...series.map(({ name }, k) => chartKey(name, k, null, k === 0 ? 10 : 2.25))),
    chartFrame(draw),
    chartTable(title, [xLabel, ...series.map(({ name }) => name)], rows));
}

/** Bars beside their names and numbers: [{name, part: from 0 to 1, text}]. */
export function barList(rows, label) {
  return element("ol", { class: "bar-list", "aria-label": label },
    ...rows.map(({ name, part, text }) => element("li", {},
      element("span", { class: "bar-name" }, name),
      element("span", { class: "number" }, text),
      shareBar(part))));
}

/** A share with two digits that count: 12 %, 0.34 %. */
function sharePercent(share) {
  return `${Number((100 * share).toPrecision(share >= 0.1 ? 3 : 2))} %`;
}

// --- the pieces of charts

/** The place of the axes within a picture of some width. */
class ChartAxes {
  constructor({ width, yTicks, yTick, xLow, xHigh }) {
    Object.assign(this, { width, yTicks, yTick, xLow, xHigh });
    const widest = Math.max(...yTicks.map((each) => yTick(each).length));
    this.left = 10 + CHART_LETTER * widest;
    this.right = width - 8;
    this.top = 8;
    this.bottom = CHART_HEIGHT - 2 * CHART_LINE - 8;
  }

  x(place) {
    const share = (place - this.xLow) / (this.xHigh - this.xLow || 1);
    return this.left + share * (this.right - this.left);
  }

  y(value) {
    const [low, high] = [this.yTicks[0], this.yTicks.at(-1)];
    return this.bottom - ((value - low) / (high - low)) * (this.bottom - this.top);
  }

  /** Makes the picture with its axes; `xTicks` are [x, label]: those without room are left out. */
  picture(title, summary, xLabel, xTicks) {
    const picture = svgElement("svg", {
      class: "plot", role: "img", viewBox: `0 0 ${this.width} ${CHART_HEIGHT}`,
      "aria-label": `${title}. ${summary}`.trim(), "font-size": 13,
    });
    const label = (x, y, anchor, text) => svgElement("text", {
      class: "soft", x, y, "text-anchor": anchor,
    }, text);
    for (const tick of this.yTicks) {
      const y = this.y(tick);
      picture.append(
        svgElement("line", { class: "grid", x1: this.left, x2: this.right, y1: y, y2: y }),
        label(this.left - 6, y + 4.5, "end", this.yTick(tick)));
    }
    let taken = -Infinity;
    for (const [x, text] of xTicks) {
      const half = (CHART_LETTER * text.length) / 2;
      const middle = Math.min(Math.max(x, half), this.width - half);
      picture.append(svgElement("line", {
        class: "grid", x1: x, x2: x, y1: this.bottom, y2: this.bottom + 4,
      }));
      if (middle - half < taken + 6) continue;
      picture.append(label(middle, this.bottom + CHART_LINE + 2, "middle", text));
      taken = middle + half;
    }
    picture.append(
      label((this.left + this.right) / 2, this.bottom + 2 * CHART_LINE + 2, "middle", xLabel));
    return picture;
  }
}

/** A place for a picture, which is drawn anew in each width: `draw(width)`. */
function chartFrame(draw) {
  const frame = element("div", { class: "chart-frame" });
  let drawn = 0;
  const redraw = (width) => {
    const whole = Math.max(Math.round(width), CHART_LEAST);
    if (whole === drawn) return;
    drawn = whole;
    setChildren(frame, draw(whole));
  };
  redraw(CHART_WIDTH);
  new ResizeObserver(([{ contentRect: { width } }]) => width > 0 && redraw(width)).observe(frame);
  return frame;
}

function colourOf(k) {
  return CHART_COLOURS[k % CHART_COLOURS.length];
}

function dashesOf(k) {
  return DASHES[k % DASHES.length];
}

function polyline(k, places, dashes = dashesOf(k)) {
  return svgElement("polyline", {
    class: `run-${colourOf(k)}`, fill: "none", "stroke-width": 2.25, "stroke-linejoin": "round",
    points: places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
    "stroke-dasharray": dashes,
  });
}

/** Returns the line of a curve, and its dots where there are few. */
function curve(k, places) {
  const dots = places.length > CHART_DOTS ? [] : places.map(([x, y]) => svgElement("circle", {
    class: `run-${colourOf(k)}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2.75,
  }));
  return [polyline(k, places), ...dots];
}

function chartKey(name, k, dashes, width = 2.5) {
  return element("li", {},
    svgElement("svg", { class: "plot", viewBox: "0 0 26 10", "aria-hidden": "true" },
      svgElement("line", {
        class: `run-${colourOf(k)}`, x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": width,
        "stroke-dasharray": dashes,
      })),
    element("span", {}, name));
}

function logTicks(xs) {
  const ticks = xs[0] < 1 ? [xs[0]] : [];
  for (let tick = 1; tick <= xs.at(-1); tick *= 2) if (tick >= xs[0]) ticks.push(tick);
  return ticks;
}

/** The numbers of a chart as a table, for those who ask for it. */
function chartTable(title, heads, rows) {
  const head = (text, k) => element("th", { scope: "col", class: k > 0 ? "number" : null }, text);
  return element("details", { class: "chart-numbers" },
    element("summary", {}, "The numbers as a table"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      element("table", {},
        element("caption", { class: "unseen" }, title),
        element("thead", {}, element("tr", {}, ...heads.map(head))),
        element("tbody", {}, ...rows.map(([first, ...rest]) => element("tr", {},
          element("th", { scope: "row" }, first),
          ...rest.map((each) => element("td", { class: "number" }, each))))))));
}
