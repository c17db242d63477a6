// Surprise: how well each character was expected, which cost most, and what is hard to predict.

import { button, element, percent } from "./dom.js";
import { histogramChart } from "./inside_charts.js";
import { nameLetter, withoutTurns } from "./inside_text.js";
import { shareBar } from "./shares.js";
import { HIGHEST_LEVEL, describeScore, surpriseLevel } from "./surprise.js";

const COSTLIEST_SHOWN = 8; // of a list, before the others are asked for
const SHADES = [
  {
    title: "Surprisal",
    swatches: [[0, "0"], [2, "2"], [4, "4"], [6, "6"], [8, "8"], [10, "10+"]],
    legend: "bits: the higher the colour, the less the model expected the character. 1 bit is a "
      + "chance of one in 2, 10 bits are one in 1,024.",
  },
  {
    title: "Rank",
    swatches: [[0, "1"], [2, "2"], [4, "4"], [6, "8"], [8, "16"], [10, "32+"]],
    legend: "is the character's rank: 1 where the model thought no other likelier. The higher the "
      + "colour, the more characters it thought likelier.",
  },
];

/** The level of colour of a rank: two for each doubling. */
function rankLevel(rank) {
  return Math.min(HIGHEST_LEVEL, Math.round(2 * Math.log2(rank)));
}

function asBits(nats) {
  return nats / Math.LN2;
}

/** Makes the section Surprise, and colours the text by it. */
export function surpriseSection(record, text) {
  const { surprise } = record;
  let shade = 0;
  const levels = [
    (place) => surpriseLevel(asBits(surprise.nats[place])),
    (place) => rankLevel(surprise.ranks[place]),
  ];
  const choices = SHADES.map(({ title }, k) => button(title, () => choose(k), { kind: "segment" }));
  const chooserNode = element("div", { class: "row" },
    element("span", { class: "soft" }, "Colour the text by"),
    element("div", { class: "segments", role: "group", "aria-label": "Colour the text by" },
      ...choices));
  function choose(k) {
    shade = k;
    choices.forEach((each, i) => each.setAttribute("aria-pressed", String(i === k)));
    text.color({
      level: levels[shade],
      title: (place) => describeScore({
        bits: asBits(surprise.nats[place]), rank: surprise.ranks[place],
      }),
      detail: (place) => likeliestNode(record, place, text.letters[place]),
      controls: chooserNode,
      legend: swatchesNode(SHADES[k], record.model),
    });
  }
  choose(shade);
  return element("div", { class: "stack" },
    summaryCard(record),
    costliestCard(surprise, text),
    lossesCard(surprise),
    histogramCard(surprise.histogram));
}

function swatchesNode({ swatches, legend }, { tokenizer }) {
  return element("p", { class: "legend hint" },
    element("span", { class: "swatches", "aria-hidden": "true" }, ...swatches.map(
      ([level, label]) => element("span", { class: `swatch surprise-${level}` }, label))),
    ` ${legend}`, tokenizer === "byte" && " Ranks and likeliest bytes are those of a character's "
      + "first byte.");
}

/** The five likeliest characters in a place, with their probabilities as bars. */
function likeliestNode({ surprise, alphabet, model }, place, letter) {
  const ids = surprise.likeliest[place];
  const isPartial = model.tokenizer === "byte" && letter > "\x7f"; // a byte of the character
  return element("ol", { class: "place-likeliest", "aria-label": "The likeliest here" },
    ...ids.map((id, k) => {
      const probability = surprise.probabilities[place][k];
      const isRight = isPartial ? surprise.ranks[place] === k + 1 : alphabet[id] === letter;
      return element("li", { class: isRight ? "right" : null },
        element("span", { class: "likely-letter" }, nameLetter(alphabet[id]),
          isRight && element("span", { class: "unseen" }, ", which comes")),
        shareBar(probability),
        element("span", { class: "number" }, percent(probability)));
    }));
}

function summaryCard({ model, surprise: { bits_per_character: bits, nats, ranks, lanes } }) {
  const known = model.task === "restore" ? "those on both sides" : "all before it";
  const first = ranks.filter((rank) => rank === 1).length / Math.max(ranks.length, 1);
  const isBytes = model.tokenizer === "byte";
  const certain = nats.filter((each) => each < Math.LN2).length / Math.max(nats.length, 1);
  return element("section", { class: "card", "aria-labelledby": "surprise-title" },
    element("h2", { id: "surprise-title" }, "Surprise"),
    element("p", {}, `How well the model predicts each character of the text from ${known}: it takes ${
      bits.toFixed(2)} bits per character, as a guess among ${
        (2 ** bits).toLocaleString("en", { maximumFractionDigits: 1 })} equally likely ones would.`),
    element("p", { class: "soft" }, `Of the characters shown, ${percent(first)} ${isBytes
      ? "had the likeliest first byte" : "were the likeliest"} in their places, and ${
      percent(certain)} were likelier than all others together.`
      + `${lanes > 1 ? ` The text was read in ${lanes} parts side by side.` : ""}`));
}

