// Cells: which units show which concepts, and what a unit does over the text.

import { button, chooser, element, setChildren } from "./dom.js";

const SIGNED_LEVELS = 10; // on each side of the mean
const NEXT_TO_NOTHING = 0.002; // nats per character

/** Makes the section Cells, and draws the best unit over the text. */
export function cellsSection(record, text) {
  return new InsideCells(record.cells, text).node;
}

function nameUnit({ layer, unit }) {
  return `layer ${layer}, unit ${unit}`;
}

function keyOf({ layer, unit }) {
  return `${layer}-${unit}`;
}

/** The name of a measure of a concept: what its score is. */
function measureName({ kind }) {
  return kind === "binary" ? "AUC" : "correlation";
}

/** How much of its bar a score fills: nothing by chance, all where it is perfect. */
function scorePart({ kind }, score) {
  const part = kind === "binary" ? 2 * score - 1 : score;
  return Math.min(Math.max(part, 0), 1);
}

/** Returns the activity of a unit at each place that is shown, from the bytes of the record. */
function readActivity({ activity, lowest, highest }) {
  const bytes = atob(activity);
  return Float32Array.from(bytes, (each) => (
    lowest + (each.charCodeAt(0) / 255) * (highest - lowest)));
}

class InsideCells {
  constructor(cells, text) {
    this.cells = cells;
    this.text = text;
    this.units = new Map(cells.units.map((unit) => [keyOf(unit), unit]));
    this.names = new Map(cells.concepts.map((concept) => [concept.name, concept]));
    this.drawn = null; // the unit over the text
    this.opened = null; // the row of a concept
    this.unitList = chooser("Draw", cells.units.map((unit) => [keyOf(unit), nameUnit(unit)]), {
      onChange: (key) => this.choose(this.units.get(key)),
    });
    this.controls = element("div", { class: "inside-drawn" }, this.unitList.node);
    this.rows = cells.concepts.map((concept) => new ConceptRow(concept, this));
    this.node = element("div", { class: "stack" }, this.conceptsCard(), this.missingCard());
    if (this.rows.length > 0) this.open(this.rows[0]);
  }

  // --- the concepts

  conceptsCard() {
    const { characters } = this.cells;
    if (this.rows.length === 0) {
      return element("section", { class: "card", "aria-labelledby": "cells-title" },
        element("h2", { id: "cells-title" }, "Cells"),
        element("p", {}, "The text is too short to measure what units show: every concept comes too "
          + "seldom in it."));
    }
    return element("section", { class: "card", "aria-labelledby": "cells-title" },
      element("h2", { id: "cells-title" }, "Cells"),
      element("p", {}, "What the activity of single units says about the text: choose a concept to "
        + "draw its best unit over the text, and to see what that unit does."),
      element("p", { class: "soft" }, "The score of a concept that is there or not is the AUC: how "
        + "often its unit is more active on a place with it than on one without (0.5 is chance, 1 is "
        + "perfect). That of an amount is the correlation (0 is chance). The line across each bar is "
        + "the best of as many random directions: a unit below it shows nothing of its own. Units "
        + `were chosen on one half of ${characters.toLocaleString("en")} characters, and scored on `
        + "the other. Losses are in nats: 1 nat is 1.44 bits."),
      element("ol", { class: "concept-list", "aria-label": "Concepts, the best shown first" },
        ...this.rows.map((row) => row.node)));
  }

  missingCard() {
    const names = this.cells.missing_concepts;
    if (names.length === 0) return null;
    return element("section", { class: "card", "aria-labelledby": "missing-title" },
      element("h2", { id: "missing-title" }, "Not measured"),
      element("p", { class: "soft" }, "These concepts come too seldom in this text, or too often."),
      element("ul", { class: "missing-list" }, ...names.map((name) => (
        element("li", {}, name.replaceAll("_", " "))))));
  }

  /** Opens the row of a concept, closes the other one, and draws the concept's best unit. */
  open(row) {
    this.opened?.setOpen(false);
    this.opened = row;
    row.setOpen(true);
    const best = this.units.get(keyOf(row.concept.units[0]));
    if (best) this.draw(best);
  }

  close() {
    this.opened?.setOpen(false);
    this.opened = null;
  }

