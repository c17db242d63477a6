// Classes: which pieces of a text made a classifier's prediction, or its number.

import { element, percent } from "./dom.js";
import { barList } from "./inside_charts.js";
import {
  effectLegend, effectLevel, effectList, farthestEffect, onOneLine, withSign,
} from "./inside_effects.js";
import { nameLetter } from "./inside_text.js";

const PIECES = { character: "character", word: "word", words: "stretch of words" };
const CLASSES_SHOWN = 12; // before the others are asked for
const PIECE_SHOWN = 30; // characters of a piece in the list

/** Makes the section Classes, and colours the text by what each piece does for the prediction. */
export function attributionSection(record, text) {
  const { attribution } = record;
  colourPieces(attribution, text);
  return element("div", { class: "stack" },
    predictionCard(attribution),
    piecesCard(attribution, text));
}

function isOfClass({ label }) {
  return label !== null;
}

/** What an effect of a piece is: "+0.40 nats for “soft”", "+3.20 of the number". */
function describeEffect(effect, farthest, attribution) {
  const size = withSign(effect, farthest);
  return isOfClass(attribution) ? `${size} nats for “${attribution.label}”` : `${size} of the number`;
}

// --- over the text

function colourPieces(attribution, text) {
  const { pieces } = attribution;
  const owners = new Map();
  for (const piece of pieces) {
    for (let k = 0; k < piece.length; k++) owners.set(piece.place + k, piece);
  }
  const farthest = farthestEffect(pieces.map(({ effect }) => effect));
  const words = isOfClass(attribution)
    ? `nats of log-odds: from the foot up a piece speaks for “${attribution.label}”, from the head down `
      + "against it."
    : "of the number: from the foot up a piece raises it, from the head down it lowers it.";
  text.color({
    signed: true,
    level: (place) => (owners.has(place) ? effectLevel(owners.get(place).effect, farthest) : null),
    title: (place) => {
      const piece = owners.get(place);
      if (!piece) return "left out of the prediction";
      const name = piece.length > 1 ? `${pieceOf(piece, text)}: ` : "";
      return `${name}${describeEffect(piece.effect, farthest, attribution)}`;
    },
    legend: effectLegend(farthest, words),
  });
}

function pieceOf({ place, length }, text) {
  const letters = text.letters.slice(place, place + length);
  if (letters.length === 1) return nameLetter(letters[0]);
  const shown = onOneLine(letters.slice(0, PIECE_SHOWN).join("").trim()) || "space";
  return `“${shown}${letters.length > PIECE_SHOWN ? " …" : ""}”`;
}

// --- the prediction

function predictionCard(attribution) {
  const heading = isOfClass(attribution) ? "Classes" : "Number";
  return element("section", { class: "card", "aria-labelledby": "attribution-title" },
    element("h2", { id: "attribution-title" }, heading),
    element("p", { class: "inside-finding" }, describePrediction(attribution)),
    ...probabilityLists(attribution.probabilities));
}

function describePrediction({ label, number, probabilities }) {
  return label === null ? `The model predicts ${formatNumber(number)}.`
    : `The model predicts “${label}”, with a probability of ${percent(probabilities[label])}.`;
}

function formatNumber(number) {
  return Number(number.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 });
}

function probabilityLists(probabilities) {
  const rows = Object.entries(probabilities ?? {}).sort(([, a], [, b]) => b - a)
    .map(([name, part]) => ({ name, part, text: percent(part) }));
  const rest = rows.slice(CLASSES_SHOWN);
  return [
    rows.length > 0 && barList(rows.slice(0, CLASSES_SHOWN), "The probabilities of the classes"),
    rest.length > 0 && element("details", {}, element("summary", {}, `${rest.length} more`),
      barList(rest, "The probabilities of the other classes")),
  ];
}

function piecesCard(attribution, text) {
  const kind = PIECES[attribution.unit] ?? attribution.unit;
  const what = isOfClass(attribution) ? `the log-odds of “${attribution.label}” fall without it, in nats (the natural logarithm of its `
      + "probability over that of all others)"
    : "the number falls without it";
  const rows = attribution.pieces.map((piece) => ({
    effect: piece.effect, place: piece.place, label: pieceOf(piece, text),
  }));
  return element("section", { class: "card", "aria-labelledby": "pieces-title" },
    element("h2", { id: "pieces-title" }, "What made the prediction"),
    element("p", {}, `Each ${kind} of the text was left out in turn: an effect is how much ${what}.`),
    effectList(rows, text, `Each ${kind} with the largest effect`, 12));
}
