// Many: lists of texts, such as names or lines.

import { canTellKnown, gatherTexts } from "./gathering.js";
import { countDisarmed, csvText } from "./csv.js";
import { button, checkBox, chooser, copy, element, saveAs, setChildren, textField } from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { settingsPanel } from "./settings.js";
import { surprisedText } from "./surprised_text.js";

const ORDERS = [
  ["written", "as written"],
  ["character", "likeliest per character"],
  ["sum", "likeliest as a whole"],
  ["alphabet", "in alphabetical order"],
];
const SHORT_CHARACTERS = 26; // texts up to here are shown in two columns
const MOST_WANTED = 1000;
const ROOMY = "(min-width: 52.01rem)";
const LARGEST_SEED = 2 ** 53 - 1;

export const manyPart = {
  id: "many",
  title: "Many",
  suits: (model) => model.task === "generate",
  mount: (root, context) => new ManyTexts(root, context),
};

class ManyTexts {
  constructor(root, context) {
    this.context = context;
    this.entries = [];
    this.writing = new Map(); // the rows of texts that are not finished, by number
    this.seen = new Set();
    this.running = null;
    this.run = null; // what the list was written with: {prompt, seed, next, ...}
    this.makeForm();
    this.makeList();
    setChildren(root, element("div", { class: "beside" },
      element("div", { class: "stack" }, this.form, this.listCard), this.side));
    this.forgetList();
    this.suitModel(context.model());
    context.onModel((model) => this.suitModel(model));
  }

  show() {}

  hide() {}

  // --- the form

  makeForm() {
    this.count = textField("How many", {
      value: "20", type: "number", min: "1", max: String(MOST_WANTED), inputmode: "numeric",
    });
    this.beginning = textField("Beginning", { placeholder: "any", onInput: () => this.accept() });
    this.pattern = textField("Pattern", {
      placeholder: "any", class: "code", onInput: () => this.accept(),
      reason: "A regular expression, such as [A-Z][a-z]{4,6}.",
    });
    this.pattern.node.hidden = this.context.charrnn.hasPatterns === false;
    this.fieldError = element("p", { class: "field-error", id: "many-error", hidden: true });
    this.seed = textField("Seed", {
      type: "number", min: "0", max: String(LARGEST_SEED), step: "1", placeholder: "random",
      inputmode: "numeric",
    });
    this.lines = checkBox("Each is a line");
    this.unique = checkBox("No text twice", { checked: true });
    this.novel = checkBox("None of the training text");
    this.novel.node.hidden = !canTellKnown(this.context.charrnn);
    this.start = element("button", { type: "submit", class: "primary" }, "Write the list");
    this.more = button("Write more", () => this.write({ further: true }));
    this.stop = button("Stop", () => this.running?.abort());
    this.form = element("form", {
      class: "card many-form", novalidate: true, "aria-label": "The list",
      onSubmit: (event) => {
        event.preventDefault();
        this.write();
      },
    },
    element("div", { class: "many-fields" },
      this.count.node, this.beginning.node, this.pattern.node, this.seed.node),
    element("div", { class: "many-checks" },
      this.lines.node, this.unique.node, this.novel.node),
    element("div", { class: "row" }, this.start, this.more, this.stop));
    this.settings = settingsPanel({ storage: "many", defaults: { length: 60 } });
    this.side = element("aside", { class: "aside", "aria-label": "Settings of the list" },
      element("details", { class: "card", open: matchMedia(ROOMY).matches },
        element("summary", {}, "Settings"), this.settings.node));
  }

  suitModel(model) {
    if (model.task !== "generate" || model.id === this.model) return;
    this.running?.abort();
    this.model = model.id;
    this.lines.set(Boolean(model.lines));
    this.forgetList();
  }

  /** The field that the engine's complaint is about, or null. */
  fieldOf(error) {
    const fields = { regex: this.pattern, prompt: this.beginning };
    return fields[error.param ?? String(error.message).match(/^\w*/u)[0]] ?? null;
  }

  accept() {
    this.fieldError.hidden = true;
    for (const { input } of [this.pattern, this.beginning]) input.removeAttribute("aria-invalid");
  }

  refuse(field, message) {
    this.fieldError.textContent = message;
    this.fieldError.hidden = false;
    field.node.append(this.fieldError);
    field.input.setAttribute("aria-invalid", "true");
    field.input.setAttribute("aria-errormessage", this.fieldError.id);
    field.input.focus();
    this.context.announce(message);
  }

  /** Returns a whole number of a field within its limits, which is put into it; null if empty. */
  wholeNumber(field) {
    const { input } = field;
    if (input.value.trim() === "" || !Number.isFinite(input.valueAsNumber)) {
      input.value = "";
      return null;
    }
    const [least, most] = [Number(input.min), Number(input.max)];
    const value = Math.min(Math.max(Math.round(input.valueAsNumber), least), most);
    input.value = String(value);
    return value;
  }

