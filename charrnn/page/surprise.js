// How surprising each character is for the model: scores, levels of color, and words for them.

import { debounce, element, percent, visible } from "./dom.js";
import { wasAborted } from "./engine_error.js";

const SCORED_WINDOW = 4000; // characters around the caret that are scored
const SCORED_LEAD = 200; // characters before them that are only read
const SCORED_STEP = 1000; // windows begin at multiples of this, so that they move seldom
const SCORE_DELAY = 350;

export const HIGHEST_LEVEL = 10;

/** The level of color of a surprisal in bits: one for each bit, up to the highest. */
export function surpriseLevel(bits) {
  return Math.max(0, Math.min(HIGHEST_LEVEL, Math.round(bits)));
}

/** Describes a score in words: "3.2 bits, 11 %, the 4th likeliest". */
export function describeScore({ bits, rank }) {
  const place = rank === 1 ? "the likeliest" : `the ${ordinal(rank)} likeliest`;
  return `${bits.toFixed(1)} bits, ${percent(2 ** -bits)}, ${place}`;
}

function ordinal(number) {
  const endings = { one: "st", two: "nd", few: "rd", other: "th" };
  return number + endings[new Intl.PluralRules("en", { type: "ordinal" }).select(number)];
}

/** Names a character for people. */
export function nameCharacter(text) {
  return /^\s?$/.test(text) ? visible(text) : `“${text}”`;
}

export class Surprise {
  /**
   * editor: shows the levels.
   * score(text, signal): returns a promise of what `score` of the engine gives.
   * read(text): returns {text, places}: what of a text the model reads, and where each unit was.
   * onScores(): called when scores have changed.
   * onError(error): called when they cannot be had.
   */
  constructor(editor, { score, read, onScores, onError }) {
    Object.assign(this, { editor, score, read, onScores, onError });
    this.isOn = false;
    this.scores = new Array(editor.manuscript.length).fill(null);
    editor.levelAt = (i) => {
      const known = this.isOn ? this.scores[i] : null;
      return known ? known.level : -1;
    };
    this.later = debounce(SCORE_DELAY, () => this.update());
    // Before the editor draws, the scores of all characters move to where these are now.
    editor.manuscript.listeners.unshift(({ start, removed, inserted }) => {
      const { scores } = this;
      this.scores = scores.slice(0, start).concat(
        new Array(inserted.length).fill(null), scores.slice(start + removed.length));
    });
  }

  turn(on) {
    this.isOn = on;
    this.controller?.abort();
    this.later.cancel();
    this.editor.redraw();
    return on ? this.update() : Promise.resolve();
  }

  /** Forgets all scores, because another model gives others. */
  forget() {
    this.controller?.abort();
    this.scores.fill(null);
    if (this.isOn) this.editor.redraw();
  }

  /** Scores the text around the caret. */
  async update() {
    if (!this.isOn) return;
    const { manuscript, caret } = this.editor;
    const to = Math.min(manuscript.length, Math.ceil((caret + SCORED_WINDOW / 4) / SCORED_STEP) * SCORED_STEP);
    let from = Math.max(0, Math.floor((to - SCORED_WINDOW) / SCORED_STEP) * SCORED_STEP);
    const begin = Math.max(0, from - SCORED_LEAD);
    if (begin === 0) from = 0;
    const text = manuscript.text;
    const { text: readable, places } = this.read(text.slice(begin, to));
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    if (readable === "") return;
    try {
      const { characters } = await this.score(readable, controller.signal);
      if (controller.signal.aborted || text !== manuscript.text) return;
      this.take(characters, begin, places, from);
      this.editor.redraw(from, to);
      this.onScores();
    } catch (error) {
      if (!wasAborted(error)) this.onError(error);
    }
  }

  take(characters, begin, places, from) {
    let unit = 0;
    for (const { text, log_probability: nats, rank } of characters) {
      const bits = nats === null ? null : -nats / Math.LN2;
      for (let k = 0; k < text.length; k++, unit++) {
        const place = begin + places[unit];
        const known = bits !== null && Number.isFinite(bits) && place >= from;
        if (place >= from) this.scores[place] = known ? { bits, rank, level: surpriseLevel(bits) } : null;
      }
    }
  }

  /** The score of the character at a position, or null. */
  at(position) {
    return this.scores[position] ?? null;
  }

  /** Explains the colors. */
  static legend() {
    const swatches = [0, 2, 4, 6, 8, 10].map((level) => element("span", {
      class: `swatch surprise-${level}`,
    }, level === HIGHEST_LEVEL ? `${level}+` : String(level)));
    return element("p", { class: "legend hint" },
      element("span", { class: "swatches", "aria-hidden": "true" }, ...swatches),
      " bits: the higher the bar behind a character, the less the model expected it. Point at a "
      + "character, or move to it with the arrow keys, to read its value; click it, or press ",
      element("kbd", {}, "Alt"), " ", element("kbd", {}, "↑"),
      ", for the five likeliest in its place.");
  }
}
