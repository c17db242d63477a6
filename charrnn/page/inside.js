// Inside: what a model does with a text: what surprises it, what its units show, what it remembers.

import { button, element, freshId, saveAs, setChildren, textField } from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { alignmentSection } from "./inside_alignment.js";
import { attributionSection } from "./inside_attribution.js";
import { cellsSection } from "./inside_cells.js";
import { copyingSection } from "./inside_copying.js";
import { embeddingsSection } from "./inside_embeddings.js";
import { learningSection } from "./inside_learning.js";
import { memorySection } from "./inside_memory.js";
import { surpriseSection } from "./inside_surprise.js";
import { InsideText, nameLetter } from "./inside_text.js";

const SKIPPED_NAMED = 20; // characters that were left out

// The parts of the record, each with its title and what makes its section from the record and the
// InsideText. A section is made anew each time that it is opened, over a text without colours.
const INSIDE_SECTIONS = [
  ["attribution", "Classes", attributionSection],
  ["surprise", "Surprise", surpriseSection],
  ["cells", "Cells", cellsSection],
  ["memory", "Memory", memorySection],
  ["copying", "Copying", copyingSection],
  ["learning", "Learning", learningSection],
  ["alignment", "Translations", alignmentSection],
  ["embeddings", "Embeddings", embeddingsSection],
];

const LABELLED_HINT = "Which of its characters make the prediction is shown.";
const INSIDE_HINTS = {
  classify: LABELLED_HINT,
  regress: LABELLED_HINT,
  transduce: "A source on each line. Leave it empty for some that were held out of the training.",
};

export const insidePart = {
  id: "inside",
  title: "Inside",
  needs: ["explain"],
  suits: () => true,
  mount: (root, context) => new Inside(root, context),
};

class Inside {
  constructor(root, context) {
    this.context = context;
    this.isFixed = Boolean(context.charrnn.explained);
    this.request = null;
    this.output = element("div", { class: "stack" });
    setChildren(root, this.isFixed ? null : this.makeForm(), this.output);
    context.onModel((model) => this.change(model));
    this.change(context.model());
  }

  show() {
    if (this.isFixed && !this.record) this.explain(null);
  }

  hide() {}

  makeForm() {
    this.input = textField("Text", { rows: 4, class: "written", reason: " " });
    this.start = button("Explain", () => this.explain(this.input.value() || null), {
      kind: "primary",
    });
    this.stop = button("Stop", () => this.request?.abort());
    this.stage = element("p", { class: "soft inside-stage", role: "status" });
    this.form = element("details", { class: "card inside-form", open: true },
      element("summary", {}, "The text to explain"),
      this.input.node,
      element("div", { class: "row" }, this.start, this.stop, this.stage));
    this.stop.hidden = true;
    return this.form;
  }

  /** Forgets what was explained of another model. */
  change(model) {
    if (this.isFixed) return;
    this.request?.abort();
    this.record = null;
    setChildren(this.output);
    this.form.open = true;
    this.input.node.querySelector(".reason").textContent = INSIDE_HINTS[model.task]
      ?? "Leave it empty for the beginning of the text that was held out of the training.";
  }

  async explain(text) {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.showProgress(true);
    try {
      const record = await this.context.charrnn.explain(
        { model: this.context.model().id, text },
        { signal: request.signal, onStage: (stage) => this.showStage(stage) });
      if (request.signal.aborted) return;
      this.showRecord(record);
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
    } finally {
      if (this.request === request) this.showProgress(false);
    }
  }

  showProgress(isRunning) {
    if (!this.form) return;
    const [left, next] = isRunning ? [this.start, this.stop] : [this.stop, this.start];
    const hasFocus = document.activeElement === left; // which it is about to lose
    this.start.disabled = isRunning;
    this.stop.hidden = !isRunning;
    if (hasFocus) (this.form.open ? next : this.form.firstChild).focus();
    this.showStage(isRunning ? "reading the text" : "");
  }

  showStage(stage) {
    if (this.stage) this.stage.textContent = stage === "" ? "" : `Now: ${stage} …`;
  }

  // --- what was found out

  showRecord(record) {
    this.record = record;
    if (this.form) this.form.open = false;
    const text = new InsideText(record.text.text);
    const made = INSIDE_SECTIONS.filter(([name]) => record[name]).map(([name, title, make]) => (
      [name === "attribution" && record[name].label === null ? "Number" : title, make]));
    const panel = element("div", { class: "inside-section stack", role: "tabpanel", tabindex: "-1" });
    const tabs = made.length === 0 ? null : sectionTabs(made, (makeSection) => {
      text.reset();
      setChildren(panel, makeSection(record, text));
    }, panel);
    setChildren(this.output,
      element("p", { class: "soft inside-facts" }, describeRecord(record)),
      tabs,
      element("div", { class: "inside-work" }, text.node, tabs && panel),
      absentNode(record),
      button("Save all numbers as JSON", () => saveAs("explanation.json", JSON.stringify(record),
        "application/json")));
    this.context.announce?.("The text is explained.");
  }
}

/**
 * Makes the sections' tabs over a panel, and opens the first. An entry is a title and what
 * `open(make)` fills the panel with.
 */
function sectionTabs(entries, open, panel) {
  panel.id = freshId("inside-section");
  const tabs = entries.map(([title], k) => element("button", {
    type: "button", role: "tab", id: freshId("inside-tab"), "aria-controls": panel.id,
    onClick: () => choose(k),
  }, title));
  function choose(chosen) {
    tabs.forEach((tab, k) => {
      tab.setAttribute("aria-selected", String(k === chosen));
      tab.tabIndex = k === chosen ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", tabs[chosen].id);
    open(entries[chosen][1]);
  }
  const node = element("div", {
    class: "tabs inside-tabs", role: "tablist", "aria-label": "What was found out",
    onKeydown: (event) => {
      const here = tabs.indexOf(document.activeElement);
      const next = {
        ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1,
      }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      const chosen = (next + tabs.length) % tabs.length;
      choose(chosen);
      tabs[chosen].focus();
    },
  }, ...tabs);
  choose(0);
  return node;
}

/** Says what was explained, of which model. */
function describeRecord({ model, text }) {
  const count = (number) => number.toLocaleString("en");
  const facts = [`${model.cell.toUpperCase()}, ${model.layers} × ${model.hidden_size}, trained on ${
    model.corpus}.`];
  const read = text.characters < text.of_characters
    ? `the first ${count(text.characters)} of ${count(text.of_characters)} characters`
    : `${count(text.characters)} characters`;
  const source = text.source === "the text" ? "" : `: ${text.source}`;
  facts.push(`It read ${read}${source}.`);
  const shown = [...text.text].length;
  if (shown < text.characters) facts.push(`The first ${count(shown)} are shown.`);
  if (text.skipped.length > 0) {
    const named = text.skipped.slice(0, SKIPPED_NAMED).map(nameLetter);
    const rest = text.skipped.length - named.length;
    facts.push(`Left out, for the model has never seen them: ${named.join(", ")}${
      rest > 0 ? ` and ${count(rest)} more` : ""}.`);
  }
  return facts.join(" ");
}

/** Says which sections there are not, and why; null where all are there. */
function absentNode({ absent }) {
  const titles = new Map();
  for (const [name, title] of INSIDE_SECTIONS) {
    const reason = absent[name];
    if (reason) titles.set(reason, [...(titles.get(reason) ?? []), title]);
  }
  if (titles.size === 0) return null;
  return element("ul", { class: "soft inside-absent" }, ...[...titles].map(([reason, names]) => (
    element("li", {}, `${names.join(", ")}: not here, because ${reason}.`))));
}