  /** Draws a unit, and opens the row of the concept that it shows best. */
  choose(unit) {
    const row = this.rows.find(({ concept }) => concept.name === unit.concepts[0]);
    if (row) this.open(row);
    else this.draw(unit);
  }

  // --- a unit over the text

  draw(unit) {
    this.drawn = unit;
    this.unitList.set(keyOf(unit));
    const values = readActivity(unit);
    const { mean, lowest, highest } = unit;
    const farthest = Math.max(highest - mean, mean - lowest) || 1;
    this.text.color({
      signed: true,
      level: (place) => (place < values.length
        ? Math.round((SIGNED_LEVELS * (values[place] - mean)) / farthest) : null),
      title: (place) => describeActivity(values[place], unit),
      detail: (place) => (place < values.length ? activityBar(values[place], unit) : null),
      controls: this.controls,
      legend: element("div", {},
        signedSwatches(unit, farthest),
        element("p", { class: "legend hint" }, this.describeUnit(unit))),
    });
    this.opened?.showUnits();
  }

  describeUnit({ concepts }) {
    const found = concepts.map((name) => this.names.get(name)?.description).filter(Boolean);
    return found.length === 0 ? ""
      : `Of all units, it shows best: ${found.map((each) => `“${each}”`).join(", ")}.`;
  }

  /** Says in a sentence or two what it costs to hold a unit at its mean. */
  describeHeld(unit, concept) {
    const { held } = unit;
    if (!held) return `What it costs to hold ${nameUnit(unit)} at its mean was not measured.`;
    const there = held.concept === concept.name ? "right after these places" : `right after places of “${
      this.names.get(held.concept)?.description ?? held.concept.replaceAll("_", " ")}”`;
    return `With ${nameUnit(unit)} held at its mean, the model ${lost(held.nats_there)} per character ${
      there} (${counted(held.characters_there)}), and ${lost(held.nats_elsewhere)} elsewhere (${
      counted(held.characters_elsewhere)}). ${judge(held)}`;
  }
}

function lost(value) {
  return `${value < 0 ? "gains" : "loses"} ${Math.abs(value).toFixed(4)} nats`;
}

function counted(number) {
  return `${number.toLocaleString("en")} character${number === 1 ? "" : "s"}`;
}

/** Says what the losses of a held unit mean. */
function judge({ nats_there: there, nats_elsewhere: elsewhere }) {
  if (there <= -NEXT_TO_NOTHING) return "So the model predicts better there without it.";
  if (there < NEXT_TO_NOTHING) {
    return "That is next to nothing: other units do the same work, or this one only goes along with "
      + "the concept.";
  }
  if (there <= elsewhere) return "So the model needs it no more there than elsewhere.";
  if (elsewhere <= 0 || there > 100 * elsewhere) return "So the model needs it there, and only there.";
  const ratio = there / elsewhere;
  return `So it matters ${ratio.toFixed(ratio < 10 ? 1 : 0)} times as much there.`;
}

// --- activity

function describeActivity(value, { mean }) {
  if (value === undefined) return "its activity is not recorded here";
  const apart = value - mean;
  const side = Math.abs(apart) < 0.005 ? "its mean" : `${Math.abs(apart).toFixed(2)} ${
    apart > 0 ? "above" : "below"} its mean`;
  return `activity ${signedNumber(value)}, ${side}`;
}

