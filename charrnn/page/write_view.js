// What Write shows: the sheet, its buttons, and the settings beside it.

import {
  button, checkBox, chooser, copy, element, keep, percent, saveAs, setChildren, textField, visible,
} from "./dom.js";
import { manuscriptHtml } from "./manuscript_export.js";
import { settingsPanel } from "./settings.js";
import { HIGHEST_LEVEL, Surprise } from "./surprise.js";

const UNITS_OF_TAB = [["character", "a character"], ["word", "a word"], ["line", "the line"]];
const WIDE_ENOUGH = "(min-width: 52.01rem)";

export class WriteView {
  /** `part` does what the buttons ask for; `ghostIsOn` and `unit` are as they were kept. */
  constructor(root, part, { ghostIsOn, unit }) {
    this.part = part;
    this.makeButtons();
    this.makeSettings(ghostIsOn, unit);
    this.welcome = element("p", { class: "soft" });
    this.beginnings = element("div", { class: "row beginnings", hidden: true });
    this.counts = element("p", { class: "counts hint" });
    this.unknown = element("p", { class: "notice", role: "status", hidden: true });
    this.place = element("p", { class: "place hint number", hidden: true });
    this.legend = Surprise.legend();
    this.legend.hidden = true;
    const scroller = element("div", { class: "scroller" }, part.editor.node);
    scroller.addEventListener("scroll", () => part.likeliest.close(), { passive: true });
    // A click anywhere on the sheet goes to the text.
    scroller.addEventListener("pointerup", (event) => {
      if (event.target === scroller) part.editor.area.focus();
    });
    this.followPointer();
    this.sheet = element("div", { class: "card sheet" },
      scroller, this.beginnings, this.place,
      element("div", { class: "tools" },
        element("div", { class: "tool-row" }, this.continueButton, this.takeButton),
        element("div", { class: "tool-row minor" }, this.anotherButton, this.undoButton,
          this.redoButton, this.surpriseButton)),
      part.likeliest.node);
    root.append(
      element("div", { class: "welcome" },
        element("h2", {}, "Write a few words, and let the model go on."), this.welcome),
      element("div", { class: "beside" },
        element("div", { class: "stack" }, this.sheet, this.unknown, this.legend, this.counts,
          this.keys(), part.choices.node),
        this.aside));
  }

  makeButtons() {
    const { part } = this;
    this.continueButton = button("Continue", () => part.continueText(), { kind: "primary" });
    this.anotherButton = button("Another", () => part.another(), {
      title: "Replace the last continuation by another one",
    });
    this.takeButton = button("", () => part.takeGhost(), { kind: "take nothing" });
    this.undoButton = button("Undo", () => part.undo(), { title: "Undo (Ctrl+Z)" });
    this.redoButton = button("Redo", () => part.undo(true), { title: "Redo (Ctrl+Shift+Z)" });
    this.surpriseButton = button("Surprise", () => {
      part.setSurprise(!part.surprise.isOn);
    }, { "aria-pressed": "false", title: "Show how surprising each character is for the model" });
  }

  makeSettings(ghostIsOn, unit) {
    const { part } = this;
    this.settings = settingsPanel({ storage: "write.settings" });
    this.seed = textField("Seed", {
      placeholder: "a new one each time", inputmode: "numeric", pattern: "[0-9]*",
      reason: "The same seed at the same place of the same text writes the same.",
      onInput: () => this.checkSeed(),
    });
    this.lastSeed = element("div", { class: "row last-seed", hidden: true });
    this.ghostBox = checkBox("Suggest while I type", {
      checked: ghostIsOn, onChange: (on) => part.setGhost(on),
    });
    this.unitChooser = chooser("Tab takes", UNITS_OF_TAB, {
      value: UNITS_OF_TAB.some(([each]) => each === unit) ? unit : "word",
      onChange: (chosen) => {
        keep("ghost.unit", chosen);
        part.ghostShown(part.ghost.text);
        this.showKeys();
      },
    });
    const wide = matchMedia(WIDE_ENOUGH).matches;
    this.aside = element("aside", { class: "aside", "aria-label": "Settings of writing" },
      element("details", { class: "card", open: wide }, element("summary", {}, "Settings"),
        this.settings.node, this.seed.node, this.lastSeed),
      element("details", { class: "card", open: wide }, element("summary", {}, "Suggestions"),
        this.ghostBox.node, this.unitChooser.node),
      element("details", { class: "card", open: wide }, element("summary", {}, "Keep the text"),
        this.keepButtons()));
  }

  keepButtons() {
    const { part } = this;
    const copied = async () => {
      const worked = await copy(part.manuscript.text);
      part.context.announce(worked ? "The text is copied." : "The browser did not allow that.");
      this.say(worked ? "Copied." : "The browser did not allow that.");
    };
    this.said = element("span", { class: "soft" });
    return element("div", {},
      element("div", { class: "row" },
        button("Copy", copied),
        button("Save as text", () => saveAs("text.txt", part.manuscript.text)),
        button("Save as HTML", () => saveAs("text.html", this.html(), "text/html")),
        button("New text", () => part.clear(), { kind: "quiet" }), this.said),
      element("p", { class: "reason" },
        "The HTML keeps who wrote what, and the surprise if it is shown. A draft stays in this "
        + "browser."));
  }

  html() {
    const { part } = this;
    const model = part.context.model();
    const [first] = part.manuscript.text.trim().split("\n", 1);
    return manuscriptHtml(part.manuscript, {
      title: first.slice(0, 60) || "A text",
      about: `Written with charrnn and its model ${model?.id ?? ""}.`,
      levelAt: part.surprise.isOn ? (i) => part.surprise.at(i)?.level ?? -1 : null,
      levels: HIGHEST_LEVEL,
    });
  }

