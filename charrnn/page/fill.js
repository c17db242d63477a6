// Fill: the gaps of a text, and what may stand in each of them.

import { button, chooser, copy, debounce, element, percent, saveAs, setChildren, textField, visible }
  from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { ShareList, knowsAll } from "./shares.js";

const SIGN = "_"; // what people type for a missing character
const GAP = "\uE000"; // what the engine gets for it: people may well choose a _ for a gap
const LONGEST_GAP = 12;
const ALTERNATIVES = 8;
const GAPPED = "The quick br_wn f__ jumps over the l_zy dog, and the d__ does not m__d.";
const PAUSE = 350; // milliseconds without typing
const LENGTHS = [["same", "One letter for each _"], ["any", `Any length, up to ${LONGEST_GAP}`]];

export const fillPart = {
  id: "fill",
  title: "Fill",
  suits: (model) => model.task === "restore",
  mount: (root, context) => new GapFiller(root, context),
};

class GapFiller {
  constructor(root, context) {
    this.context = context;
    this.pieces = []; // strings, and gaps {size, filled, probability, chosen}
    this.current = null; // the gap whose alternatives are shown
    this.request = null;
    const later = debounce(PAUSE, () => this.read());
    this.input = textField("Text", {
      rows: 5, class: "written", onInput: later,
      reason: "Put a _ where something is missing. Each one stands for a letter; what is filled in "
        + "appears below while you type.",
    });
    this.lengths = chooser("Gaps", LENGTHS, { onChange: () => this.read() });
    this.example = button("Try an example", () => {
      this.input.set(GAPPED);
      this.read();
    }, { kind: "quiet" });
    this.result = element("p", { class: "written filled-text" });
    this.status = element("p", { class: "soft" });
    this.tools = element("div", { class: "row" },
      button("Copy", () => this.copyResult()),
      button("Save as text", () => saveAs("filled.txt", this.text())),
      button("Start again", () => this.read(), { kind: "quiet" }));
    this.choices = new ShareList("fill", { onChoose: (each) => this.choose(each) });
    this.choicesTitle = element("h2", { id: "fill-choices" });
    this.choicesCard = element("section", {
      class: "card", "aria-labelledby": "fill-choices", hidden: true,
      onKeydown: (event) => {
        if (event.key === "Escape") this.result.querySelector("[aria-pressed=true]")?.focus();
      },
    }, this.choicesTitle, this.choices.node, element("p", { class: "soft" },
      "The probabilities are given all the rest of the text, as it stands now."));
    this.resultCard = element("section", { class: "card", "aria-label": "The filled text" },
      this.result, this.status, this.tools);
    setChildren(root, element("div", { class: "beside" },
      element("div", { class: "stack" },
        element("div", { class: "card" }, this.input.node, this.lengths.node, this.example),
        this.resultCard),
      element("div", { class: "stack" }, this.choicesCard)));
    context.onModel((model) => model.task === "restore" && this.read());
    this.read();
  }

  show() {}

  hide() {}

  gaps() {
    return this.pieces.filter((each) => typeof each !== "string");
  }

  text() {
    return this.pieces.map((each) => (typeof each === "string" ? each : each.filled)).join("");
  }

  /** The text with some gaps open and the others as they are filled. */
  textWith(isOpen) {
    return this.pieces.map((each) => {
      if (typeof each === "string") return each;
      return isOpen(each) ? GAP.repeat(each.size) : each.filled;
    }).join("");
  }

  options(alternatives) {
    const longest = this.lengths.value() === "any" ? LONGEST_GAP : undefined;
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    return { model: this.context.model().id, gap: GAP, alternatives, longest, signal };
  }

  /** Takes what was typed, and fills all gaps. */
  async read() {
    const typed = this.input.value().replaceAll(GAP, "");
    this.pieces = typed.split(/(_+)/u).filter((each) => each !== "").map((each) => (
      each.startsWith(SIGN)
        ? { size: each.length, filled: each, probability: null, chosen: false } : each));
    this.current = null;
    this.choicesCard.hidden = true;
    this.example.hidden = typed !== "" || !knowsAll(this.context.model(), GAPPED.replaceAll(SIGN, ""));
    if (this.gaps().length === 0) {
      this.request?.abort();
      this.showText(typed === "" ? "" : "There is no _ in the text yet.");
      return;
    }
    await this.fillOpenGaps();
  }

