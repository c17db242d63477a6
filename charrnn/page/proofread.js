// Proofread: probable mistakes in a text, each with corrections to accept or to ignore.

import { button, copy, debounce, element, saveAs, setChildren, slider, textField, visible }
  from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { knowsAll } from "./shares.js";

const LOWEST_THRESHOLD = 2; // of the slider; the engine is asked once, for all above it
const USUAL_THRESHOLD = 8;
const CHECK_PAUSE = 600; // milliseconds without typing
const TYPOS = "The quikc brown fox jumps over teh lazy dog, and the dog does nott mind.";
const AROUND = 24; // the most characters of a word that are shown on each side of a change
const KINDS = {
  substitute: "a wrong character", delete: "one too many", insert: "one missing", swap: "swapped",
};

export const proofreadPart = {
  id: "proofread",
  title: "Proofread",
  suits: (model) => model.task === "restore",
  mount: (root, context) => new Proofreader(root, context),
};

class Proofreader {
  constructor(root, context) {
    this.context = context;
    this.letters = []; // the text as characters, which is how findings count
    this.findings = [];
    this.ignored = new Set();
    this.before = []; // earlier texts, for Undo
    this.request = null;
    this.later = debounce(CHECK_PAUSE, () => this.check());
    this.input = textField("Text", {
      rows: 7, class: "written", onInput: this.later,
      reason: "Type or paste a text like the one that the model learned from. Nothing changes in it "
        + "that you have not accepted.",
    });
    this.threshold = slider("Threshold",
      "A lower one finds more mistakes, and doubts more words that are right.", {
        name: "threshold", min: LOWEST_THRESHOLD, max: 20, step: 0.5, value: USUAL_THRESHOLD,
        format: (value) => `${value.toFixed(1)} nats`, onInput: () => this.showFindings(),
      });
    this.example = button("Try an example", () => {
      this.input.set(TYPOS);
      this.check();
    }, { kind: "quiet" });
    this.marked = element("p", { class: "written marked-text" });
    this.status = element("p", { class: "soft" });
    this.applyAll = button("Accept all", () => this.acceptAll(), { kind: "primary" });
    this.undo = button("Undo", () => this.takeBack());
    this.tools = element("div", { class: "row" }, this.applyAll, this.undo,
      button("Copy", () => this.copyText()),
      button("Save as text", () => saveAs("corrected.txt", this.input.value())));
    this.markedCard = element("section", { class: "card", "aria-label": "The text, marked" },
      this.marked, this.status, this.tools);
    this.list = element("ol", {
      class: "findings", "aria-label": "Probable mistakes", onKeydown: (event) => this.onKey(event),
    });
    this.listCard = element("section", { class: "card", "aria-labelledby": "findings-title" },
      element("h2", { id: "findings-title" }, "Probable mistakes"),
      this.list,
      element("p", { class: "soft keys-hint" }, element("kbd", {}, "↓"), " ", element("kbd", {}, "↑"),
        " go to the next and the previous one, ", element("kbd", {}, "Enter"), " accepts, ",
        element("kbd", {}, "Delete"), " ignores."));
    setChildren(root, element("div", { class: "beside" },
      element("div", { class: "stack" },
        element("div", { class: "card" }, this.input.node, this.example), this.markedCard),
      element("div", { class: "stack" },
        element("div", { class: "card" }, this.threshold.node), this.listCard)));
    context.onModel((model) => model.task === "restore" && this.check());
    this.showFindings();
  }

  show() {}

  hide() {}

  // --- finding

  async check() {
    this.later.cancel();
    this.request?.abort();
    this.request = new AbortController();
    const text = this.input.value();
    this.example.hidden = text !== "" || !knowsAll(this.context.model(), TYPOS);
    let found = [];
    if (text.trim() !== "") {
      try {
        found = await this.context.charrnn.proofread(text, {
          model: this.context.model().id, threshold: LOWEST_THRESHOLD, signal: this.request.signal,
        });
      } catch (error) {
        if (!wasAborted(error)) this.context.showError(error);
        return;
      }
    }
    if (this.input.value() !== text) return; // what was found is of an earlier text
    this.letters = [...text];
    this.findings = found.map(({ correction, others, line }) => ({
      line, begin: correction.begin, end: correction.end, kind: correction.kind,
      gain: correction.gain, changes: [correction, ...others],
    }));
    this.showFindings();
    this.context.announce(this.status.textContent);
  }

  /** The findings that the threshold and the person let through. */
  open() {
    const least = this.threshold.value();
    return this.findings.filter((each) => each.gain >= least && !this.ignored.has(this.keyOf(each)));
  }

  /** What makes a finding the same one after a change elsewhere. */
  keyOf({ begin, end, changes }) {
    const around = this.letters.slice(Math.max(begin - 12, 0), end + 12).join("");
    return `${around}\n${changes[0].replacement}`;
  }

  // --- changing the text

  /** Whether the findings are those of the text as it is now; if not, it is read again. */
  isRead() {
    if (this.input.value() === this.letters.join("")) return true;
    this.check();
    return false;
  }

  accept(finding, change = finding.changes[0]) {
    if (!this.isRead()) return;
    this.before.push(this.input.value());
    this.replace(finding, change);
    this.afterChange(finding, `Changed to ${this.wordOf(change.begin, change.begin
      + [...change.replacement].length)}.`);
  }

  ignore(finding) {
    const place = this.open().indexOf(finding);
    this.ignored.add(this.keyOf(finding));
    this.afterChange(finding, "Ignored.", place);
  }

