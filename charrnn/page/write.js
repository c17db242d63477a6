// Write: an editor where person and model take turns.

import { findBeginnings } from "./beginnings.js";
import { Choices } from "./choices.js";
import { debounce, keep, recall } from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { Editor } from "./editor.js";
import { firstUnit, GhostText } from "./ghost.js";
import { handleKey } from "./keys.js";
import { LikeliestCharacters } from "./likeliest.js";
import { Manuscript, MODEL, PERSON } from "./manuscript.js";
import { Reading } from "./reading.js";
import { nameCharacter, describeScore, Surprise } from "./surprise.js";
import { Typewriter } from "./typewriter.js";
import { WriteView } from "./write_view.js";

const SAVE_DELAY = 400; // milliseconds
const COUNT_DELAY = 100;
const SEEDS = 2 ** 31; // small enough to be the same number in every language

export const writePart = {
  id: "write",
  title: "Write",
  suits: (model) => model.task === "generate",
  mount(root, context) {
    return new WritePart(root, context);
  },
};

class WritePart {
  constructor(root, context) {
    this.context = context;
    this.reading = new Reading(context);
    const draft = recall("draft", null);
    this.manuscript = new Manuscript(draft ?? {});
    this.editor = new Editor(this.manuscript, {
      label: "Your text", describedBy: "write-keys", onKey: (event) => handleKey(this, event),
      onCaret: () => this.caretMoved(), onTyped: () => this.typed(),
    });
    this.editor.isUnknown = (i) => this.reading.isUnknownAt(this.manuscript.text, i);
    this.surprise = new Surprise(this.editor, {
      score: (text, signal) => context.charrnn.score(text, { model: this.modelId, signal }),
      read: (text) => this.reading.readable(text),
      onScores: () => this.showPlace(), onError: context.showError,
    });
    this.makeHelpers();
    this.view = new WriteView(root, this, {
      ghostIsOn: recall("ghost", true) !== false, unit: recall("ghost.unit", "word"),
    });
    this.ghost.isOn = this.view.ghostBox.value();
    this.manuscript.onChange((change) => this.changed(change));
    this.editor.rebuild();
    this.editor.caret = Math.min(draft?.caret ?? this.manuscript.length, this.manuscript.length);
    this.saveLater = debounce(SAVE_DELAY, () => this.save());
    this.countLater = debounce(COUNT_DELAY, () => this.count());
    window.addEventListener("pagehide", () => this.save());
    context.onModel(() => this.modelChanged());
    this.turns = 0;
  }

  makeHelpers() {
    const { context, editor } = this;
    this.ghost = new GhostText(editor, {
      ask: async (length, signal) => (await context.charrnn.complete(this.prompt(), {
        model: this.modelId, length, temperature: 0, seed: 0, lines: false, signal,
      })).text,
      onShow: (text) => this.ghostShown(text),
    });
    this.sayGhost = debounce(1500, (text) => {
      if (document.activeElement === editor.area) context.announce(`Suggestion: ${text}`);
    });
    this.likeliest = new LikeliestCharacters(editor, {
      // Scores are those after a new line, where a text begins.
      ask: (position, signal) => context.charrnn.suggest(this.reading.scoredPrompt(
        this.manuscript.text, position), {
        model: this.modelId, unit: "character", count: 5, signal,
      }),
      describe: (position) => this.describe(position),
      choose: (position, text) => this.putInPlace(position, text),
      onError: context.showError,
    });
    this.choices = new Choices({
      ask: (unit, count, signal) => context.charrnn.suggest(this.prompt(), {
        model: this.modelId, unit, count, signal,
      }),
      sample: (number, length, signal) => context.charrnn.complete(this.prompt(), {
        ...this.view.settings.values(), length, number, seed: this.chooseSeed(),
        model: this.modelId, lines: false, logprobs: true, signal,
      }),
      begun: () => this.manuscript.text.slice(0, editor.caret).match(/[\p{L}\p{N}]*$/u)[0],
      choose: (text) => this.insert(text),
      leave: () => editor.area.focus(),
      onSeed: (seed) => this.view.showSeed(seed),
      onError: context.showError,
    });
  }

  get modelId() {
    return this.context.model()?.id;
  }

  /** What the model reads before a position. */
  prompt(position = this.editor.caret) {
    return this.reading.prompt(this.manuscript.text, position);
  }

  // --- turns of the model

