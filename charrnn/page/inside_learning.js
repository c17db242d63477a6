// Learning: what was learned when, over the checkpoints that are kept.

import { element } from "./dom.js";
import { lineChart } from "./inside_charts.js";

const WIDE_SPAN = 30; // checkpoints farther apart than this are drawn on a logarithmic axis
const LITTLE_LEARNED = 0.05; // bits that are not worth a sentence about when they were gained

/** Makes the section Learning. */
export function learningSection(record) {
  const { learning } = record;
  return element("div", { class: "stack" }, curvesCard(learning), learnedCard(learning));
}

function curvesCard({ kinds, checkpoints }) {
  const read = checkpoints.map(({ characters }) => characters);
  const first = checkpoints[0];
  const last = checkpoints.at(-1);
  const found = `From ${first.total.toFixed(2)} bits per character after ${
    first.characters.toLocaleString("en")} characters read to ${last.total.toFixed(2)} after ${
    last.characters.toLocaleString("en")}.`;
  return element("section", { class: "card", "aria-labelledby": "learning-title" },
    element("h2", { id: "learning-title" }, "Learning"),
    element("p", {}, `How hard each kind of character still was at ${
      checkpoints.length} of the checkpoints that are kept: the lower a curve, the better it was known.`),
    element("p", { class: "inside-finding" }, found),
    lineChart({
      title: "The loss by kind of character over the checkpoints",
      xLabel: "characters read in training", yLabel: "bits per character", floor: 0,
      log: read[0] > 0 && read.at(-1) / read[0] > WIDE_SPAN,
      yFormat: (value) => `${value.toFixed(2)} bits`, summary: found,
      series: [
        { name: "all characters", points: checkpoints.map((each) => [each.characters, each.total]) },
        ...kinds.map((name, k) => ({
          name, points: checkpoints.map((each) => [each.characters, each.bits[k]]),
        })),
      ],
    }));
}

function learnedCard({ kinds, counts, checkpoints, learned }) {
  const kindAt = (name) => kinds.indexOf(name);
  const order = (step) => step ?? Infinity;
  const sentences = [...learned].sort(([, a], [, b]) => order(a) - order(b) || 0)
    .map(([name, step]) => (
      describeLearned(name, step, checkpoints, kindAt(name), counts[kindAt(name)])));
  return element("section", { class: "card", "aria-labelledby": "learned-title" },
    element("h2", { id: "learned-title" }, "What was learned when"),
    element("p", {}, "A kind counts as learned at the first of these checkpoints with nine tenths of "
      + "what the best one has gained on the first."),
    element("ul", { class: "learned-list" },
      ...sentences.map((each) => element("li", {}, ...each))));
}

function describeLearned(name, step, checkpoints, k, count) {
  const bits = (checkpoint) => checkpoint.bits[k]?.toFixed(2) ?? "?";
  const [first, last] = [checkpoints[0], checkpoints.at(-1)];
  const bold = element("b", {}, name[0].toUpperCase() + name.slice(1));
  const size = element("span", { class: "soft" }, ` ${count.toLocaleString("en")} in the text.`);
  if (step === null) {
    return [bold, `: never better than at the first of these checkpoints, with ${bits(first)} bits.`,
      size];
  }
  const best = checkpoints.reduce((a, b) => (b.bits[k] < a.bits[k] ? b : a));
  if (first.bits[k] - best.bits[k] < LITTLE_LEARNED) {
    return [bold, `: hardly better than at the first of these checkpoints: from ${bits(first)} to ${
      bits(best)} bits at best.`, size];
  }
  const at = checkpoints.find((each) => each.step === step);
  return [bold, `: by step ${step.toLocaleString("en")}, after ${
    at.characters.toLocaleString("en")} characters read, from ${bits(first)} to ${
    bits(at)} bits; ${bits(last)} at the last.`, size];
}
