// Effects of pieces of a text, which raise or lower something: their colours, numbers and lists.

import { element } from "./dom.js";
import { withoutTurns } from "./inside_text.js";

const EFFECT_LEVELS = 10; // on each side of nothing
const EFFECT_DIGITS = 3; // of the largest effect
const MOST_DIGITS = 4; // after the point, as in the record

/** The largest effect, which has the strongest colour. */
export function farthestEffect(effects) {
  return effects.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
}

/** The level of colour of an effect, from -10 to 10. */
export function effectLevel(effect, farthest) {
  return farthest > 0 ? Math.round((EFFECT_LEVELS * effect) / farthest) : 0;
}

/** Formats an effect with its sign, and as many digits as the largest one needs: +0.43, −120. */
export function withSign(effect, farthest) {
  const digits = farthest > 0 ? EFFECT_DIGITS - 1 - Math.floor(Math.log10(farthest)) : 0;
  const size = Math.abs(effect).toFixed(Math.min(Math.max(digits, 0), MOST_DIGITS));
  if (Number(size) === 0) return size;
  return `${effect < 0 ? "−" : "+"}${size}`;
}

/** Explains the colours of effects up to the largest, by what each sign means. */
export function effectLegend(farthest, words) {
  if (farthest === 0) return element("p", { class: "legend hint" }, "No piece makes a difference.");
  const swatches = [-10, -5, 5, 10].map((level) => element("span", {
    class: `swatch ${level > 0 ? "above" : "below"}-${Math.abs(level)}`,
  }, withSign((level * farthest) / EFFECT_LEVELS, farthest)));
  return element("p", { class: "legend hint" },
    element("span", { class: "swatches", "aria-hidden": "true" }, ...swatches), ` ${words}`);
}

/**
 * The largest effects, of either sign.
 *   rows: [{effect, place, label}]; each is a link to its place in the InsideText.
 */
export function effectList(rows, text, label, count = 8) {
  const farthest = farthestEffect(rows.map(({ effect }) => effect));
  const largest = [...rows].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, count);
  return element("ol", { class: "effect-list", "aria-label": label },
    ...largest.map((row) => element("li", {},
      text.link(row.place, element("span", { class: "written" }, row.label)),
      element("span", { class: "number" }, withSign(row.effect, farthest)))));
}

/** Shows a piece of a text on one line: its line ends and tabs as signs. */
export function onOneLine(piece) {
  return withoutTurns(piece).replaceAll("\n", "⏎").replaceAll("\r", "").replaceAll("\t", "⇥");
}