  get isWriting() {
    return Boolean(this.controller);
  }

  chooseSeed() {
    return this.view.wantedSeed() ?? Math.floor(Math.random() * SEEDS);
  }

  /** Lets the model write at the caret; the same seed at the same place writes the same text. */
  async continueText({ seed = this.chooseSeed(), index = 0 } = {}) {
    if (this.isWriting) {
      this.stop();
      return;
    }
    this.quiet();
    const [begin, prompt, turn] = [this.editor.caret, this.prompt(), (this.turns += 1)];
    const group = `model ${turn}`;
    let position = begin;
    this.editor.caret = begin;
    this.manuscript.closeStep();
    const writer = new Typewriter((piece) => {
      const before = this.manuscript.length;
      this.manuscript.replace(position, position, piece, MODEL, { group, caret: begin });
      position += this.manuscript.length - before;
      this.editor.showPen(position);
    });
    const controller = new AbortController();
    Object.assign(this, { controller, writer });
    this.last = { group, seed, index };
    this.view.showWriting(true);
    this.view.showSeed(seed, index);
    this.editor.showPen(begin);
    try {
      await this.context.charrnn.complete(prompt, {
        ...this.view.settings.values(), seed, index, model: this.modelId, lines: false,
        signal: controller.signal, onText: (text) => writer.push(text),
      });
      await writer.finished();
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
    } finally {
      if (this.controller === controller) this.ended(this.manuscript.text.slice(begin, position));
    }
  }

  ended(text) {
    this.controller = null;
    this.editor.showPen(null);
    this.view.showWriting(false);
    this.manuscript.closeStep();
    this.context.announce(text === "" ? "The model wrote nothing." : `The model wrote: ${text}`);
    this.settle();
  }

  stop() {
    const { controller } = this;
    if (!controller) return;
    this.writer.stop();
    controller.abort();
  }

  /** Whether the last change is a continuation, which another one can replace. */
  get hasContinuation() {
    const step = this.manuscript.done.at(-1);
    return Boolean(this.last) && step?.group === this.last.group;
  }

  /** Replaces the last continuation by another one. */
  another() {
    this.stop();
    const { last } = this;
    if (!this.hasContinuation) return;
    const isSame = this.view.wantedSeed() === last.seed;
    this.controller = null;
    this.editor.undo();
    this.continueText(isSame ? { seed: last.seed, index: last.index + 1 } : {});
  }

  // --- turns of the person

  escape() {
    if (this.isWriting) this.stop();
    else if (!this.likeliest.node.hidden) this.likeliest.close();
    else if (this.ghost.text !== "" || this.ghost.isComing) {
      this.ghost.dismiss();
      this.context.announce("The suggestion is hidden. Tab leaves the text.");
    } else return false;
    return true;
  }

  /** Takes the next unit of the ghost text; false if there is none, and Tab moves on as usual. */
  takeGhost() {
    const { text } = this.ghost;
    if (text === "" || !this.editor.ghostFits || this.isWriting) return false;
    const piece = firstUnit(text, this.view.unit());
    const caret = this.editor.caret;
    this.manuscript.closeStep();
    this.manuscript.replace(caret, caret, piece, MODEL, { caret });
    this.ghost.follow(this.change);
    this.later();
    return true;
  }

  /** Puts a choice at the caret, with the space or line that it begins with. */
  insert(text) {
    this.stop();
    const caret = this.editor.caret;
    this.manuscript.closeStep();
    this.manuscript.replace(caret, caret, text, MODEL, { caret });
    this.manuscript.closeStep();
    this.context.announce(`Written: ${text}`);
    this.settle();
  }

  putInPlace(position, text) {
    this.stop();
    const replaced = this.characterAt(position);
    this.manuscript.closeStep();
    this.manuscript.replace(position, position + replaced.length, text, MODEL, { caret: position });
    this.manuscript.closeStep();
    this.editor.caret = position + text.length;
    this.settle();
  }

  undo(again = false) {
    this.stop();
    this.quiet();
    const worked = again ? this.editor.redo() : this.editor.undo();
    if (worked) this.settle();
    else this.context.announce(again ? "Nothing to do again." : "Nothing to undo.");
  }

  clear() {
    this.stop();
    this.quiet();
    this.manuscript.closeStep();
    this.manuscript.replace(0, this.manuscript.length, "", PERSON, { caret: this.editor.caret });
    this.manuscript.closeStep();
    this.settle();
    this.begin();
    this.editor.area.focus();
  }

