// Copying: what stands word for word in the training text, of samples, of this text, and of the
// text that people wrote and that was held out.

import { element, percent } from "./dom.js";
import { lineChart, wholePercent } from "./inside_charts.js";
import { onOneLine } from "./inside_effects.js";

const COPY_NAMES = { samples: "the samples", text: "this text", held_out: "the held-out text" };
const LONGEST_SHOWN = 3; // copies of each kind of text, before the others are asked for
const COPY_LEVELS = [[200, 10], [100, 8], [50, 6], [20, 3]];
const NEW_MOSTLY = 0.5; // the share from which sequences are mostly new

/** Makes the section Copying, and draws the copies over the text. */
export function copyingSection(record, text) {
  const { copying, model } = record;
  const unit = model.tokenizer === "byte" ? "bytes" : "characters";
  colourCopies(copying.passages, text, unit);
  return element("div", { class: "stack" },
    sharesCard(copying, unit),
    noveltyCard(copying.figures, unit),
    longestCard(copying.figures, text, unit));
}

function nameCopied(figures) {
  return COPY_NAMES[figures.name] ?? figures.name.replaceAll("_", " ");
}

// --- over the text

function colourCopies(passages, text, unit) {
  const lengths = new Map(); // the longest copy that each place lies in
  const owners = new Map();
  for (const [place, length, training] of passages) {
    for (let at = place; at < place + length; at++) {
      if ((lengths.get(at) ?? 0) >= length) continue;
      lengths.set(at, length);
      owners.set(at, training);
    }
  }
  const swatches = COPY_LEVELS.toReversed().map(([length, level]) => element("span", {
    class: `swatch surprise-${level}`,
  }, `${length}${length === COPY_LEVELS[0][0] ? "+" : ""}`));
  text.color({
    level: (place) => (lengths.has(place) ? copyLevel(lengths.get(place)) : null),
    title: (place) => (lengths.has(place)
      ? `in a copy of ${lengths.get(place).toLocaleString("en")} characters, from ${unit.slice(0, -1)} `
        + `${(owners.get(place) + 1).toLocaleString("en")} of the training text on`
      : `in no copy of 20 ${unit} or more`),
    legend: passages.length === 0
      ? element("p", { class: "legend hint" }, `No passage of 20 ${unit} or more of what is shown stands `
        + "in the training text.")
      : element("p", { class: "legend hint" },
        element("span", { class: "swatches", "aria-hidden": "true" }, ...swatches),
        " characters: the higher the colour, the longer the passage that stands word for word in "
        + "the training text."),
  });
}

function copyLevel(length) {
  return COPY_LEVELS.find(([least]) => length >= least)?.[1] ?? COPY_LEVELS.at(-1)[1];
}

// --- the shares

function sharesCard({ figures, training_characters: count }, unit) {
  const lengths = [...new Set(figures.flatMap(({ shares }) => Object.keys(shares).map(Number)))]
    .sort((a, b) => a - b);
  const head = (each) => element("th", { scope: "col", class: "number" }, nameCopied(each),
    element("span", { class: "copy-size" }, describeSize(each, unit)));
  return element("section", { class: "card", "aria-labelledby": "copying-title" },
    element("h2", { id: "copying-title" }, "Copying"),
    element("p", {}, `How much stands word for word in the training text of ${
      count.toLocaleString("en")} ${unit}: people who write in the same manner repeat some of it too, `
      + "so compare."),
    element("p", { class: "inside-finding" }, describeShares(figures, lengths[0], unit)),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Shares of copies" },
      element("table", { class: "copy-table" },
        element("caption", { class: "unseen" }, `The share of ${unit} that lie in copies`),
        element("thead", {}, element("tr", {},
          element("th", { scope: "col" }, `${unit[0].toUpperCase()}${unit.slice(1)} in a row`),
          ...figures.map(head))),
        element("tbody", {}, ...lengths.map((length) => element("tr", {},
          element("th", { scope: "row" }, `${length} or more`),
          ...figures.map(({ shares }) => (
            element("td", { class: "number" }, percent(shares[length]))))))))));
}

function describeSize({ texts, characters }, unit) {
  const size = `${characters.toLocaleString("en")} ${unit}`;
  return texts > 1 ? `${texts.toLocaleString("en")} texts, ${size}` : size;
}

function describeShares(figures, least, unit) {
  const parts = figures.map((each) => `${percent(each.shares[least])} of ${nameCopied(each)}`);
  if (parts.length === 0) return "There was nothing to compare.";
  return `In copies of ${least} ${unit} or more lie ${new Intl.ListFormat("en").format(parts)}.`;
}

