// Ghost text: what the model would write next, shown after the caret until it is taken.

import { debounce } from "./dom.js";
import { wasAborted } from "./engine_error.js";

const GHOST_LENGTH = 60;
const GHOST_ENOUGH = 12; // with fewer characters left, more are asked for
const GHOST_LOOP = 7; // characters that come a second time are a loop
const GHOST_DELAY = 140;

/** The beginning of a text that one press of Tab takes. */
export function firstUnit(text, unit) {
  if (text.startsWith("\n")) return "\n";
  if (unit === "line") return text.split("\n", 1)[0];
  if (unit === "character") return String.fromCodePoint(text.codePointAt(0));
  return text.match(/^[^\S\n]*[^\s]*/u)[0] || text;
}

/** A text up to where it begins to say the same again, as the likeliest texts of small models do. */
export function withoutLoop(text) {
  for (let end = GHOST_LOOP + 1; end + GHOST_LOOP <= text.length; end++) {
    if (text.slice(0, end + GHOST_LOOP - 1).includes(text.slice(end, end + GHOST_LOOP))) {
      return text.slice(0, end).trimEnd() || text;
    }
  }
  return text;
}

export class GhostText {
  /**
   * editor: shows the text.
   * ask(length, signal): returns a promise of the likeliest continuation at the caret.
   * onShow(text): called whenever the shown text changes.
   */
  constructor(editor, { ask, onShow }) {
    Object.assign(this, { editor, ask, onShow });
    this.isOn = true;
    this.text = "";
    this.place = -1;
    this.isComing = false;
    const wait = debounce(GHOST_DELAY, () => this.request());
    this.later = () => {
      this.isComing = true;
      wait();
    };
    this.cancel = wait.cancel;
  }

  /** Shows a text for the present caret. */
  show(text) {
    this.isComing = false;
    this.text = text;
    this.place = this.editor.caret;
    this.editor.showGhost(text);
    this.onShow(text);
  }

  /** Forgets the text and requests that are under way. */
  dismiss() {
    this.cancel();
    this.controller?.abort();
    this.isComing = false;
    if (this.text !== "") this.show("");
  }

  /** Called when text or caret changed: what was foretold and then typed stays foretold. */
  follow(change = null) {
    const { editor } = this;
    const typed = change && change.removed === "" && change.start === this.place
      && editor.caret === change.start + change.inserted.length
      && this.text.length > change.inserted.length && this.text.startsWith(change.inserted);
    if (typed) this.show(this.text.slice(change.inserted.length));
    else if (editor.caret !== this.place || change) this.dismiss();
    else return;
    if (this.text.length < GHOST_ENOUGH) this.later();
  }

  async request() {
    const { editor } = this;
    if (!this.isOn || !editor.ghostFits) {
      this.isComing = false;
      return;
    }
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    const [text, caret] = [editor.manuscript.text, editor.caret];
    try {
      const found = await this.ask(GHOST_LENGTH, controller.signal);
      const outdated = controller.signal.aborted || text !== editor.manuscript.text
        || caret !== editor.caret || !this.isOn;
      if (!outdated) {
        this.show(found.startsWith("\n") ? "\n" : withoutLoop(found.split("\n", 1)[0]));
      }
    } catch (error) {
      // Suggestions nobody asked for: an engine that is busy or gone says so where people ask.
      if (!wasAborted(error)) this.show("");
    }
  }
}
