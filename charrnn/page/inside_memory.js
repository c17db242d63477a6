// Memory: how far back the text matters: by the length of the context, by layer, by character.

import { button, chooser, element, percent, setChildren } from "./dom.js";
import { lineChart, wholePercent } from "./inside_charts.js";
import {
  effectLegend, effectLevel, effectList, farthestEffect, onOneLine, withSign,
} from "./inside_effects.js";
import { nameLetter } from "./inside_text.js";
import { shareBar } from "./shares.js";
import { HIGHEST_LEVEL } from "./surprise.js";

const LITTLE_GAIN = 0.01; // bits that are not worth more context
const FORGOTTEN = 0.1; // the share of a difference that is as good as nothing
const NEAR = 8; // characters before, which are summed up
const NAMED_BY = 12; // characters before a place that name it

/** Makes the section Memory, and draws over the text what a prediction hangs on. */
export function memorySection(record, text) {
  const { memory, model } = record;
  const over = new MemoryOverText(memory, text);
  const unit = model.tokenizer === "byte" ? "bytes" : "characters";
  return element("div", { class: "stack" },
    contextCard(memory, unit),
    forgettingCard(memory.forgetting, unit),
    over.occlusionCard,
    attentionCard(memory.attention, unit));
}

// --- the length of the context

function contextCard({ context, full_bits: full }, unit) {
  const chart = () => lineChart({
    title: `The loss by ${unit} of context`,
    xLabel: `${unit} of context`, yLabel: "bits per character", log: true,
    yFormat: (value) => `${value.toFixed(3)} bits`,
    series: [{ name: "with so much context", points: context.map((each) => [each.characters, each.bits]) }],
    levels: [{ name: "with the whole text before", value: full }],
    summary: describeContext(context, full, unit),
  });
  return element("section", { class: "card", "aria-labelledby": "memory-title" },
    element("h2", { id: "memory-title" }, "Memory"),
    element("p", {}, `How well the model predicts when it is given only the last few ${unit}: where `
      + "the curve reaches the dashed line, what stands farther back no longer helps it."),
    element("p", { class: "inside-finding" }, describeContext(context, full, unit)),
    context.length > 0 && chart());
}

/** Says from how many characters on more context gains next to nothing. */
function describeContext(context, full, unit) {
  if (context.length === 0) return "The text is too short to measure this.";
  const gain = (k) => {
    const later = [...context.slice(k + 1).map(({ bits }) => bits), full];
    return context[k].bits - Math.min(...later);
  };
  const enough = context.findIndex((_, k) => gain(k) < LITTLE_GAIN);
  const count = ({ characters }) => `${characters.toLocaleString("en")} ${
    characters === 1 ? unit.slice(0, -1) : unit}`;
  if (enough === -1) {
    const last = context.length - 1;
    return `Even beyond ${count(context[last])}, more context gains ${gain(last).toFixed(3)} bits.`;
  }
  return `Beyond ${count(context[enough])}, more context gains less than ${LITTLE_GAIN} bits.`;
}

// --- forgetting

function forgettingCard(forgetting, unit) {
  if (forgetting.length === 0) return null;
  const found = forgetting.map((each) => describeForgetting(each, unit)).join(" ");
  return element("section", { class: "card", "aria-labelledby": "forgetting-title" },
    element("h2", { id: "forgetting-title" }, "Forgetting"),
    element("p", {}, "How different the state of each layer still is when one character before was "
      + "another: 100\u00a0% is as different as in unrelated places, 0\u00a0% is forgotten."),
    element("p", { class: "inside-finding" }, found),
    lineChart({
      title: "The difference that is left by distance, for each layer",
      xLabel: `${unit} since the change`, yLabel: "difference that is left", log: true,
      floor: 0, yTick: wholePercent, yFormat: percent,
      series: forgetting.map(({ layer, distances, difference }) => ({
        name: `layer ${layer}`, points: distances.map((distance, k) => [distance, difference[k]]),
      })),
      summary: found,
    }));
}

