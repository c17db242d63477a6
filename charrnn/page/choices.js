// Several ways to go on, to choose from: characters, words, lines, or longer continuations.

import { button, checkBox, debounce, element, percent, recall, keep, setChildren, visible }
  from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { moveAmongOptions } from "./likeliest.js";

const CHOICE_UNITS = [["word", "Words"], ["character", "Characters"], ["line", "Lines"],
  ["longer", "Longer"]];
const CHOICE_COUNTS = { character: 8, word: 8, line: 5, longer: 4 };
const LONGER_LENGTH = 80;
const CHOICES_DELAY = 300;

export class Choices {
  /**
   * ask(unit, count, signal): a promise of [{text, probability}], the likeliest first.
   * sample(number, length, signal): a promise of what `complete` gives, with log-probabilities.
   * begun(): the part of a word before the caret, which words complete.
   * choose(text): puts a text at the caret.
   * leave(): gives the keyboard back to the text.
   * onSeed(seed): called with the seed of longer continuations.
   * onError(error): called when a person asked and there is no answer.
   */
  constructor(hooks) {
    Object.assign(this, hooks);
    this.unit = recall("choices.unit", "word");
    if (!(this.unit in CHOICE_COUNTS)) this.unit = "word";
    this.isLive = recall("choices.live", true) !== false;
    this.later = debounce(CHOICES_DELAY, () => this.update());
    this.units = CHOICE_UNITS.map(([unit, label]) => button(label, () => this.pickUnit(unit), {
      "aria-pressed": String(unit === this.unit), kind: "segment",
    }));
    this.list = element("div", {
      class: "choice-list", role: "listbox", "aria-label": "Ways to go on",
      onKeydown: (event) => this.onKey(event),
    });
    this.note = element("p", { class: "hint" });
    this.live = checkBox("Keep up with the text", {
      checked: this.isLive,
      onChange: (on) => {
        this.isLive = on;
        keep("choices.live", on);
        this.showRefresh();
        if (on) this.update();
      },
    });
    this.again = button("Refresh", () => this.update({ asked: true }), { kind: "quiet" });
    this.node = element("section", { class: "choices", "aria-labelledby": "choices-title" },
      element("div", { class: "row spread choices-head" },
        element("h2", { id: "choices-title" }, "How could it go on?"),
        element("div", { class: "segments", role: "group", "aria-label": "Size of the choices" },
          ...this.units)),
      this.list, element("div", { class: "row spread" }, this.note,
        element("div", { class: "row" }, this.again, this.live.node)));
    this.showRefresh();
  }

  /** The button is there where nothing, or only chance, would bring other choices. */
  showRefresh() {
    this.again.hidden = this.unit !== "longer" && this.isLive;
  }

  pickUnit(unit) {
    this.unit = unit;
    keep("choices.unit", unit);
    CHOICE_UNITS.forEach(([each], i) => {
      this.units[i].setAttribute("aria-pressed", String(each === unit));
    });
    this.showRefresh();
    this.update({ asked: true });
  }

  /** The text has changed: what is shown is no longer how it goes on. */
  outdate() {
    this.controller?.abort();
    this.list.classList.add("outdated");
    if (this.isLive) this.later();
    else this.clear("The text has changed.");
  }

  /** While the model writes, what is shown stays in its place but cannot be chosen. */
  pause() {
    this.later.cancel();
    this.controller?.abort();
    this.list.classList.add("outdated");
    this.list.inert = true;
  }

  clear(note) {
    this.later.cancel();
    this.controller?.abort();
    setChildren(this.list);
    this.note.textContent = note;
  }

  /** Asks for choices and shows them; `focus` moves the keyboard to the first one. */
  async update({ asked = false, focus = false } = {}) {
    this.later.cancel();
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    const { unit } = this;
    const count = CHOICE_COUNTS[unit];
    try {
      const found = unit === "longer"
        ? await this.askLonger(count, controller.signal)
        : (await this.ask(unit, count, controller.signal)).map(withShare);
      if (controller.signal.aborted) return;
      this.show(found.filter((each) => each.text !== ""));
      if (focus) this.list.querySelector("[role=option]")?.focus();
    } catch (error) {
      if (wasAborted(error)) return;
      this.clear("");
      if (asked || focus) this.onError(error);
    }
  }

  async askLonger(count, signal) {
    const { texts, seed } = await this.sample(count, LONGER_LENGTH, signal);
    this.onSeed(seed);
    const found = texts.map(({ text, log_probability: log }) => {
      const length = Math.max(1, [...text].length);
      const mean = log === null ? null : Math.exp(log / length);
      return { text, value: mean, label: mean === null ? "" : `${percent(mean)} a character` };
    });
    return found.sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  }

  show(found) {
    this.list.inert = false;
    this.list.classList.remove("outdated");
    this.list.classList.toggle("tall", this.unit === "line" || this.unit === "longer");
    const most = Math.max(...found.map((each) => each.value ?? 0), 1e-9);
    const focused = this.list.contains(document.activeElement);
    setChildren(this.list, ...found.map(({ text, value, label }, i) => {
      const begun = this.unit === "word" && /^\S/u.test(text) ? this.begun() : "";
      const shown = begun ? text : text.replace(/^[^\S\n]+(?=.)/u, "");
      const option = button("", () => this.take(text), {
        kind: "option", role: "option", "aria-selected": "false", tabindex: i === 0 ? 0 : -1,
        "aria-label": [`${begun}${visible(shown)}`, label].filter(Boolean).join(", "),
      });
      setChildren(option,
        element("span", { class: "option-text written" },
          begun && element("span", { class: "soft" }, begun), visible(shown)),
        value !== null && element("span", {
          class: "bar", style: { "--part": `${(100 * value) / most}%` },
        }),
        element("span", { class: "number soft" }, label));
      return option;
    }));
    this.note.textContent = found.length === 0 ? "The model has nothing to suggest here." : "";
    if (focused) this.list.querySelector("[role=option]")?.focus();
  }

  take(text) {
    this.focusAgain = this.list.contains(document.activeElement);
    this.choose(text);
  }

  onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      this.leave();
    } else {
      moveAmongOptions(event, this.list);
    }
  }
}

function withShare({ text, probability }) {
  return { text, value: probability, label: percent(probability) };
}