  typed() {
    this.stop();
    this.likeliest.close();
    this.ghost.follow(this.change);
    if (this.ghost.text === "") this.ghost.later();
    this.later();
  }

  caretMoved() {
    if (this.isWriting || this.editor.composing) return;
    const moved = this.editor.caret !== this.ghost.place;
    this.ghost.follow();
    if (moved && this.ghost.text === "") this.ghost.later();
    if (this.caretAt !== this.editor.caret) {
      this.choices.outdate();
      this.showPlace();
    }
    this.caretAt = this.editor.caret;
  }

  /** After each change, whoever made it. */
  changed(change) {
    this.change = change;
    this.view.showHistory(this.manuscript, this.hasContinuation);
    this.countLater();
    this.saveLater();
  }

  count() {
    this.view.showCounts(this.manuscript, this.reading.unknownIn(this.manuscript.text));
  }

  /** Hides what belongs to the text as it was. */
  quiet() {
    this.ghost.dismiss();
    this.likeliest.close();
    this.choices.pause();
  }

  /** Asks again for what belongs to the text as it is. */
  settle() {
    this.ghost.dismiss();
    this.ghost.later();
    this.later();
  }

  later() {
    this.caretAt = this.editor.caret;
    this.choices.outdate();
    if (this.surprise.isOn) this.surprise.later();
  }

  // --- what is shown

  ghostShown(text) {
    this.view.showGhost(text === "" ? "" : firstUnit(text, this.view.unit()));
    this.sayGhost.cancel();
    if (text !== "") this.sayGhost(text);
  }

  setGhost(on) {
    keep("ghost", on);
    this.ghost.isOn = on;
    if (on) this.ghost.request();
    else this.ghost.dismiss();
  }

  async setSurprise(on) {
    this.view.showSurprise(on);
    await this.surprise.turn(on);
    this.showPlace();
  }

  characterAt(position) {
    const code = this.manuscript.text.codePointAt(position);
    return code === undefined ? "" : String.fromCodePoint(code);
  }

  describe(position) {
    const character = this.characterAt(position);
    const author = this.manuscript.authors[position] === MODEL ? "written by the model" : "yours";
    return { character, score: this.surprise.isOn ? this.surprise.at(position) : null, author };
  }

  /** Says what the character at a position cost: that at the caret unless the pointer is on one. */
  showPlace(position = this.editor.caret) {
    if (!this.surprise.isOn) return;
    const { character, score, author } = this.describe(position);
    const facts = score ? describeScore(score) : "not scored";
    const text = character === "" ? "" : `${nameCharacter(character)}: ${facts} · ${author}`;
    this.view.showPlace(text);
    if (position === this.editor.caret && document.activeElement === this.editor.area && score) {
      this.sayPlace ??= debounce(500, (said) => this.context.announce(said));
      this.sayPlace(text);
    }
  }

  // --- beginning, models, keeping

  /** Offers beginnings where there is no text yet. */
  async begin() {
    if (this.manuscript.length > 0) return;
    const words = this.context.beginnings
      ?? await findBeginnings(this.context.charrnn, this.modelId)
        .catch((error) => {
          this.context.showError(error);
          return [];
        });
    this.view.showBeginnings(words, (text) => {
      this.manuscript.replace(0, this.manuscript.length, text, MODEL, { caret: 0 });
      this.editor.caret = text.length;
      this.continueText();
    });
  }

  modelChanged() {
    this.stop();
    this.ghost.dismiss();
    this.surprise.forget();
    this.show();
  }

  show() {
    const model = this.context.model();
    if (!model || !writePart.suits(model)) return;
    this.reading.setModel(model);
    this.view.showModel(model);
    this.view.showHistory(this.manuscript, this.hasContinuation);
    this.count();
    this.editor.redraw();
    this.begin();
    this.ghost.later();
    if (this.choices.isLive) this.choices.later();
    if (this.surprise.isOn) this.surprise.later();
  }

  hide() {
    this.quiet();
    this.save();
  }

  save() {
    const worked = keep("draft", { ...this.manuscript.toJSON(), caret: this.editor.caret });
    if (!worked && !this.warned) {
      this.warned = true;
      this.context.showError(new Error(
        "This browser keeps no draft, or has no room for it: save the text before you leave."));
    }
  }
}