function describeForgetting({ layer, distances, difference }, unit) {
  const left = difference.findLastIndex((each) => each >= FORGOTTEN);
  if (left === -1) return `Layer ${layer} hardly changes at all.`;
  if (left === distances.length - 1) {
    return `In layer ${layer}, ${percent(difference[left])} is left even after ${
      distances[left].toLocaleString("en")} ${unit}.`;
  }
  return `In layer ${layer}, less than a tenth is left after ${
    distances[left + 1].toLocaleString("en")} ${distances[left + 1] === 1 ? unit.slice(0, -1) : unit}.`;
}

// --- over the text: what a prediction hangs on, and what was looked at

class MemoryOverText {
  constructor({ occlusions, attention }, text) {
    this.text = text;
    this.occlusions = occlusions;
    this.attention = attention;
    this.isLooking = false; // whether the text shows what was looked at
    this.looked = new Map(); // places that were looked at, with their weights
    this.largest = element("div");
    this.list = chooser("Prediction of", occlusions.map((each, k) => (
      [String(k), this.nameOcclusion(each)])), { onChange: (k) => this.choose(Number(k), true) });
    this.ways = [];
    if (occlusions.length > 0) this.ways.push(["What it hangs on", () => this.showOcclusion()]);
    if (attention) this.ways.push(["What was looked at", () => this.showAttention()]);
    this.buttons = this.ways.map(([title], k) => (
      button(title, () => this.turn(k), { kind: "segment" })));
    this.chooserNode = element("div", { class: "inside-drawn" }, this.list.node);
    this.controls = element("div", {},
      this.ways.length > 1 && element("div", {
        class: "segments", role: "group", "aria-label": "Show over the text",
      }, ...this.buttons),
      this.chooserNode);
    this.occlusionCard = occlusions.length > 0 ? this.makeCard() : null;
    text.onPlace((place) => this.isLooking && this.look(place));
    if (occlusions.length > 0) this.choose(0, false);
    else if (attention) this.turn(0);
  }