  acceptAll() {
    if (!this.isRead()) return;
    const findings = this.open();
    this.before.push(this.input.value());
    for (const each of findings.toReversed()) this.replace(each, each.changes[0]);
    this.showFindings();
    this.undo.focus();
    this.context.announce(`${findings.length} corrections were made.`);
  }

  takeBack() {
    if (this.before.length === 0) return;
    this.input.set(this.before.pop());
    this.context.announce("The last change was undone.");
    this.check();
  }

  /** Changes the text; the places of the other findings move with it. */
  replace(finding, { begin, end, replacement }) {
    const inserted = [...replacement];
    this.letters.splice(begin, end - begin, ...inserted);
    const moved = inserted.length - (end - begin);
    this.findings = this.findings.filter((each) => each !== finding);
    for (const each of this.findings) {
      if (each.begin < begin) continue;
      each.begin += moved;
      each.end += moved;
      each.changes = each.changes.map((change) => (
        { ...change, begin: change.begin + moved, end: change.end + moved }));
    }
    this.input.set(this.letters.join(""));
  }

  afterChange(finding, said, place = this.places.get(finding) ?? 0) {
    this.showFindings();
    const rest = this.list.children;
    if (rest.length > 0) rest[Math.min(place, rest.length - 1)].querySelector("button").focus();
    else this.input.input.focus();
    this.context.announce(`${said} ${this.status.textContent}`);
    if (rest.length === 0) this.check(); // what was wrong may have hidden more
  }

  // --- what is shown

  showFindings() {
    const findings = this.open();
    this.places = new Map(findings.map((each, k) => [each, k]));
    const text = this.letters.join("");
    this.markedCard.hidden = text === "";
    this.listCard.hidden = findings.length === 0;
    this.applyAll.disabled = findings.length === 0;
    this.undo.disabled = this.before.length === 0;
    const count = findings.length === 1 ? "1 probable mistake" : `${findings.length} probable mistakes`;
    this.status.textContent = findings.length > 0 ? `${count}.` : "No mistakes found.";
    setChildren(this.marked, ...this.markedPieces(findings));
    setChildren(this.list, ...findings.map((each) => this.findingNode(each)));
  }

  markedPieces(findings) {
    const pieces = [];
    let done = 0;
    findings.forEach((each, k) => {
      const { begin, end, replacement } = each.changes[0];
      const next = findings[k + 1]?.changes[0].begin ?? this.letters.length;
      let [first, last] = this.bounds(begin, end);
      if (first < done || last > next) [first, last] = [begin, end]; // two in one word
      const text = (from, to) => this.letters.slice(from, to).join("");
      const [wrong, right] = [text(first, last), text(first, begin) + replacement + text(end, last)];
      pieces.push(text(done, first), element("button", {
        type: "button", class: "mistake", "aria-label": this.describe(each),
        onClick: () => this.list.children[k]?.querySelector("button").focus(),
      }, wrong && element("del", {}, visible(wrong)), wrong && right && " ",
      right && element("ins", {}, visible(right))));
      done = last;
    });
    return [...pieces, this.letters.slice(done).join("")];
  }

  findingNode(finding) {
    const [best, ...others] = finding.changes;
    const nats = `${finding.gain.toFixed(1)} nats`;
    return element("li", { class: "finding" },
      element("p", { class: "written finding-change" },
        element("del", {}, this.wordOf(best.begin, best.end)), " → ",
        element("ins", {}, this.corrected(best))),
      element("p", { class: "soft reason" },
        `Line ${finding.line}: ${KINDS[finding.kind] ?? finding.kind}, ${nats}.`),
      element("div", { class: "row" },
        button("Accept", () => this.accept(finding), { "aria-label": `Accept: ${this.describe(finding)}` }),
        ...this.otherWords(finding, others).map(([word, change]) => (
          button(word, () => this.accept(finding, change), { "aria-label": `Change to ${word}` }))),
        button("Ignore", () => this.ignore(finding), {
          kind: "quiet", "data-ignore": true, "aria-label": `Ignore: ${this.describe(finding)}`,
        })));
  }

  /** Other corrections of a mistake, each word once. */
  otherWords(finding, others) {
    const words = new Map([[this.corrected(finding.changes[0]), null]]);
    for (const change of others) {
      const word = this.corrected(change);
      if (!words.has(word)) words.set(word, change);
    }
    return [...words].slice(1);
  }

  describe({ changes: [best] }) {
    return `${this.wordOf(best.begin, best.end)} to ${this.corrected(best)}`;
  }

  /** The word, or words, that a range of the text is in. */
  wordOf(begin, end) {
    const [first, last] = this.bounds(begin, end);
    return visible(this.letters.slice(first, last).join(""));
  }

  corrected({ begin, end, replacement }) {
    const [first, last] = this.bounds(begin, end);
    return visible(this.letters.slice(first, begin).join("") + replacement
      + this.letters.slice(end, last).join(""));
  }

  bounds(begin, end) {
    let [first, last] = [begin, end];
    const inWord = (place) => this.letters[place] !== undefined && /\S/u.test(this.letters[place]);
    while (begin - first < AROUND && inWord(first - 1)) first -= 1;
    while (last - end < AROUND && inWord(last)) last += 1;
    return [first, last];
  }

  // --- keys and the clipboard

  onKey(event) {
    const rows = [...this.list.children];
    const place = rows.findIndex((each) => each.contains(document.activeElement));
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      const next = Math.min(Math.max(place + moves[event.key], 0), rows.length - 1);
      rows[next].querySelector("button").focus();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      rows[place].querySelector("[data-ignore]").click();
    } else return;
    event.preventDefault();
  }

  async copyText() {
    const worked = await copy(this.input.value());
    this.context.announce(worked ? "The text was copied." : "The browser does not allow that.");
  }
}