  // --- writing

  async write({ further = false } = {}) {
    if (this.running) return;
    const count = this.wholeNumber(this.count) ?? 20;
    this.count.set(String(count));
    this.accept();
    if (!further) {
      const seed = this.wholeNumber(this.seed);
      this.forgetList();
      this.run = {
        prompt: this.beginning.value(),
        seed: seed ?? randomSeed(),
        next: 0,
        unique: this.unique.value(),
        novel: !this.novel.node.hidden && this.novel.value(),
        settings: {
          ...this.settings.values(),
          model: this.model,
          lines: this.lines.value(),
          regex: this.pattern.value() || undefined,
        },
      };
    }
    const { run } = this;
    this.running = new AbortController();
    this.showState();
    let ending = "";
    try {
      const lack = await gatherTexts(this.context.charrnn, run.prompt, {
        ...run, count, seen: this.seen,
        options: {
          ...run.settings, seed: run.seed, index: run.next, signal: this.running.signal,
        },
        onWriting: (entry) => this.showWriting(entry),
        onSettled: (round) => this.settle(round),
      });
      ending = lack ?? "";
    } catch (error) {
      this.keepUnfinished();
      if (wasAborted(error)) ending = "Stopped.";
      else if (this.fieldOf(error)) this.refuse(this.fieldOf(error), error.message);
      else this.context.showError(error);
    }
    this.running = null;
    this.showState(ending);
    this.context.announce(`${this.status.textContent} ${ending}`);
  }

  settle({ wanted, others, next }) {
    this.dropped += others.filter((each) => each.index < next).length;
    this.run.next = next;
    for (const row of this.writing.values()) row.remove();
    this.writing.clear();
    this.unfinished.clear();
    this.entries.push(...wanted);
    this.showEntries();
    this.showState();
  }

  /** What was on the screen when somebody stopped stays there. */
  keepUnfinished() {
    for (const row of this.writing.values()) row.remove();
    for (const entry of this.unfinished.values()) {
      if (this.writing.has(entry.index)) {
        this.entries.push({ ...entry, stop_reason: "stopped" });
        this.run.next = Math.max(this.run.next, entry.index + 1);
      }
    }
    this.writing.clear();
    this.unfinished.clear();
    this.showEntries();
  }

  showWriting(entry) {
    let row = this.writing.get(entry.index);
    if (!row) {
      row = element("li", { class: "many-row" },
        element("span", { class: "many-text written" }));
      this.writing.set(entry.index, row);
      this.list.append(row);
      this.empty.hidden = true;
    }
    this.unfinished.set(entry.index, entry);
    setChildren(row.firstChild, ...shownText(this.run.prompt, entry.text));
  }

  // --- the list

  makeList() {
    this.status = element("p", { class: "many-status" });
    this.seedCopy = button("Copy the seed", () => this.copyText(String(this.run.seed), "The seed"), {
      kind: "quiet",
    });
    this.order = chooser("Order", ORDERS, { onChange: () => this.showEntries() });
    this.tools = element("div", { class: "row many-tools" },
      this.order.node,
      button("Copy", () => this.copyText(this.asText(), "The list")),
      button("Save as text", () => saveAs(this.fileName("txt"), this.asText())),
      button("Save as CSV", () => this.saveTable()));
    this.caption = element("p", { class: "many-caption soft" },
      "Bits per character: the fewer, the likelier.");
    this.list = element("ol", { class: "many-list", "aria-label": "Texts" });
    this.empty = element("p", { class: "empty" });
    this.listCard = element("section", { class: "card", "aria-label": "What was written" },
      element("div", { class: "row spread" },
        element("div", { class: "row" }, this.status, this.seedCopy), this.tools),
      this.caption, this.list, this.empty);
  }

  forgetList() {
    this.entries = [];
    this.dropped = 0;
    this.unfinished = new Map();
    this.writing.clear();
    this.seen.clear();
    this.run = null;
    setChildren(this.list);
    this.showState();
  }

  showState(ending = "") {
    const busy = this.running !== null;
    const shown = this.entries.length;
    this.start.disabled = busy;
    this.more.hidden = busy || shown === 0;
    this.stop.hidden = !busy;
    this.tools.hidden = shown === 0;
    this.caption.hidden = shown === 0;
    this.seedCopy.hidden = shown === 0;
    this.list.setAttribute("aria-busy", String(busy));
    const facts = [`${shown} ${shown === 1 ? "text" : "texts"}`];
    if (this.dropped > 0) facts.push(`${this.dropped} left out`);
    if (this.run) facts.push(`seed ${this.run.seed}`);
    this.status.textContent = shown || this.dropped ? `${facts.join(", ")}. ${ending}`.trim() : "";
    this.empty.hidden = shown > 0 || this.writing.size > 0;
    this.empty.textContent = busy ? "Writing …"
      : ending || "Twenty names, a page of opening lines: they appear here, and a click on one "
        + "shows what surprised the model in it.";
  }