function signedNumber(value) {
  return `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
}

/** A bar from the lowest to the highest activity, with the mean and where it is now. */
function activityBar(value, { lowest, highest, mean }) {
  const part = (each) => `${(100 * (each - lowest)) / (highest - lowest || 1)}%`;
  return element("div", { class: "activity", "aria-hidden": "true" },
    element("span", { class: "number" }, signedNumber(lowest)),
    element("span", {
      class: "activity-bar", style: { "--mean": part(mean), "--value": part(value) },
    }),
    element("span", { class: "number" }, signedNumber(highest)));
}

function signedSwatches({ mean, lowest, highest }, farthest) {
  const valueOf = (level) => mean + (level * farthest) / SIGNED_LEVELS;
  const levels = [-10, -5, 0, 5, 10].filter((level) => (
    valueOf(level) > lowest - 0.01 && valueOf(level) < highest + 0.01));
  const swatches = levels.map((level) => element("span", {
    class: `swatch ${level === 0 ? "" : `${level > 0 ? "above" : "below"}-${Math.abs(level)}`}`,
  }, signedNumber(valueOf(level))));
  return element("p", { class: "legend hint" },
    element("span", { class: "swatches", "aria-hidden": "true" }, ...swatches),
    " activity after each character: from the foot up above its mean, from the head down below it.");
}

// --- a concept

class ConceptRow {
  constructor(concept, owner) {
    this.concept = concept;
    this.owner = owner;
    const [best] = concept.units;
    const measure = measureName(concept);
    this.toggle = button("", () => (owner.opened === this ? owner.close() : owner.open(this)), {
      kind: "concept-toggle", "aria-expanded": "false",
    });
    this.toggle.append(
      element("span", { class: "concept-name" }, concept.description,
        element("span", { class: "soft" }, ` ${nameUnit(best)}; random ${
          concept.random_direction.toFixed(2)}`)),
      element("span", { class: "number concept-score" },
        element("span", { class: "soft" }, `${measure} `), best.score.toFixed(2)),
      scoreBar(concept, best.score));
    this.detail = element("div", { class: "concept-detail", hidden: true });
    this.node = element("li", {}, this.toggle, this.detail);
  }

  setOpen(isOpen) {
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.detail.hidden = !isOpen;
    if (isOpen) this.showDetail();
  }

  showDetail() {
    const { concept, owner } = this;
    const best = owner.units.get(keyOf(concept.units[0]));
    this.unitRows = element("tbody");
    this.showUnits();
    setChildren(this.detail,
      element("p", {}, describeShare(concept), " ", best && owner.describeHeld(best, concept)),
      element("table", { class: "unit-table" },
        element("caption", { class: "unseen" }, `The best units: ${concept.description}`),
        element("thead", {}, element("tr", {},
          element("th", { scope: "col" }, "Unit"),
          element("th", { scope: "col", class: "number" }, measureName(concept)),
          element("th", { scope: "col", class: "number" }, "in choosing"),
          element("td"))),
        this.unitRows),
      element("p", { class: "soft" }, describeSum(concept)),
      button("See it in the text", () => owner.text.node.scrollIntoView({ block: "start" }), {
        kind: "to-text",
      }));
  }

  showUnits() {
    const { concept, owner } = this;
    const rows = concept.units.map((each) => {
      const unit = owner.units.get(keyOf(each));
      const isDrawn = unit !== undefined && unit === owner.drawn;
      return element("tr", {},
        element("th", { scope: "row" }, nameUnit(each), each.sign < 0 && " (less active there)"),
        element("td", { class: "number" }, each.score.toFixed(3)),
        element("td", { class: "number" }, each.chosen_score.toFixed(3)),
        element("td", { class: "unit-draw" }, unit && button("Draw", () => {
          owner.draw(unit);
          this.unitRows.querySelector('[aria-pressed="true"]')?.focus();
        }, { "aria-pressed": String(isDrawn), "aria-label": `Draw ${nameUnit(each)}` })));
    });
    setChildren(this.unitRows, ...rows);
  }
}

/** A bar of a score, with a line across it for that of random directions. */
function scoreBar(concept, score) {
  const part = (each) => `${100 * scorePart(concept, each)}%`;
  return element("span", {
    class: "score-bar", "aria-hidden": "true",
    style: { "--part": part(score), "--random": part(concept.random_direction) },
  });
}

function describeShare({ kind, mean }) {
  return kind === "binary"
    ? `It is so at ${(100 * mean).toFixed(mean < 0.1 ? 1 : 0)} % of the places.`
    : `It is ${mean.toFixed(1)} on average.`;
}

function describeSum(concept) {
  const { units, score } = concept.sum_of_units;
  const parts = units.map(([layer, unit, weight]) => (
    `${nameUnit({ layer, unit })} × ${signedNumber(weight)}`));
  return `A sum of ${units.length} unit${units.length === 1 ? "" : "s"} reaches ${
    score.toFixed(3)} (${parts.join("; ")}), the best of as many random directions ${
    concept.random_direction.toFixed(3)}.`;
}