  say(text) {
    this.said.textContent = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.said.textContent = "";
    }, 3000);
  }

  keys() {
    this.keysNode = element("p", { class: "keys hint", id: "write-keys" });
    this.showKeys();
    return this.keysNode;
  }

  showKeys() {
    const kbd = (...names) => names.flatMap((name, i) => [
      i > 0 && " ", element("kbd", {}, name)]).filter(Boolean);
    const unit = UNITS_OF_TAB.find(([each]) => each === this.unit())[1];
    setChildren(this.keysNode,
      kbd("Tab"), ` takes ${unit} of the suggestion, `, kbd("Esc"),
      " hides it (then Tab moves on). ", kbd("Ctrl", "Enter"), " continues, ", kbd("Alt", "↓"),
      " goes to the choices, ", kbd("Alt", "↑"), " to the likeliest characters at the cursor.");
  }

  unit() {
    return this.unitChooser.value();
  }

  /** Shows the value of the character under the pointer, and opens its place on a click. */
  followPointer() {
    const { part } = this;
    const { area } = part.editor;
    let waiting = false;
    area.addEventListener("pointermove", (event) => {
      if (!part.surprise.isOn || waiting || event.pointerType === "touch") return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        const position = part.editor.positionUnder(event.clientX, event.clientY);
        if (position !== null) part.showPlace(position);
      });
    });
    area.addEventListener("pointerleave", () => part.showPlace());
    area.addEventListener("click", (event) => {
      if (!part.surprise.isOn || part.editor.hasSelection) return;
      const position = part.editor.positionUnder(event.clientX, event.clientY);
      if (position !== null) part.likeliest.open(position);
    });
  }

  // --- the seed

  /** The seed that was typed, or null. */
  wantedSeed() {
    const typed = this.seed.value().trim();
    return /^\d+$/.test(typed) && Number.isSafeInteger(Number(typed)) ? Number(typed) : null;
  }

  checkSeed() {
    const wrong = this.seed.value().trim() !== "" && this.wantedSeed() === null;
    this.seed.input.setCustomValidity(wrong ? "A seed is a whole number." : "");
    this.seed.input.setAttribute("aria-invalid", String(wrong));
    if (wrong) this.part.context.announce("A seed is a whole number.");
  }

  showSeed(seed, index = 0) {
    this.lastSeed.hidden = false;
    const copied = async () => {
      this.part.context.announce(
        (await copy(String(seed))) ? "The seed is copied." : "The browser did not allow that.");
    };
    const number = index === 0 ? "" : `, text ${index}`;
    setChildren(this.lastSeed,
      element("span", {}, "Last: ", element("strong", { class: "number" }, String(seed)),
        number),
      button("Copy", copied, { kind: "quiet", "aria-label": "Copy the seed" }),
      button("Reuse", () => {
        this.seed.set(String(seed));
        this.checkSeed();
      }, { kind: "quiet" }));
  }

  // --- what changes

  showWriting(on) {
    setChildren(this.continueButton, on ? "Stop" : "Continue");
    this.part.editor.node.classList.toggle("writing", on);
  }

  showGhost(text) {
    this.takeButton.classList.toggle("nothing", text === "");
    const shown = visible(text).trim() || "a space";
    setChildren(this.takeButton, element("span", { class: "take-text" }, `+ ${shown}`));
    this.takeButton.setAttribute("aria-label", `Take the suggestion: ${shown}`);
  }

  showSurprise(on) {
    this.surpriseButton.setAttribute("aria-pressed", String(on));
    this.legend.hidden = !on;
    this.place.hidden = !on;
    this.part.editor.node.classList.toggle("surprised", on);
  }

  showPlace(text) {
    this.place.textContent = text || "Move to a character to read its value.";
  }

  showCounts(manuscript, unknown) {
    const { length } = manuscript;
    const count = `${length.toLocaleString("en")} character${length === 1 ? "" : "s"}`;
    const share = manuscript.modelShare;
    if (length === 0) setChildren(this.counts);
    else if (share === 0) setChildren(this.counts, `${count}, all by you.`);
    else {
      setChildren(this.counts, `${count}, ${percent(share)} by `,
        element("span", { class: "by-model" }, "the model"),
        ", which has a dotted line below it.");
    }
    this.showUnknown(unknown);
  }

  showHistory(manuscript, hasContinuation) {
    this.beginnings.hidden = manuscript.length > 0;
    this.sheet.classList.toggle("blank", manuscript.length === 0);
    this.undoButton.disabled = !manuscript.canUndo;
    this.redoButton.disabled = !manuscript.canRedo;
    this.anotherButton.disabled = !hasContinuation;
  }

  showUnknown(unknown) {
    const text = unknown.join("");
    if (this.unknownShown !== text) {
      this.unknownShown = text;
      const shown = unknown.slice(0, 12).flatMap((each) => [
        "“", element("bdi", {}, visible(each)), "” "]);
      const more = unknown.length > 12 ? `and ${unknown.length - 12} more ` : "";
      setChildren(this.unknown, "The model has never seen ", ...shown, more, "and reads the text ",
        `without ${unknown.length === 1 ? "it" : "them"}.`);
    }
    this.unknown.hidden = text === "";
  }

  /** Invites to begin with one of some words. */
  showBeginnings(words, choose) {
    setChildren(this.beginnings, words.length > 0 && [
      element("span", { class: "soft" }, "Begin with"),
      ...words.map((word) => button(word, () => choose(word), { kind: "written beginning" })),
    ]);
  }

  showModel(model) {
    const source = model.corpus ? `“${model.corpus}”` : "one text";
    setChildren(this.welcome, `It has read nothing in its life but ${source}.`);
    this.part.editor.area.setAttribute("aria-label", `Your text, with ${model.id}`);
  }
}
