// The five likeliest characters at one place of a text, to choose from.

import { button, element, percent, setChildren, visible } from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { describeScore, nameCharacter } from "./surprise.js";

export class LikeliestCharacters {
  /**
   * editor: the text.
   * ask(position, signal): returns a promise of [{text, probability}].
   * describe(position): {character, score, author} of the character there; author is a word.
   * choose(position, text): puts a character there.
   * onError(error): called when they cannot be had.
   */
  constructor(editor, { ask, describe, choose, onError }) {
    Object.assign(this, { editor, ask, describe, choose, onError });
    this.node = element("div", {
      class: "likeliest card compact", role: "dialog", hidden: true,
      "aria-label": "The likeliest characters here", onKeydown: (event) => this.onKey(event),
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.node.hidden && !this.node.contains(event.target)) this.close();
    });
  }

  /** Opens at a position; `focus` moves the keyboard there. */
  async open(position, { focus = false } = {}) {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    this.position = position;
    try {
      const found = await this.ask(position, controller.signal);
      if (controller.signal.aborted) return;
      this.fillIn(position, found);
      this.node.hidden = false;
      this.moveTo(position);
      if (focus) this.node.querySelector("[role=option]")?.focus();
    } catch (error) {
      if (!wasAborted(error)) this.onError(error);
    }
  }

  fillIn(position, found) {
    const { character, score, author } = this.describe(position);
    const facts = character === ""
      ? "What could come next"
      : [nameCharacter(character), score && describeScore(score), author].filter(Boolean)
        .join(" · ");
    const most = Math.max(...found.map((each) => each.probability), 1e-9);
    const options = found.map(({ text, probability }, i) => {
      const option = button("", () => this.take(text), {
        kind: "option", role: "option", "aria-selected": String(text === character),
        tabindex: i === 0 ? 0 : -1,
        "aria-label": `${nameCharacter(text)}, ${percent(probability)}`,
      });
      const bar = element("span", {
        class: "bar", style: { "--part": `${(100 * probability) / most}%` },
      });
      option.append(element("span", { class: "option-text written" }, visible(text)), bar,
        element("span", { class: "number soft" }, percent(probability)));
      return option;
    });
    setChildren(this.node,
      element("p", { class: "likeliest-facts" }, facts),
      element("div", { role: "listbox", class: "options", "aria-label": "In this place" },
        ...options),
      found.length === 0 && element("p", { class: "hint" }, "The model expects nothing here."));
  }

  moveTo(position) {
    const frame = this.node.offsetParent.getBoundingClientRect();
    const box = this.editor.rectangleAt(position);
    const width = this.node.offsetWidth;
    const left = Math.max(0, Math.min(box.left - frame.left - 24, frame.width - width));
    this.node.style.setProperty("left", `${left}px`);
    this.node.style.setProperty("top", `${box.bottom - frame.top + 8}px`);
    this.node.scrollIntoView({ block: "nearest" });
  }

  take(text) {
    const { position } = this;
    const inside = this.node.contains(document.activeElement);
    this.close();
    this.choose(position, text);
    if (inside) this.editor.area.focus();
  }

  close() {
    this.controller?.abort();
    this.node.hidden = true;
  }

  onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      this.close();
      this.editor.area.focus();
    } else {
      moveAmongOptions(event, this.node);
    }
  }
}

/** Moves the focus among the options of a listbox with arrows, Home, End and digits. */
export function moveAmongOptions(event, root) {
  const options = [...root.querySelectorAll("[role=option]")];
  const here = options.indexOf(document.activeElement);
  if (here === -1 || event.altKey || event.ctrlKey || event.metaKey) return;
  if (/^[1-9]$/.test(event.key) && options[event.key - 1]) {
    event.preventDefault();
    options[event.key - 1].click();
    return;
  }
  const last = options.length - 1;
  const next = {
    ArrowDown: Math.min(last, here + 1), ArrowRight: Math.min(last, here + 1),
    ArrowUp: Math.max(0, here - 1), ArrowLeft: Math.max(0, here - 1), Home: 0, End: last,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  options[here].tabIndex = -1;
  options[next].tabIndex = 0;
  options[next].focus();
}
