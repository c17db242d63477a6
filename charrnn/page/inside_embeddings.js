// Embeddings: the characters on a plane, and which are alike for the model.

import { button, element, percent, setChildren } from "./dom.js";
import { ScatterPlot } from "./inside_scatter.js";
import { nameLetter } from "./inside_text.js";
import { shareBar } from "./shares.js";

const EMBEDDING_SIGNS = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "": "∅" };

/** Makes the section Embeddings, and outlines the chosen character in the text. */
export function embeddingsSection(record, text) {
  return new EmbeddingPlane(record, text).node;
}

/** A character as a short label on the plane: one that cannot be seen has a sign or its code. */
function labelOf(letter) {
  if (EMBEDDING_SIGNS[letter]) return EMBEDDING_SIGNS[letter];
  const code = letter.codePointAt(0);
  if (/^\p{C}$/u.test(letter) && code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (/^[\p{C}\p{Z}]$/u.test(letter)) return nameLetter(letter);
  return /^\p{M}/u.test(letter) ? `◌${letter}` : letter;
}

class EmbeddingPlane {
  constructor({ embeddings, alphabet, model }, text) {
    this.alphabet = alphabet;
    this.text = text;
    this.places = placesOfIds(text.letters, alphabet, model.tokenizer === "byte");
    const count = ({ id }) => this.placesOf(id).length;
    // Those that come often keep their labels where there is no room for all.
    this.characters = [...embeddings.characters].sort((a, b) => count(b) - count(a) || a.id - b.id);
    this.numbers = new Map(this.characters.map(({ id }, k) => [id, k]));
    this.plot = new ScatterPlot(this.characters.map(({ id, x, y }) => ({
      x, y, label: labelOf(alphabet[id]), name: nameLetter(alphabet[id]), key: alphabet[id],
      isFaint: count({ id }) === 0,
    })), {
      title: "The characters by their embeddings. Arrow keys go to the next in a direction, a "
        + "letter to itself.",
      onChoose: (k) => this.show(this.characters[k]),
    });
    this.found = element("div", { role: "status" });
    const kinds = model.tokenizer === "byte" ? "bytes" : "characters";
    this.node = element("section", { class: "card", "aria-labelledby": "embeddings-title" },
      element("h2", { id: "embeddings-title" }, "Embeddings"),
      element("p", {}, `What the model takes the ${kinds} for: those that it treats alike lie close `
        + "together. Choose one for its neighbours. Those in grey do not come in the text."),
      element("p", { class: "soft" }, describePlane(embeddings, model, kinds)),
      this.plot.node, this.plot.tip, this.found);
    if (this.characters.length > 0) this.plot.choose(0);
  }

  /** The places of the text that have a character, or a byte. */
  placesOf(id) {
    return this.places.get(this.alphabet[id]) ?? [];
  }

  /** Shows the neighbours of a character, and outlines it in the text. */
  show({ id, neighbours }) {
    const { length: count } = this.placesOf(id);
    this.text.mark(this.placesOf(id));
    this.plot.relate(neighbours.map(([other]) => this.numbers.get(other))
      .filter((k) => k !== undefined));
    const times = count === 0 ? "It does not come in the text that is shown."
      : `It is outlined in the text, where it comes ${count.toLocaleString("en")} time${
        count === 1 ? "" : "s"}.`;
    setChildren(this.found,
      element("h3", {}, `Most like ${nameLetter(this.alphabet[id])}`),
      element("ol", { class: "bar-list neighbour-list" },
        ...neighbours.map(([other, cosine]) => this.neighbourRow(other, cosine))),
      element("p", { class: "soft" }, `${times} The numbers are cosine similarities: 1 is the same `
        + "direction, 0 has nothing in common."));
  }

  neighbourRow(other, cosine) {
    const k = this.numbers.get(other);
    const name = nameLetter(this.alphabet[other]);
    return element("li", {},
      element("span", { class: "bar-name" }, k === undefined ? name
        : button(name, () => this.plot.choose(k), { kind: "place-link" })),
      element("span", { class: "number" }, cosine.toFixed(2).replace("-", "−")),
      shareBar(Math.max(cosine, 0)));
  }
}

function describePlane({ characters, variance: [first, second] }, model, kinds) {
  const few = characters.length < 1000 ? ""
    : " Only those that come most often in the text are compared.";
  return `The plane has ${percent(first)} and ${percent(second)} of the variance of ${
    model.embedding_size} numbers for each of ${characters.length.toLocaleString("en")} ${kinds}: what `
    + `lies apart on it may still be alike, so neighbours are found by all the numbers.${few}`;
}

/** The places of a text by what stands there: a character of the alphabet, or each of its bytes. */
function placesOfIds(letters, alphabet, isBytes) {
  const encoder = new TextEncoder();
  const places = new Map();
  letters.forEach((letter, place) => {
    const parts = isBytes ? [...encoder.encode(letter)].map((byte) => alphabet[byte]) : [letter];
    for (const part of new Set(parts)) {
      if (!places.has(part)) places.set(part, []);
      places.get(part).push(place);
    }
  });
  return places;
}