// --- what cost most

function costliestCard({ costliest_places: places, costliest_words: words }, text) {
  return element("section", { class: "card", "aria-labelledby": "costliest-title" },
    element("h2", { id: "costliest-title" }, "What cost most"),
    element("p", { class: "soft" }, "The characters and words that the model expected least; choose "
      + "one to see it in the text."),
    element("div", { class: "inside-pair" },
      element("div", {},
        element("h3", {}, "Places"),
        shortList(places.map((each) => placeRow(each, text)), "costliest places")),
      element("div", {},
        element("h3", {}, "Words"),
        shortList(words.map((each) => wordRow(each, text)), "costliest words"))));
}

function placeRow({ place, character, nats, rank, before, after }, text) {
  const letter = nameLetter(character);
  const seen = /^\S$/u.test(character) && letter.length <= 4 ? character : `[${letter}]`;
  const around = [oneLine(before).slice(-12), element("b", {}, seen), oneLine(after).slice(0, 10)];
  return element("li", {},
    text.link(place, element("span", { class: "written costly-around" }, ...around)),
    element("span", { class: "number soft", title: `rank ${rank}` }, `${asBits(nats).toFixed(1)} bits`));
}

function oneLine(text) {
  return withoutTurns(text).replace(/\s+/g, " ");
}

function wordRow({ word, count, nats, place }, text) {
  const times = count > 1 ? ` × ${count.toLocaleString("en")}` : "";
  return element("li", {},
    text.link(place, element("bdi", { class: "written" }, word), times),
    element("span", { class: "number soft" }, `${asBits(nats).toFixed(1)} bits`));
}

/** A list whose first rows are shown, and the others when they are asked for. */
function shortList(rows, what) {
  const list = element("ol", { class: "costly-list" }, ...rows);
  const more = button(`Show all ${rows.length}`, () => {
    for (const row of rows) row.hidden = false;
    more.remove();
    rows[COSTLIEST_SHOWN].querySelector("button")?.focus();
  }, { kind: "quiet", "aria-label": `Show all ${rows.length} ${what}` });
  rows.forEach((row, k) => {
    row.hidden = k >= COSTLIEST_SHOWN;
  });
  return element("div", {}, list, rows.length > COSTLIEST_SHOWN && more);
}

// --- by kind and place

function lossesCard({ by_kind: kinds, by_place_in_word: inWord, by_place_in_line: inLine }) {
  const highest = Math.max(...[...kinds, ...inWord, ...inLine].map((each) => each.bits));
  return element("section", { class: "card", "aria-labelledby": "losses-title" },
    element("h2", { id: "losses-title" }, "What is hard to predict"),
    element("p", { class: "soft" }, "The bits per character of groups of characters, over the whole "
      + "text."),
    lossTable("By kind", "Kind of character", kinds, highest),
    lossTable("By place in the word", "Letter of the word", inWord, highest),
    lossTable("By place in the line", "Character of the line", inLine, highest));
}

function lossTable(title, heading, groups, highest) {
  if (groups.length === 0) return null;
  return element("table", { class: "loss-table" },
    element("caption", {}, title),
    element("thead", {}, element("tr", {},
      element("th", { scope: "col" }, heading),
      element("th", { scope: "col", class: "number" }, "Characters"),
      element("th", { scope: "col", class: "number" }, "Bits"),
      element("td", { "aria-hidden": "true" }))),
    element("tbody", {}, ...groups.map(({ name, characters, bits }) => element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", { class: "number" }, characters.toLocaleString("en")),
      element("td", { class: "number" }, bits.toFixed(2)),
      element("td", { class: "loss-bar", "aria-hidden": "true" }, shareBar(bits / highest))))));
}

function histogramCard({ edges, text, samples, text_bits: bits, samples_bits: samplesBits }) {
  const series = [{ name: "this text", values: text }];
  if (samples.length > 0) series.push({ name: "the model's own samples", values: samples });
  const own = samplesBits === null || samples.length === 0 ? "" : ` The model's own samples take ${
    samplesBits.toFixed(2)} bits per character, this text ${bits.toFixed(2)}: if people wrote as the `
    + "model does, both would be alike.";
  const chart = histogramChart({
    title: "Shares of characters by surprisal", xLabel: "bits", yLabel: "share of characters",
    edges, series,
  });
  return element("section", { class: "card", "aria-labelledby": "histogram-title" },
    element("h2", { id: "histogram-title" }, "How often it is surprised"),
    element("p", { class: "soft" }, `How many characters take how many bits.${own}`),
    chart);
}