  sorted() {
    const [order, prompt] = [this.order.value(), this.run?.prompt ?? ""];
    const entries = [...this.entries];
    if (order === "written") entries.sort((a, b) => a.index - b.index);
    if (order === "sum") entries.sort((a, b) => bitsOf(a) - bitsOf(b));
    if (order === "character") entries.sort((a, b) => bitsPerCharacter(a) - bitsPerCharacter(b));
    if (order === "alphabet") {
      entries.sort((a, b) => (prompt + a.text).localeCompare(prompt + b.text));
    }
    return entries;
  }

  showEntries() {
    for (const entry of this.entries) entry.row ??= this.makeRow(entry);
    const longest = Math.max(...this.entries.map((each) => this.run.prompt.length + each.text.length));
    this.list.classList.toggle("short", longest <= SHORT_CHARACTERS);
    setChildren(this.list, ...this.sorted().map((each) => each.row), ...this.writing.values());
  }

  makeRow(entry) {
    const detail = element("div", { class: "many-detail", id: `many-${entry.index}`, hidden: true });
    const toggle = element("button", {
      type: "button", class: "many-toggle", "aria-expanded": "false", "aria-controls": detail.id,
      onClick: () => {
        detail.hidden = !detail.hidden;
        toggle.setAttribute("aria-expanded", String(!detail.hidden));
        if (!detail.hidden && !detail.firstChild) this.explain(detail, entry);
      },
    },
    element("span", { class: "many-text written" }, ...shownText(this.run.prompt, entry.text)),
    element("span", { class: "many-bits number" }, shortFact(entry)));
    return element("li", { class: "many-row" }, toggle, detail);
  }

  explain(detail, entry) {
    const { prompt, seed } = this.run;
    const facts = [`Text ${entry.index} of seed ${seed}`, `${[...entry.text].length} characters`];
    if (entry.log_probability !== null) {
      facts.push(`${bitsOf(entry).toFixed(1)} bits in sum`,
        `${bitsPerCharacter(entry).toFixed(2)} bits per character`);
    }
    const whole = prompt + entry.text;
    setChildren(detail,
      entry.characters.length > 0 && surprisedText(prompt, entry.characters),
      element("p", { class: "soft" }, `${facts.join(" · ")}.`),
      element("div", { class: "row" },
        button("Use as the beginning", () => {
          this.beginning.set(whole);
          this.beginning.input.focus();
        }),
        button("Copy", () => this.copyText(whole, "The text"), { "aria-label": `Copy ${whole}` })));
  }

  // --- taking it away

  async copyText(text, what) {
    const worked = await copy(text);
    this.context.announce(worked ? `${what} was copied.` : `${what} could not be copied.`);
    this.note(worked ? `${what} was copied.` : "The browser does not allow that.");
  }

  note(text) {
    const shown = this.status.textContent;
    this.status.textContent = text;
    setTimeout(() => {
      if (this.status.textContent === text) this.status.textContent = shown;
    }, 2000);
  }

  asText() {
    const texts = this.sorted().map((each) => this.run.prompt + each.text);
    return this.run.settings.lines ? `${texts.join("\n")}\n` : texts.join("\n---\n");
  }

  saveTable() {
    const rows = this.sorted().map((each) => [
      this.run.prompt + each.text, each.log_probability, [...each.text].length,
      Number.isFinite(bitsPerCharacter(each)) ? bitsPerCharacter(each) : null,
      String(this.run.seed), each.index,
    ]);
    const names = ["text", "log_probability", "characters", "bits_per_character", "seed", "index"];
    saveAs(this.fileName("csv"), csvText([names, ...rows]), "text/csv");
    const count = countDisarmed(rows);
    if (count > 0) {
      this.note(`${count} ${count === 1 ? "text begins" : "texts begin"} like a formula and got an `
        + "apostrophe in front, so that a spreadsheet does not compute it.");
    }
  }

  fileName(ending) {
    return `${this.model.replace(/[^\w.-]+/gu, "-")}-${this.run.seed}.${ending}`;
  }
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

function bitsOf(entry) {
  return entry.log_probability === null ? Infinity : -entry.log_probability / Math.LN2;
}

function bitsPerCharacter(entry) {
  return bitsOf(entry) / Math.max(entry.characters.length, 1);
}

function shortFact(entry) {
  if (entry.stop_reason === "stopped") return "stopped";
  const bits = bitsPerCharacter(entry);
  return Number.isFinite(bits) ? `${bits.toFixed(2)} bits` : "";
}

/** The prompt and the text, which can be told apart. */
function shownText(prompt, text) {
  return [prompt && element("span", { class: "given" }, prompt), text || (prompt ? "" : "(empty)")];
}