// --- novelty

function noveltyCard(figures, unit) {
  const found = figures.map((each) => describeNovelty(each, unit)).join(" ");
  return element("section", { class: "card", "aria-labelledby": "novelty-title" },
    element("h2", { id: "novelty-title" }, "Novelty"),
    element("p", {}, `The share of the sequences of n ${unit} that the training text does not have: `
      + "the sooner a curve rises, the less was copied."),
    element("p", { class: "inside-finding" }, found),
    figures.length > 0 && lineChart({
      title: `The share of new sequences by their ${unit}`,
      xLabel: `${unit} of the sequence`, yLabel: "new sequences", floor: 0, ceiling: 1,
      yTick: wholePercent, yFormat: percent, summary: found,
      series: figures.map((each) => ({
        name: nameCopied(each), points: each.novelty.map((share, k) => [k + 1, share]),
      })),
    }));
}

function describeNovelty(figures, unit) {
  const name = nameCopied(figures);
  // A text has no sequences that are longer than it is: the record has null for those.
  const from = figures.novelty.findIndex((share) => share !== null && share >= NEW_MOSTLY);
  if (from === -1) {
    return `Even of ${figures.novelty.findLastIndex(Number.isFinite) + 1} ${unit}, most sequences in ${
      name} are known.`;
  }
  return `In ${name}, most sequences of ${from + 1} ${from === 0 ? unit.slice(0, -1) : unit} are new.`;
}

// --- the longest copies

function longestCard(figures, text, unit) {
  return element("section", { class: "card", "aria-labelledby": "longest-title" },
    element("h2", { id: "longest-title" }, "The longest copies"),
    element("p", {}, "Each passage, how long it is, and where it stands in the training text."),
    ...figures.map((each) => longestList(each, text, unit)));
}

function longestList(figures, text, unit) {
  const rows = figures.longest.map((copy) => copyRow(copy, figures, text, unit));
  const rest = rows.slice(LONGEST_SHOWN);
  const label = `The longest copies in ${nameCopied(figures)}`;
  const list = (part, first) => element("ol", {
    class: "copy-list", start: first + 1, "aria-label": first > 0 ? `${label}, continued` : label,
  }, ...part);
  return element("div", { class: "copy-lists" },
    element("h3", {}, `In ${nameCopied(figures)}`),
    rows.length === 0 && element("p", { class: "soft" }, "None."),
    rows.length > 0 && list(rows.slice(0, LONGEST_SHOWN), 0),
    rest.length > 0 && element("details", {},
      element("summary", {}, `${rest.length} more`), list(rest, LONGEST_SHOWN)));
}

function copyRow(copy, { name, texts }, text, unit) {
  const { passage, length, training_line: line, training_place: training } = copy;
  const shown = unit === "bytes" ? new TextEncoder().encode(passage) : [...passage];
  const facts = [`${length.toLocaleString("en")} ${unit}`,
    `line ${line.toLocaleString("en")} of the training text (${unit.slice(0, -1)} ${
      (training + 1).toLocaleString("en")})`];
  if (texts > 1) facts.push(`in ${name === "samples" ? "sample" : "text"} ${copy.text_number + 1}`);
  return element("li", {},
    element("span", { class: "written copied" }, `“${onOneLine(passage)}${shown.length < length ? " …" : ""}”`),
    element("span", { class: "soft copy-facts" }, facts.join(" · "),
      name === "text" && placeInText(copy, text, unit)));
}

/** A link to a copy of the text that is shown, which is underlined then. */
function placeInText(copy, text, unit) {
  const [from, to] = [copy.place, copy.place + copy.length].map((each) => (
    unit === "bytes" ? characterOfByte(text.letters, each) : each));
  if (!text.has(from)) return null;
  const link = text.link(from, "Show it");
  link.setAttribute("aria-label", `Show the copy at character ${(from + 1).toLocaleString("en")}`);
  link.addEventListener("click", () => text.mark([], { from, length: to - from }));
  return link;
}

/** The place of the character that a byte of a text in UTF-8 belongs to. */
function characterOfByte(letters, byte) {
  let bytes = 0;
  const sizeOf = (letter) => {
    const code = letter.codePointAt(0);
    if (code < 0x80) return 1;
    if (code < 0x800) return 2;
    return code < 0x10000 ? 3 : 4;
  };
  const found = letters.findIndex((letter) => {
    bytes += sizeOf(letter);
    return bytes > byte;
  });
  return found === -1 ? letters.length : found;
}