  /** Fills the gaps that nobody has chosen for. */
  async fillOpenGaps() {
    const open = this.gaps().filter((each) => !each.chosen);
    if (open.length === 0) return;
    try {
      const text = this.textWith((each) => !each.chosen);
      const [best] = await this.context.charrnn.fill(text, this.options(1));
      best.gaps.forEach(({ filled, probability }, k) => Object.assign(open[k], { filled, probability }));
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
      return;
    }
    const count = this.gaps().length;
    this.showText(`${count} ${count === 1 ? "gap" : "gaps"}. Choose one to see what else fits.`);
    this.context.announce(`Filled: ${this.text()}`);
  }

  /** Shows what may stand in a gap, given all the rest as it is. */
  async open(gap) {
    if (!this.pieces.includes(gap)) return; // it is one of a text that has just been changed
    this.current = gap;
    this.showText(this.status.textContent);
    let found;
    try {
      const text = this.textWith((each) => each === gap);
      found = await this.context.charrnn.fill(text, this.options(ALTERNATIVES));
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
      return;
    }
    const gaps = this.gaps();
    this.choicesTitle.textContent = `Gap ${gaps.indexOf(gap) + 1} of ${gaps.length}`;
    const [before, after] = this.wordAround(gap);
    this.choices.showItems(found.map(({ gaps: [{ filled, probability }] }) => (
      { text: filled, probability, before, after })), gap.filled);
    this.choicesCard.hidden = false;
    this.choices.focus();
  }

  async choose({ text, probability }) {
    const gap = this.current;
    Object.assign(gap, { filled: text, probability, chosen: true });
    this.showText(this.status.textContent);
    await this.fillOpenGaps();
  }

  /** The parts of a word before and after a gap. */
  wordAround(gap) {
    const place = this.pieces.indexOf(gap);
    const text = (pieces) => pieces.map((each) => each.filled ?? each).join("");
    return [endOfWord(text(this.pieces.slice(0, place))),
      beginOfWord(text(this.pieces.slice(place + 1)))];
  }

  showText(status) {
    const gaps = this.gaps();
    this.resultCard.hidden = this.pieces.length === 0;
    this.tools.hidden = gaps.length === 0;
    this.status.textContent = status;
    setChildren(this.result, ...this.unbroken(this.pieces.map((each) => (
      typeof each === "string" ? each : this.gapButton(each, gaps.indexOf(each) + 1, gaps.length)))));
  }

  /** Keeps the letters beside a gap on its line. */
  unbroken(shown) {
    const made = [];
    let word = null;
    for (const each of shown) {
      if (typeof each === "string") {
        const begin = word ? beginOfWord(each) : "";
        const end = shown.at(-1) === each ? "" : endOfWord(each.slice(begin.length));
        word?.append(begin);
        const rest = each.slice(begin.length, each.length - end.length);
        if (rest !== "" || word === null) {
          made.push(rest);
          word = element("span", { class: "unbroken" });
          made.push(word);
        }
        word.append(end);
      } else {
        if (word === null) made.push(word = element("span", { class: "unbroken" }));
        word.append(each);
      }
    }
    return made;
  }

  gapButton(gap, number, count) {
    const sure = gap.probability === null ? "" : `, ${percent(gap.probability)}`;
    return element("button", {
      type: "button", class: "gap", "aria-pressed": String(gap === this.current),
      "aria-label": `Gap ${number} of ${count}: ${visible(gap.filled)}${sure}`,
      style: { "--sure": String(gap.chosen ? 1 : gap.probability ?? 0) },
      title: `${visible(gap.filled)}${sure}`,
      onClick: () => this.open(gap),
    }, gap.filled);
  }

  async copyResult() {
    const worked = await copy(this.text());
    this.status.textContent = worked ? "The text was copied." : "The browser does not allow that.";
    this.context.announce(this.status.textContent);
  }
}

const MOST_BESIDE = 16; // longer words may be broken

function endOfWord(text) {
  return text.match(/\S*$/u)[0].slice(-MOST_BESIDE);
}

function beginOfWord(text) {
  return text.match(/^\S*/u)[0].slice(0, MOST_BESIDE);
}
