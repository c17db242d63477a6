// Translations: which characters of a source made which symbols of its translation.

import { button, chooser, element, percent, setChildren } from "./dom.js";
import { effectLegend, effectLevel, farthestEffect, onOneLine, withSign } from "./inside_effects.js";
import { nameLetter } from "./inside_text.js";

const LISTED = 3; // the characters that are listed for a symbol
const LEAST_EFFECT = 0.5; // nats from which they are
const SHORT = 40; // characters of a source in the list of them

/** Makes the section Translations, and colours each source by what its characters are worth. */
export function alignmentSection(record, text) {
  return new Translations(record.alignment, text).node;
}

class Translations {
  constructor({ pairs, of_pairs: count }, text) {
    this.pairs = pairs;
    this.text = text;
    this.found = element("div", { class: "stack" });
    this.node = element("section", { class: "card", "aria-labelledby": "alignment-title" },
      element("h2", { id: "alignment-title" }, "Translations"),
      element("p", {}, "Each line of the text is a source. Choose one, and then a symbol of its "
        + "translation: the text shows where it was written, and what it hangs on."),
      count > pairs.length && element("p", { class: "soft" },
        `These are the first ${pairs.length} of ${count.toLocaleString("en")}.`),
      chooser("Source", pairs.map((pair, k) => [String(k), this.nameOf(pair)]), {
        onChange: (k) => this.choose(Number(k)),
      }).node,
      this.found);
    if (pairs.length > 0) this.choose(0);
  }

  sourceOf({ place, length }) {
    return this.text.letters.slice(place, place + length).join("");
  }

  nameOf(pair) {
    const whole = `${this.sourceOf(pair)} → ${pair.target}`;
    const letters = [...onOneLine(whole)];
    return letters.length > 2 * SHORT ? `${letters.slice(0, 2 * SHORT).join("")} …` : letters.join("");
  }

  /** Shows a translation. */
  choose(k) {
    this.pair = this.pairs[k];
    const { problem } = this.pair;
    this.buttons = [];
    setChildren(this.found,
      element("p", { class: "inside-finding" }, this.describe()),
      !problem && this.symbolTable());
    this.showSymbol(null);
    this.text.show(this.pair.place);
  }

  describe() {
    const { target, probability, correct, problem } = this.pair;
    const source = `“${onOneLine(this.sourceOf(this.pair))}”`;
    if (problem) return `${source} has no translation: ${problem}.`;
    const said = `${source} becomes “${onOneLine(target)}”, with a probability of ${
      percent(probability)}.`;
    if (correct.length === 0) return said;
    return correct.includes(target) ? `${said} That is correct.`
      : `${said} Correct would be ${correct.map((each) => `“${onOneLine(each)}”`).join(" or ")}.`;
  }

  symbolTable() {
    const { symbols, nats } = this.pair;
    const heads = ["Symbol", "Nats", "Written at", "Nats more without"].map((name) => (
      element("th", { scope: "col" }, name)));
    const rows = symbols.map((symbol, k) => {
      const choice = button(element("span", { class: "written" }, nameSymbol(symbol)),
        () => this.showSymbol(this.symbol === k ? null : k),
        { "aria-pressed": "false", class: "symbol-choice" });
      this.buttons.push(choice);
      return element("tr", {},
        element("th", { scope: "row" }, choice),
        element("td", { class: "number" }, nats[k].toFixed(2)),
        element("td", {}, this.writtenAt(k)),
        element("td", {}, this.hangsOn(k)));
    });
    return element("div", { class: "scroll" }, element("table", { class: "symbol-table" },
      element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  }

  writtenAt(k) {
    return this.pair.written_at[k].slice(0, LISTED)
      .map(([number, share]) => `${this.nameColumn(number)} ${percent(share)}`).join(", ") || "the ends";
  }

  hangsOn(k) {
    const { pieces, effects } = this.pair;
    const rows = pieces.map(([number, count], each) => ({ number, count, effect: effects[k][each] }))
      .filter(({ effect }) => effect >= LEAST_EFFECT)
      .sort((a, b) => b.effect - a.effect).slice(0, LISTED);
    return rows.map(({ number, count, effect }) => (
      `${this.namePiece(number, count)} +${effect.toFixed(1)}`)).join(", ") || "nothing";
  }

  /** The letter of the source with this number; after its letters come its features. */
  nameColumn(number) {
    const { place, length, features } = this.pair;
    return number < length ? nameLetter(this.text.letters[place + number]) : features[number - length];
  }

  namePiece(number, count) {
    return [...Array(count).keys()].map((each) => this.nameColumn(number + each)).join("");
  }

  /** Colours the source by what its pieces are to a symbol, or to the whole translation. */
  showSymbol(k) {
    this.symbol = k;
    this.buttons.forEach((each, other) => each.setAttribute("aria-pressed", String(other === k)));
    const { place: begin, length, pieces, effects, totals, written_at: places, symbols } = this.pair;
    const values = k === null ? totals : effects[k] ?? [];
    const farthest = farthestEffect(values);
    const owners = new Map(pieces.flatMap(([number, count], each) => (
      [...Array(count).keys()].map((more) => [number + more, values[each]]))));
    const name = k === null ? "the translation" : nameSymbol(symbols[k]);
    const effectAt = (place) => (place < begin + length ? owners.get(place - begin) : undefined);
    this.text.mark(k === null ? [] : places[k].filter(([number]) => number < length)
      .map(([number]) => begin + number));
    this.text.color({
      signed: true,
      level: (place) => {
        const effect = effectAt(place);
        return effect === undefined ? null : effectLevel(effect, farthest);
      },
      title: (place) => {
        const effect = effectAt(place);
        return effect === undefined ? "not of the source that is chosen"
          : `without it, ${name} costs ${withSign(effect, farthest)} nats`;
      },
      legend: effectLegend(farthest, `nats: from the foot up, ${name} costs more without the `
        + "character; from the head down, less. Where it was written is outlined."),
    });
  }
}

/** A symbol of a translation as people read it. */
function nameSymbol(symbol) {
  return [...symbol].length === 1 ? nameLetter(symbol) : onOneLine(symbol);
}