  turn(k) {
    const [, show] = this.ways[k];
    this.buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(i === k)));
    show();
    this.chooserNode.hidden = this.isLooking;
  }

  // --- occlusion

  nameOcclusion({ place, character, nats }) {
    const before = onOneLine(this.text.letters.slice(Math.max(place - NAMED_BY, 0), place).join(""));
    return `${nameLetter(character)} after “${before}” (${nats.toFixed(2)} nats)`;
  }

  makeCard() {
    return element("section", { class: "card", "aria-labelledby": "occlusion-title" },
      element("h2", { id: "occlusion-title" }, "What a prediction hangs on"),
      element("p", {}, "Each earlier character was exchanged for others: the text shows in colour by "
        + "how many nats the prediction then becomes worse, or better. Half of the places that one "
        + "can choose surprised the model, the others did not. 1 nat is 1.44 bits."),
      this.largest);
  }

  /** Chooses a prediction; `go` shows it in the text as well. */
  choose(k, go) {
    this.chosen = this.occlusions[k];
    const { place, character, earlier } = this.chosen;
    const rows = earlier.map(([at, effect]) => ({
      effect, place: at, label: `${nameLetter(this.text.letters[at] ?? "")}, ${
        (place - at).toLocaleString("en")} before`,
    }));
    setChildren(this.largest,
      element("p", { class: "inside-finding" }, describeOcclusion(this.chosen)),
      element("h3", {}, `What matters most for ${nameLetter(character)}, in nats`),
      effectList(rows, this.text, "The earlier characters that matter most, in nats"));
    this.turn(0);
    if (go) this.text.show(place);
  }

  showOcclusion() {
    this.isLooking = false;
    const { place, character, earlier, nats } = this.chosen;
    const effects = new Map(earlier);
    const farthest = farthestEffect(earlier.map(([, effect]) => effect));
    this.text.color({
      signed: true,
      level: (at) => (effects.has(at) ? effectLevel(effects.get(at), farthest) : null),
      title: (at) => {
        if (at === place) return `predicted here: ${nats.toFixed(2)} nats`;
        if (!effects.has(at)) return "";
        return `${withSign(effects.get(at), farthest)} nats for the prediction of ${
          nameLetter(character)}, ${place - at} farther on`;
      },
      controls: this.controls,
      legend: effectLegend(farthest, "nats that a character brings to the prediction: from the foot "
        + "up it helps, from the head down it misleads."),
    });
    this.text.mark([place]);
  }

  // --- attention

  showAttention() {
    this.isLooking = true;
    this.look(this.text.place);
    const { looks } = this.attention;
    this.text.color({
      level: (at) => this.looked.get(at) ?? null,
      title: (at) => describeLooks(looks[at]),
      detail: (at) => (looks[at]?.length ? this.looksNode(at, looks[at]) : null),
      controls: this.controls,
      legend: element("p", { class: "legend hint" }, "Point at a character, or go to one: the "
        + "characters that were looked at to predict it are outlined, and the higher their colour, "
        + "the more."),
    });
  }

  look(place) {
    const looks = place === null ? [] : this.attention.looks[place] ?? [];
    const most = Math.max(...looks.map(([, weight]) => weight), 0);
    this.looked = new Map(looks.map(([distance, weight]) => (
      [place - distance, Math.max(Math.round((HIGHEST_LEVEL * weight) / most), 1)])));
    this.text.mark([...this.looked.keys()]);
  }

  looksNode(place, looks) {
    return element("ol", { class: "place-likeliest", "aria-label": "What was looked at" },
      ...looks.slice(0, 5).map(([distance, weight]) => element("li", {},
        element("span", { class: "likely-letter" },
          `${nameLetter(this.text.letters[place - distance] ?? "")}, −${distance}`),
        shareBar(weight),
        element("span", { class: "number" }, percent(weight)))));
  }
}

function describeOcclusion({ place, character, nats, earlier }) {
  const helping = earlier.filter(([, effect]) => effect > 0);
  const sum = (part) => part.reduce((all, [, effect]) => all + effect, 0);
  const chance = `${nameLetter(character)} takes ${nats.toFixed(2)} nats, a chance of ${
    percent(Math.exp(-nats))}.`;
  if (helping.length === 0) return `${chance} No earlier character helps.`;
  const near = sum(helping.filter(([at]) => place - at <= NEAR)) / sum(helping);
  return `${chance} Of what helps among the ${earlier.length} characters before it, ${
    percent(near)} comes from the last ${NEAR}.`;
}

function describeLooks(looks) {
  if (looks === undefined) return "what was looked at is not recorded here";
  if (looks.length === 0) return "nothing was looked at much";
  const [distance, weight] = looks[0];
  return `most of all, ${percent(weight)}, the model looked ${distance} back`;
}

function attentionCard(attention, unit) {
  if (!attention) return null;
  const { by_distance: weights, window } = attention;
  const all = weights.reduce((sum, each) => sum + each, 0);
  const near = weights.slice(0, NEAR).reduce((sum, each) => sum + each, 0);
  const found = all > 0 ? `${percent(near / all)} of the attention goes to the last ${
    Math.min(NEAR, window)} of ${window.toLocaleString("en")} ${unit}.` : "";
  return element("section", { class: "card", "aria-labelledby": "attention-title" },
    element("h2", { id: "attention-title" }, "Attention"),
    element("p", {}, "How much the model looks at its states of so many characters before, on "
      + "average over the text."),
    element("p", { class: "inside-finding" }, found),
    lineChart({
      title: "The mean attention weight by distance",
      xLabel: `${unit} back`, yLabel: "mean attention weight", log: true, floor: 0,
      yTick: wholePercent, yFormat: percent, summary: found,
      series: [{ name: "mean weight", points: weights.map((weight, k) => [k + 1, weight]) }],
    }));
}
