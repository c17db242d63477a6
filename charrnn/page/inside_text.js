// The text of an explanation: coloured by what a section finds, and walked by pointer and keys.
//
// A place is the position of a character, from 0, as in the record: not of a UTF-16 unit.

import { button, element, freshId, setChildren } from "./dom.js";
import { nameCharacter } from "./surprise.js";

const BLOCK_SHORTEST = 400; // characters before a block of lines may end
const BLOCK_LONGEST = 2000; // of a line that does not end
const DRESSED_MARGIN = "400px 0px"; // how far from what is seen characters are coloured
const SIGNS = { "\n": "⏎", "\t": "⇥" };
const UNPRINTED = /^[\p{C}\p{Zl}\p{Zp}]$/u;

/** Names a character for people; one that cannot be seen by its code point. */
export function nameLetter(letter) {
  const isHidden = !/^[ \n\t\r]?$/.test(letter) && /^[\p{C}\p{Z}]$/u.test(letter);
  return isHidden ? `U+${codePoint(letter)}` : nameCharacter(letter);
}

/** Shows signs for the direction of writing, which would turn what follows them. */
export function withoutTurns(text) {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "◌");
}

function codePoint(letter) {
  return letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

/** Names a place for people: “e”, character 1,234. Sections say more of it. */
function namePlace(letters, place) {
  return `${nameLetter(letters[place])}, character ${(place + 1).toLocaleString("en")}`;
}

/**
 * Cuts a text into blocks that are drawn by themselves, at ends of lines; within a line only where
 * it is very long, after a space if there is one.
 */
function cutBlocks(letters) {
  const blocks = [];
  for (let from = 0; from < letters.length;) {
    let to = from;
    let space = 0;
    while (to < letters.length && to - from < BLOCK_LONGEST) {
      const letter = letters[to];
      to += 1;
      if (letter === "\n" && to - from >= BLOCK_SHORTEST) break;
      if (letter === "\n" || letter === " ") space = to;
    }
    const isCut = to < letters.length && letters[to - 1] !== "\n";
    if (isCut && space > from) to = space;
    const node = element("div", { class: "inside-block" });
    blocks.push({ from, to, node, isDressed: false, isNear: false });
    from = to;
  }
  return blocks;
}

export class InsideText {
  /**
   * text: what is shown. Blocks far from what is seen are plain text, and the characters of the
   * others are elements of their own, so that long texts stay fluid.
   */
  constructor(text) {
    this.letters = [...text];
    this.blocks = cutBlocks(this.letters);
    this.selected = null; // the place that was clicked or walked to
    this.pointed = null; // the place under the pointer; or that was, while none is selected
    this.makeNodes();
    for (const block of this.blocks) this.undress(block);
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const block = this.blocks[target.dataset.number];
        block.isNear = isIntersecting;
        if (isIntersecting) this.dress(block);
      }
      this.tidy();
    }, { root: this.scroller, rootMargin: DRESSED_MARGIN });
    this.blocks.forEach((block, k) => {
      block.node.dataset.number = k;
      this.observer.observe(block.node);
    });
    this.reset();
  }

  makeNodes() {
    this.scroller = element("div", {
      class: "inside-scroller written", tabindex: "0", role: "group",
      "aria-label": "The text. Arrow keys go from character to character.",
      onPointermove: (event) => event.pointerType !== "touch" && this.point(placeOf(event)),
      onPointerleave: () => this.selected !== null && this.point(null),
      onClick: (event) => {
        const place = placeOf(event);
        if (place !== null && getSelection().isCollapsed) this.select(place);
      },
      onKeydown: (event) => this.onKey(event),
      onFocus: () => this.selected === null && this.scroller.matches(":focus-visible")
        && this.select(this.firstSeen()),
    }, ...this.blocks.map((block) => block.node));
    this.controls = element("div");
    this.key = element("div");
    this.legend = element("div", { class: "inside-legend" }, this.controls, this.key);
    this.heading = element("p", { class: "place-heading" });
    this.said = element("p", { class: "place-said" });
    this.detail = element("div", { class: "place-detail" });
    this.panel = element("div", { class: "place-panel" }, this.heading, this.said, this.detail);
    this.status = element("p", { class: "unseen", role: "status" });
    const last = Math.max(this.letters.length - 1, 0);
    const id = freshId("walker");
    this.walker = element("input", {
      type: "range", id, min: 0, max: last, step: 1, value: 0, disabled: last === 0,
      onInput: () => this.show(Number(this.walker.value)),
    });
    this.node = element("section", { class: "card inside-text", "aria-label": "The text" },
      this.legend, this.scroller, this.panel,
      element("div", { class: "inside-walker" },
        element("label", { class: "unseen", for: id }, "Place in the text"), this.walker),
      this.status);
  }

  // --- what sections call

  /** Takes colours, marks and callbacks away, for another section. */
  reset() {
    this.callbacks = [];
    this.marked = new Set();
    this.range = { from: 0, length: 0 };
    this.color({});
  }

  /**
   * Colours the text.
   *   level(place): from 0 to 10, or null for a place that has none; with `signed` from -10 to 10,
   *     and colours on both sides of 0.
   *   title(place): what is to be said of a place, in words.
   *   detail(place): a node with more about a place, if there is more.
   *   controls: a node with what changes the colours; the same one each time.
   *   legend: a node that says what the colours mean.
   */
  color({
    level = () => null, signed = false, title = () => "", detail = () => null, controls = null,
    legend = null,
  }) {
    Object.assign(this, { level, signed, title, detailOf: detail });
    this.legend.hidden = controls === null && legend === null;
    // Controls that stay are left where they are, so that they keep the focus.
    if (controls !== this.controls.firstChild) setChildren(this.controls, controls);
    setChildren(this.key, legend);
    this.repaint();
    this.showPlace();
  }

  /** Outlines places, and underlines the `length` characters from `from` on. */
  mark(places = [], { from = 0, length = 0 } = {}) {
    this.marked = new Set(places);
    this.range = { from, length };
    this.repaint();
  }

  /** Goes to a place and selects it; a place that is not shown is left alone. */
  show(place) {
    if (!this.has(place)) return;
    this.select(place);
    const scroller = this.scroller.getBoundingClientRect();
    const box = this.spanOf(place).getBoundingClientRect();
    if (box.top < scroller.top + 8 || box.bottom > scroller.bottom - 8) {
      this.scroller.scrollTop += (box.top + box.bottom - scroller.top - scroller.bottom) / 2;
    }
    this.node.scrollIntoView({ block: "nearest" });
  }

  /** Whether a place is in the text that is shown. */
  has(place) {
    return place >= 0 && place < this.letters.length;
  }

  /** Makes a button that goes to a place; only its label where the place is not shown. */
  link(place, ...label) {
    if (!this.has(place)) return element("span", { class: "place-beyond" }, ...label);
    return button(element("span", {}, ...label), () => this.show(place), { kind: "place-link" });
  }

  /** Calls back with the place that is pointed at or selected now, and null when there is none. */
  onPlace(callback) {
    this.callbacks.push(callback);
  }

  /** The place that is pointed at or else selected, or null. */
  get place() {
    return this.pointed ?? this.selected;
  }

  // --- drawing

  dress(block) {
    if (block.isDressed) return;
    block.isDressed = true;
    const spans = [];
    for (let place = block.from; place < block.to; place++) {
      const letter = this.letters[place];
      const span = document.createElement("span");
      span.className = this.classOf(place);
      span.textContent = letter;
      span.place = place;
      const sign = SIGNS[letter] ?? (UNPRINTED.test(letter) ? "◌" : null);
      if (sign) span.dataset.sign = sign;
      spans.push(span);
    }
    block.node.replaceChildren(...spans);
  }

  undress(block) {
    block.isDressed = false;
    block.node.textContent = this.letters.slice(block.from, block.to).join("");
  }

  /** Makes plain text of the blocks far from what is seen, but for that of the selected place. */
  tidy() {
    const kept = this.selected === null ? null : this.blockOf(this.selected);
    for (const block of this.blocks) {
      if (block.isDressed && !block.isNear && block !== kept) this.undress(block);
    }
  }

  repaint() {
    for (const block of this.blocks) {
      if (!block.isDressed) continue;
      let place = block.from;
      for (const span of block.node.children) {
        span.className = this.classOf(place);
        place += 1;
      }
    }
  }

  classOf(place) {
    const names = [];
    const level = this.level(place);
    if (level !== null && level !== undefined) {
      if (!this.signed) names.push(`surprise-${level}`);
      else if (level !== 0) names.push(level > 0 ? `above-${level}` : `below-${-level}`);
    }
    if (this.marked.has(place)) names.push("marked");
    const after = place - this.range.from;
    if (after >= 0 && after < this.range.length) names.push("ranged");
    if (place === this.selected) names.push("selected");
    return names.join(" ");
  }

  blockOf(place) {
    let [low, high] = [0, this.blocks.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.blocks[middle].from <= place) low = middle;
      else high = middle - 1;
    }
    return this.blocks[low];
  }

  spanOf(place) {
    const block = this.blockOf(place);
    this.dress(block);
    return block.node.children[place - block.from];
  }

  // --- the place that is pointed at or selected

  point(place) {
    if (place === this.pointed) return;
    this.pointed = place;
    this.placeChanged();
  }

  select(place) {
    const before = this.selected;
    this.selected = place;
    this.pointed = null;
    for (const each of [before, place]) {
      if (each !== null) this.spanOf(each).className = this.classOf(each);
    }
    this.tidy();
    this.placeChanged();
  }

  placeChanged() {
    this.showPlace();
    for (const callback of this.callbacks) callback(this.place);
  }

  showPlace() {
    const { place } = this;
    if (this.letters.length > 0) this.showWalker(this.selected ?? 0);
    if (place === null) {
      this.heading.textContent = "";
      this.said.textContent = "Point at a character, tap it, or go to it with the arrow keys.";
      setChildren(this.detail);
      return;
    }
    this.heading.textContent = namePlace(this.letters, place);
    this.said.textContent = this.title(place);
    setChildren(this.detail, this.detailOf(place));
  }

  showWalker(place) {
    this.walker.value = place;
    this.walker.setAttribute("aria-valuetext", this.describe(place));
    const share = place / Math.max(this.letters.length - 1, 1);
    this.walker.style.setProperty("--part", `${100 * share}%`);
  }

  /** Says everything of a place, for the slider and for screen readers. */
  describe(place) {
    const title = this.title(place);
    return `${namePlace(this.letters, place)}${title ? `: ${title}` : ""}`;
  }

  // --- keys

  onKey(event) {
    if (event.altKey || event.metaKey || event.shiftKey || this.letters.length === 0) return;
    const here = this.selected ?? this.firstSeen();
    const last = this.letters.length - 1;
    const next = event.ctrlKey ? { Home: () => 0, End: () => last }[event.key] : {
      ArrowLeft: () => here - 1,
      ArrowRight: () => here + 1,
      ArrowUp: () => this.besideRow(here, -1),
      ArrowDown: () => this.besideRow(here, 1),
      Home: () => this.letters.slice(0, here).lastIndexOf("\n") + 1,
      End: () => (this.letters.indexOf("\n", here) + last + 1) % (last + 1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    this.show(Math.min(Math.max(next(), 0), last));
    this.status.textContent = this.describe(this.selected);
  }

  /** The place above (-1) or below (1) a place, in the next row as it is drawn. */
  besideRow(here, step) {
    const box = this.spanOf(here).getBoundingClientRect();
    const isBeside = (each) => (step < 0 ? each.bottom <= box.top + 3 : each.top >= box.bottom - 3);
    let best = here;
    let nearest = Infinity;
    let row = null;
    for (let place = here + step; this.has(place); place += step) {
      const each = this.spanOf(place).getBoundingClientRect();
      if (!isBeside(each)) continue;
      row ??= each;
      if (Math.abs(each.top - row.top) > row.height / 2) break;
      const distance = Math.abs(each.left - box.left);
      if (distance >= nearest) continue;
      [best, nearest] = [place, distance];
    }
    return best;
  }

  firstSeen() {
    const { top } = this.scroller.getBoundingClientRect();
    const block = this.blocks.find((each) => each.node.getBoundingClientRect().bottom > top + 4);
    if (!block) return 0;
    this.dress(block);
    const span = [...block.node.children].find((each) => each.getBoundingClientRect().top >= top);
    return span ? span.place : block.from;
  }
}

/** The place of the character that an event is about, or null. */
function placeOf(event) {
  return event.target.place ?? null;
}
