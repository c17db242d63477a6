// A text area over a mirror of its text, which shows who wrote what, surprise, and ghost text.
//
// The text area is a real one, so that input methods, phones, screen readers and the clipboard work
// as everywhere. Its own letters are transparent: those of the mirror are seen. Both break lines
// alike as long as nothing in the mirror but color and underline differs.

import { element } from "./dom.js";
import { MODEL, PERSON } from "./manuscript.js";

export class Editor {
  /**
   * onKey(event): called for keys before anything else; returns true if it handled them.
   * onCaret(): called when the caret or the selection moved.
   * onTyped(): called after a person changed the text.
   */
  constructor(manuscript, { label, describedBy, onKey, onCaret, onTyped }) {
    this.manuscript = manuscript;
    this.levelAt = () => -1;
    this.isUnknown = () => false;
    this.composing = false;
    this.compositions = 0;
    this.ghostText = "";
    this.mirror = element("div", { class: "mirror", "aria-hidden": "true" });
    this.area = element("textarea", {
      class: "area", "aria-label": label, "aria-describedby": describedBy, spellcheck: "false",
      autocomplete: "off", autocorrect: "off", rows: 1, "data-gramm": "false",
    });
    this.node = element("div", { class: "editor" }, this.mirror, this.area);
    this.ghost = element("span", { class: "ghost" });
    this.pen = element("span", { class: "pen" });
    this.lines = [];
    this.caretBefore = 0;
    this.selected = [0, 0]; // kept here while another element has the focus: browsers may lose it

    this.area.addEventListener("compositionstart", () => {
      this.composing = true;
      this.compositions += 1;
      this.showGhost("");
    });
    this.area.addEventListener("compositionend", () => {
      this.composing = false;
      onTyped();
    });
    this.area.addEventListener("beforeinput", (event) => {
      this.caretBefore = this.area.selectionEnd;
      if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
        event.preventDefault();
        if (event.inputType === "historyUndo") this.undo();
        else this.redo();
      }
    });
    this.area.addEventListener("input", () => {
      this.readArea();
      onTyped();
    });
    this.area.addEventListener("keydown", (event) => {
      if (!event.isComposing && onKey(event)) event.preventDefault();
    });
    document.addEventListener("selectionchange", () => {
      if (document.activeElement === this.area) onCaret();
    });
    this.area.addEventListener("blur", () => {
      this.selected = [this.area.selectionStart, this.area.selectionEnd];
    });
    this.area.addEventListener("focus", () => this.area.setSelectionRange(...this.selected));
    manuscript.onChange((change) => this.changed(change));
    this.rebuild();
  }

  /** The units between which the selection lies; twice the caret where nothing is selected. */
  get selection() {
    if (document.activeElement !== this.area) return this.selected;
    return [this.area.selectionStart, this.area.selectionEnd];
  }

  set selection(selected) {
    this.selected = selected;
    this.area.setSelectionRange(...selected);
  }

  get caret() {
    return this.selection[1];
  }

  set caret(position) {
    this.selection = [position, position];
  }

  get hasSelection() {
    const [start, end] = this.selection;
    return start !== end;
  }

  /** Takes over what a person did to the text area. */
  readArea() {
    const [before, after] = [this.manuscript.text, this.area.value];
    if (before === after) return;
    // The change ends at the caret, which tells "a" typed before "a" from "a" typed after it.
    const most = Math.min(before.length, after.length);
    const mostAfter = Math.min(most, after.length - this.area.selectionEnd);
    let same = 0;
    while (same < mostAfter && before.at(-1 - same) === after.at(-1 - same)) same += 1;
    let start = 0;
    while (start < most - same && before[start] === after[start]) start += 1;
    const group = this.composing ? `composition ${this.compositions}` : null;
    this.reading = true;
    this.manuscript.replace(start, before.length - same, after.slice(start, after.length - same),
      PERSON, { group, caret: Math.min(this.caretBefore, before.length) });
    this.reading = false;
  }

  /** Brings text area and mirror up to date after a change of the manuscript. */
  changed({ start, removed, inserted }) {
    const end = start + removed.length;
    if (!this.reading) {
      const moved = (place) => {
        if (place < start || (place === start && removed !== "")) return place;
        return place <= end ? start + inserted.length : place + inserted.length - removed.length;
      };
      const selected = this.selection.map(moved);
      this.area.setRangeText(inserted, start, end, "preserve");
      if (this.area.value !== this.manuscript.text) this.area.value = this.manuscript.text;
      this.selection = selected;
    }
    const first = this.lineAt(start);
    const last = this.lineAt(end);
    const from = first.start;
    const to = last.start + this.lines[last.index].length + inserted.length - removed.length;
    const made = this.makeLines(from, to);
    const old = this.lines.splice(first.index, last.index - first.index + 1, ...made);
    old[0].node.before(...made.map((each) => each.node));
    for (const line of old) line.node.remove();
    this.placeGhost();
    this.placePen();
  }

  /** Draws everything anew. */
  rebuild() {
    this.area.value = this.manuscript.text;
    this.lines = this.makeLines(0, this.manuscript.length);
    this.mirror.replaceChildren(...this.lines.map((each) => each.node));
    this.placeGhost();
  }

  /** Draws the lines from one position to another anew, where what they show has changed. */
  redraw(from = 0, to = this.manuscript.length) {
    let start = 0;
    for (const line of this.lines) {
      const end = start + line.length;
      if (end >= from && start <= to) {
        const look = this.lookOf(start, end);
        if (look !== line.look) {
          line.look = look;
          this.drawLine(line.node, start, end);
        }
      }
      start = end + 1;
    }
    this.placeGhost();
    this.placePen();
  }

  makeLines(from, to) {
    const made = [];
    for (let start = from; start <= to;) {
      const found = this.manuscript.text.indexOf("\n", start);
      const end = found === -1 || found > to ? to : found;
      const node = element("div", { class: "line" });
      this.drawLine(node, start, end);
      made.push({ node, length: end - start, look: this.lookOf(start, end) });
      start = end + 1;
    }
    return made;
  }

  drawLine(node, start, end) {
    const { text } = this.manuscript;
    const children = [];
    for (let from = start, i = start; i <= end; i++) {
      if (i < end && i > from && this.classAt(i) === this.classAt(from)) continue;
      if (i === from) continue;
      const name = this.classAt(from);
      const piece = text.slice(from, i);
      children.push(name ? element("span", { class: name }, piece) : piece);
      from = i;
    }
    node.replaceChildren(...children);
  }

  classAt(i) {
    const level = this.levelAt(i);
    const names = [];
    if (this.manuscript.authors[i] === MODEL) names.push("by-model");
    if (level >= 0) names.push(`surprise-${level}`);
    if (this.isUnknown(i)) names.push("unknown");
    return names.join(" ");
  }

  lookOf(start, end) {
    const parts = [];
    for (let i = start; i < end; i++) {
      const name = this.classAt(i);
      if (i === start || name !== parts.at(-1)[0]) parts.push([name, i - start]);
    }
    return JSON.stringify(parts);
  }

  lineAt(position) {
    let start = 0;
    for (let index = 0; index < this.lines.length; index++) {
      const end = start + this.lines[index].length;
      if (position <= end) return { index, start };
      start = end + 1;
    }
    const index = this.lines.length - 1;
    return { index, start: start - this.lines[index].length - 1 };
  }

  // --- ghost text and the pen

  /** Whether ghost text can be shown: the rest of the line is empty. */
  get ghostFits() {
    const next = this.manuscript.text[this.caret];
    return !this.hasSelection && !this.composing && (next === undefined || next === "\n");
  }

  showGhost(text) {
    this.ghostText = text;
    this.placeGhost();
  }

  placeGhost() {
    if (this.ghostText === "" || !this.ghostFits) {
      this.ghost.remove();
      this.gap?.remove();
      return;
    }
    const { index } = this.lineAt(this.caret);
    const atEnd = index === this.lines.length - 1;
    this.ghost.textContent = this.ghostText.replaceAll("\n", "↵");
    // In the middle of a text, the ghost must not move the lines below it.
    this.ghost.classList.toggle("ghost-beside", !atEnd);
    // The line may break before the ghost, so that it does not take the last word with it.
    this.gap ??= element("wbr");
    this.lines[index].node.append(this.gap, this.ghost);
  }

  /** Shows where the model writes, or with null that it does not. */
  showPen(position) {
    this.penAt = position;
    this.placePen();
  }

  placePen() {
    const position = this.penAt ?? null;
    if (position === null) {
      this.pen.remove();
      return;
    }
    const place = this.textPlace(position - 1);
    if (place === null) this.lines[this.lineAt(position).index].node.prepend(this.pen);
    else if (place.node.parentNode.classList.contains("line")) place.node.after(this.pen);
    else place.node.parentNode.after(this.pen);
    this.pen.scrollIntoView({ block: "nearest" });
  }

  // --- where characters are on the screen

  /** The text node that shows the unit at a position, and the offset in it; or null. */
  textPlace(position) {
    if (position < 0 || position >= this.manuscript.length) return null;
    if (this.manuscript.text[position] === "\n") return null;
    const { index, start } = this.lineAt(position);
    let rest = position - start;
    for (const child of this.lines[index].node.childNodes) {
      if (child === this.ghost || child === this.pen) continue;
      const node = child.nodeType === Node.TEXT_NODE ? child : child.firstChild;
      if (!node) continue;
      if (rest < node.length) return { node, offset: rest };
      rest -= node.length;
    }
    return null;
  }

  /** The rectangle of the character at a position, or of the caret where there is none. */
  rectangleAt(position) {
    const range = document.createRange();
    const place = this.textPlace(position);
    if (place) {
      range.setStart(place.node, place.offset);
      range.setEnd(place.node, Math.min(place.node.length, place.offset + 1));
      return range.getBoundingClientRect();
    }
    const before = this.textPlace(position - 1);
    if (before) {
      range.setStart(before.node, before.offset);
      range.setEnd(before.node, before.offset + 1);
      const box = range.getBoundingClientRect();
      return new DOMRect(box.right, box.top, 0, box.height);
    }
    const box = this.lines[this.lineAt(position).index].node.getBoundingClientRect();
    return new DOMRect(box.left, box.top, 0, box.height);
  }

  /** The position of the character under a point of the window, or null. */
  positionUnder(x, y) {
    const hit = document.elementsFromPoint(x, y).find((each) => this.mirror.contains(each));
    const node = hit?.closest(".line");
    if (!node) return null;
    let start = 0;
    for (const line of this.lines) {
      if (line.node === node) return this.searchLine(start, start + line.length, hit, x, y);
      start += line.length + 1;
    }
    return null;
  }

  searchLine(start, end, hit, x, y) {
    for (let i = start; i < end;) {
      const place = this.textPlace(i);
      if (!place) return null;
      if (hit.contains(place.node)) {
        for (let k = place.offset; k < place.node.length; k++) {
          const box = this.rectangleAt(i + k - place.offset);
          const inside = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
          if (inside) return i + k - place.offset;
        }
      }
      i += place.node.length - place.offset;
    }
    return null;
  }

  // --- history

  undo() {
    return this.goTo(this.manuscript.undo());
  }

  redo() {
    return this.goTo(this.manuscript.redo());
  }

  goTo(position) {
    if (position === null) return false;
    this.caret = position;
    return true;
  }
}
