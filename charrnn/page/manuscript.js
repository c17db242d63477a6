// A text of two authors, with the history of its changes. Nothing here knows the browser.
//
// Positions count UTF-16 units, as the selections of a text area do.

export const PERSON = 0;
export const MODEL = 1;

const MOST_STEPS = 2000;
const TYPING_PAUSE = 1200; // milliseconds after which typing begins a new step of undo

export class Manuscript {
  /** `runs` are pairs of an author and a number of units, as `toJSON` gives them. */
  constructor({ text = "", runs = [] } = {}) {
    this.text = text;
    this.authors = [];
    for (const [author, length] of runs) {
      const kept = Math.min(length, text.length - this.authors.length);
      for (let i = 0; i < kept; i++) this.authors.push(author === MODEL ? MODEL : PERSON);
    }
    while (this.authors.length < text.length) this.authors.push(PERSON);
    this.done = [];
    this.undone = [];
    this.listeners = [];
  }

  get length() {
    return this.text.length;
  }

  /** Calls `listener({start, removed, inserted, author})` after each change. */
  onChange(listener) {
    this.listeners.push(listener);
  }

  /**
   * Replaces the units from `start` to `end`.
   *   author: who wrote the new text; or an array with the author of each unit.
   *   group: changes in a row with the same group are one step of undo. Typing that goes on without
   *     a pause is one step without a group.
   *   caret: where the caret was before, to return there.
   */
  replace(start, end, given, author, { group = null, caret = end } = {}) {
    const inserted = given.replace(/\r\n?/g, "\n"); // as text areas do
    const authors = Array.isArray(author) ? author : new Array(inserted.length).fill(author);
    const removed = this.text.slice(start, end);
    if (removed === inserted && sameItems(authors, this.authors.slice(start, end))) return;
    const step = {
      start, removed, inserted, authorsBefore: this.authors.slice(start, end),
      authorsAfter: authors, caret, group, time: Date.now(), author,
    };
    this.undone = [];
    if (!this.joined(step)) this.done.push(step);
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.apply(start, removed, inserted, authors, author);
  }

  /** Joins a step to the one before it, if people would take both for one. */
  joined(step) {
    const last = this.done.at(-1);
    if (!last || last.closed) return false;
    const goesOn = step.removed === "" && step.start === last.start + last.inserted.length;
    if (step.group !== null && step.group === last.group) {
      if (goesOn) {
        last.inserted += step.inserted;
        last.authorsAfter.push(...step.authorsAfter);
        last.time = step.time;
        return true;
      }
      // A composition replaces what it inserted before.
      if (step.start >= last.start
          && step.start + step.removed.length <= last.start + last.inserted.length) {
        const [a, b] = [step.start - last.start, step.start - last.start + step.removed.length];
        last.inserted = last.inserted.slice(0, a) + step.inserted + last.inserted.slice(b);
        last.authorsAfter.splice(a, b - a, ...step.authorsAfter);
        last.time = step.time;
        return true;
      }
      return false;
    }
    const typing = step.group === null && last.group === null && step.author === PERSON
      && last.author === PERSON && step.time - last.time < TYPING_PAUSE;
    if (!typing) return false;
    if (goesOn && step.inserted.length <= 2 && last.removed === "" && step.inserted !== "\n") {
      last.inserted += step.inserted;
      last.authorsAfter.push(...step.authorsAfter);
      last.time = step.time;
      return true;
    }
    const deletes = step.inserted === "" && last.inserted === "" && step.removed.length <= 2
      && step.start + step.removed.length === last.start;
    if (deletes) {
      Object.assign(last, {
        start: step.start, removed: step.removed + last.removed, time: step.time,
        authorsBefore: [...step.authorsBefore, ...last.authorsBefore],
      });
    }
    return deletes;
  }

  /** Lets the next change begin a new step of undo. */
  closeStep() {
    const last = this.done.at(-1);
    if (last) last.closed = true;
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /** Takes back the last step, and returns where the caret belongs, or null. */
  undo() {
    const step = this.done.pop();
    if (!step) return null;
    step.closed = true;
    this.closeStep();
    this.undone.push(step);
    this.apply(step.start, step.inserted, step.removed, step.authorsBefore, null);
    return Math.min(step.caret, this.length);
  }

  /** Does again what was taken back, and returns where the caret belongs, or null. */
  redo() {
    const step = this.undone.pop();
    if (!step) return null;
    this.done.push(step);
    this.apply(step.start, step.removed, step.inserted, step.authorsAfter, null);
    return step.start + step.inserted.length;
  }

  apply(start, removed, inserted, authors, author) {
    const end = start + removed.length;
    this.text = this.text.slice(0, start) + inserted + this.text.slice(end);
    this.authors = this.authors.slice(0, start).concat(authors, this.authors.slice(end));
    for (const listener of this.listeners) listener({ start, removed, inserted, author });
  }

  /** The share of the text that the model wrote, from 0 to 1. */
  get modelShare() {
    let count = 0;
    for (const author of this.authors) count += author;
    return this.length === 0 ? 0 : count / this.length;
  }

  /** The text by whom it was written: [{text, author, start}]. */
  passages() {
    const found = [];
    for (let start = 0, i = 1; i <= this.length; i++) {
      if (i < this.length && this.authors[i] === this.authors[start]) continue;
      found.push({ text: this.text.slice(start, i), author: this.authors[start], start });
      start = i;
    }
    return found;
  }

  toJSON() {
    const runs = this.passages().map((each) => [each.author, each.text.length]);
    return { text: this.text, runs };
  }
}

function sameItems(a, b) {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
