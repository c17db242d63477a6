// Predict: the classes of texts with their probabilities, or numbers.

import { button, checkBox, debounce, element, percent, saveAs, setChildren, textField } from "./dom.js";
import { countDisarmed, csvText } from "./csv.js";
import { wasAborted } from "./engine_error.js";
import { shareBar } from "./shares.js";

const PREDICT_PAUSE = 250; // milliseconds without typing
const MOST_BARS = 12; // classes that are shown before the others are asked for
const MOST_ROWS = 1000;

export const predictPart = {
  id: "predict",
  title: "Predict",
  suits: (model) => model.task === "classify" || model.task === "regress",
  mount: (root, context) => new Predictor(root, context),
};

class Predictor {
  constructor(root, context) {
    this.context = context;
    this.request = null;
    this.rows = []; // [text, prediction]
    this.later = debounce(PREDICT_PAUSE, () => this.predict());
    this.input = textField("Text", {
      rows: 5, class: "written", onInput: this.later,
      reason: "The prediction appears while you type.",
    });
    this.lines = checkBox("Each line is a text of its own", { onChange: () => this.predict() });
    this.output = element("div");
    this.table = button("Save as CSV", () => this.saveTable());
    this.status = element("p", { class: "soft" });
    this.outputCard = element("section", { class: "card stack", "aria-label": "The prediction" },
      this.output, this.status, this.table);
    setChildren(root, element("div", { class: "predict" },
      element("div", { class: "card" }, this.input.node, this.lines.node), this.outputCard));
    context.onModel((model) => predictPart.suits(model) && this.predict());
    this.predict();
  }

  show() {}

  hide() {}

  texts() {
    const text = this.input.value();
    if (!this.lines.value()) return text === "" ? [] : [text];
    return text.split("\n").filter((line) => line.trim() !== "").slice(0, MOST_ROWS);
  }

  async predict() {
    this.later.cancel();
    this.request?.abort();
    this.request = new AbortController();
    const texts = this.texts();
    this.outputCard.hidden = texts.length === 0;
    this.rows = [];
    if (texts.length === 0) return;
    const model = this.context.model();
    try {
      const found = await this.context.charrnn.predict(texts, {
        model: model.id, signal: this.request.signal,
      });
      this.rows = found.map((each, k) => [texts[k], each]);
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
      return;
    }
    this.showRows(model);
  }

  showRows(model) {
    const single = !this.lines.value();
    this.table.hidden = single;
    const shown = single ? showOne(this.rows[0][1]) : showAll(this.rows, model);
    setChildren(this.output, shown);
    const skipped = new Set(this.rows.flatMap(([, each]) => each.skipped ?? []));
    this.status.textContent = skipped.size === 0 ? ""
      : `The model has never seen ${[...skipped].slice(0, 20).join(" ")}, which is left out.`;
    this.status.hidden = skipped.size === 0;
    this.context.announce(single ? inWords(this.rows[0][1]) : `${this.rows.length} predictions.`);
  }

  saveTable() {
    const labels = this.context.model().labels ?? [];
    const names = labels.length > 0 ? ["text", "label", ...labels.map((each) => `p(${each})`)]
      : ["text", "number"];
    const rows = this.rows.map(([text, each]) => (labels.length > 0
      ? [text, each.label, ...labels.map((label) => each.probabilities?.[label] ?? null)]
      : [text, each.number]));
    saveAs("predictions.csv", csvText([names, ...rows]), "text/csv");
    const count = countDisarmed(rows);
    if (count > 0) {
      this.status.hidden = false;
      this.status.textContent = `${count} ${count === 1 ? "cell begins" : "cells begin"} like a `
        + "formula and got an apostrophe in front, so that a spreadsheet does not compute it.";
    }
  }
}

function problemOf(prediction) {
  return prediction.problem ?? prediction.reason ?? null;
}

/** A prediction in a sentence, for a screen reader. */
function inWords(prediction) {
  const problem = problemOf(prediction);
  if (problem !== null) return `No prediction: ${problem}.`;
  if (prediction.label === null || prediction.label === undefined) return showNumber(prediction.number);
  return `${prediction.label}, ${percent(prediction.probabilities[prediction.label])}.`;
}

function showNumber(number) {
  return Number(number.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6, useGrouping: false });
}

function showOne(prediction) {
  const problem = problemOf(prediction);
  if (problem !== null) return element("p", { class: "empty" }, `No prediction: ${problem}.`);
  const entries = Object.entries(prediction.probabilities ?? {}).sort(([, a], [, b]) => b - a);
  if (entries.length === 0) {
    return element("p", { class: "predicted-number number" }, showNumber(prediction.number));
  }
  const bars = (part, first) => element("ol", { class: "class-list", start: first + 1 },
    ...part.map(([label, probability], k) => element("li", {
      class: first + k === 0 ? "class first-class" : "class",
    },
    element("span", { class: "class-name" }, label),
    element("span", { class: "share-number number" }, percent(probability)),
    shareBar(probability))));
  const rest = entries.slice(MOST_BARS);
  return element("div", {}, bars(entries.slice(0, MOST_BARS), 0),
    rest.length > 0 && element("details", {},
      element("summary", {}, `${rest.length} more`), bars(rest, MOST_BARS)));
}

function showAll(rows, model) {
  const numbers = rows.map(([, each]) => each.number).filter((each) => Number.isFinite(each));
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const isClass = (model.labels ?? []).length > 0;
  const cells = ([text, each]) => {
    const problem = problemOf(each);
    if (problem !== null) return [element("td", { colspan: 2, class: "soft" }, `none: ${problem}`)];
    if (!isClass) {
      const part = most > least ? (each.number - least) / (most - least) : 1;
      return [element("td", { class: "number" }, showNumber(each.number)),
        element("td", { class: "bar-cell" }, shareBar(part))];
    }
    const probability = each.probabilities[each.label];
    return [element("td", { class: "class-cell" }, each.label),
      element("td", { class: "bar-cell" },
        element("span", { class: "share-number number" }, percent(probability)), shareBar(probability))];
  };
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Predictions" },
    element("table", { class: "predictions" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Text"),
        element("th", { scope: "col", class: isClass ? null : "number" }, isClass ? "Class" : "Number"),
        element("th", { scope: "col" }, isClass ? "Probability" : "From least to most"))),
      element("tbody", {}, ...rows.map((row) => element("tr", {},
        element("th", { scope: "row", class: "written" }, row[0]), ...cells(row))))));
}
