// What may come next in a text, and where it ends, as in generation/constraints.py.

import { EngineError } from "../engine_error.js";

/** The settings of texts, compiled for a tokenizer. */
export class TextConstraints {
  constructor(settings, tokenizer) {
    this.settings = settings;
    this.size = tokenizer.size;
    this.stops = stopStrings(settings).filter((each) => tokenizer.unknown(each).length === 0)
      .map((each) => tokenizer.encode(each));
    this.mayEnd = new Set(this.stops.map((stop) => stop.at(-1)));
    this.stopIds = new Set(this.stops.flat());
    this.longestStop = Math.max(0, ...this.stops.map((stop) => stop.length));
    this.allowed = this.findAllowed(tokenizer);
    this.bias = biasOfIds(settings.logit_bias, this.size);
    this.countsMatter = Boolean(settings.presence_penalty || settings.frequency_penalty);
    const penalizes = settings.repetition_penalty !== null || this.countsMatter;
    this.lookback = Math.max(
      penalizes ? settings.repetition_window : 0, settings.no_repeat_ngram ?? 0, this.longestStop);
    this.requireEnd();
  }

  get dependsOnText() {
    const { settings } = this;
    return settings.no_repeat_ngram !== null
      || (settings.min_length > 0 && this.stops.length > 0);
  }

  /** The ids that are not banned: Uint8Array, or null for all. */
  findAllowed(tokenizer) {
    const { ban, only } = this.settings;
    if (ban === null && only === null) return null;
    const allowed = new Uint8Array(this.size).fill(1);
    const banned = encodeKnown(ban ?? "", tokenizer);
    if (only !== null) {
      const chosen = encodeKnown(only, tokenizer);
      allowed.fill(0);
      for (const id of chosen) allowed[id] = 1;
      const isLeft = chosen.some((id) => !banned.includes(id));
      for (const id of this.stopIds) allowed[id] = isLeft ? 1 : 0;
    }
    for (const id of banned) allowed[id] = 0;
    if (!allowed.includes(1)) {
      throw new EngineError("ban, only: they leave no character that the model knows");
    }
    return allowed;
  }

  requireEnd() {
    const { allowed, stops, settings } = this;
    const ends = settings.lines || settings.stop.length > 0;
    const mayCome = (stop) => stop.every((id) => allowed === null || allowed[id] === 1);
    if (settings.length === null && ends && !stops.some(mayCome)) {
      throw new EngineError(
        "the text would never end: no stop string can ever be written; give a length");
    }
  }
}

/** The bias of every id: Float64Array, or null without any. */
function biasOfIds(pairs, size) {
  if (pairs.length === 0) return null;
  const biases = new Float64Array(size);
  for (const [id, bias] of pairs) {
    if (id < 0 || id >= size) {
      throw new EngineError(`logit_bias: id ${id}: the model's ids go from 0 to ${size - 1}`);
    }
    biases[id] = bias;
  }
  return biases;
}

function stopStrings({ stop, lines }) {
  const all = [];
  for (const each of lines ? [...stop, "\n"] : stop) {
    all.push(each);
    const returned = each.replace(/\r?\n/g, "\r\n");
    if (returned !== each) all.push(returned);
  }
  return all;
}

function encodeKnown(characters, tokenizer) {
  const isFull = characters.includes("\n") && tokenizer.unknown("\r").length === 0;
  return tokenizer.encode(tokenizer.withoutUnknown(isFull ? `${characters}\r` : characters));
}

/** A text while it is written. `ids` are its last ids, after those of the prompt. */
export class TextDraft {
  constructor(constraints, prompt) {
    this.constraints = constraints;
    this.ids = prompt.slice(Math.max(prompt.length - constraints.lookback, 0));
    this.made = 0;
    this.end = 0; // how many ids belong to the text, once it has ended
    this.stopReason = null;
    const { no_repeat_ngram: run } = constraints.settings;
    this.followers = run === null ? null : new Followers(run, prompt);
    this.mask = new Uint8Array(constraints.size);
    this.others = new Uint8Array(constraints.size);
    this.recent = new Uint8Array(constraints.size);
    this.counts = new Float64Array(constraints.size);
  }

  /** Adds the next id. Returns the stop reason if the text ends with it. */
  add(id) {
    const { constraints } = this;
    this.followers?.add(this.ids, id);
    this.ids.push(id);
    this.made += 1;
    if (constraints.mayEnd.has(id)) {
      const lengths = constraints.stops.filter((stop) => this.endsWith(stop, stop.length))
        .map((stop) => stop.length);
      if (lengths.length > 0) return this.finish("stop", Math.max(...lengths));
    }
    if (this.made === constraints.settings.length) return this.finish("length", 0);
    return null;
  }

  finish(reason, cut) {
    this.stopReason = reason;
    this.end = this.made - cut;
    return reason;
  }

  /** Whether the ids of the text, without the prompt, end with the first `count` ids of a stop. */
  endsWith(stop, count) {
    if (this.made < count) return false;
    const first = this.ids.length - count;
    for (let k = 0; k < count; k++) if (this.ids[first + k] !== stop[k]) return false;
    return true;
  }

  /** The ids that may come next: Uint8Array, or null for all. */
  allowedIds() {
    const { constraints, mask, others } = this;
    if (!constraints.dependsOnText) return constraints.allowed;
    const { min_length: least } = constraints.settings;
    if (constraints.allowed === null) mask.fill(1);
    else mask.set(constraints.allowed);
    if (this.made < least + constraints.longestStop) {
      for (const stop of constraints.stops) {
        const isTooEarly = this.made + 1 - stop.length < least;
        if (isTooEarly && this.endsWith(stop, stop.length - 1)) mask[stop.at(-1)] = 0;
      }
    }
    const repeated = this.followers?.after(this.ids) ?? [];
    if (repeated.length === 0) return mask;
    others.set(mask);
    for (const id of repeated) others[id] = 0;
    return others.includes(1) ? others : mask;
  }

  /** The ids within the repetition window: Uint8Array, or null without a penalty. */
  recentIds() {
    const { repetition_penalty: penalty, repetition_window: window } = this.constraints.settings;
    if (penalty === null) return null;
    this.recent.fill(0);
    for (let k = Math.max(0, this.ids.length - window); k < this.ids.length; k++) {
      this.recent[this.ids[k]] = 1;
    }
    return this.recent;
  }

  /** How often the text has each id within the window: Float64Array, or null without a penalty. */
  idCounts() {
    const { constraints, counts, ids } = this;
    if (!constraints.countsMatter) return null;
    counts.fill(0);
    const count = Math.min(this.made, constraints.settings.repetition_window);
    for (let k = ids.length - count; k < ids.length; k++) counts[ids[k]] += 1;
    return counts;
  }

  /** How many of the last ids may still become a stop string. */
  heldBack() {
    const { constraints, ids } = this;
    if (ids.length === 0 || !constraints.stopIds.has(ids.at(-1))) return 0;
    for (let count = Math.min(this.made, constraints.longestStop - 1); count > 0; count--) {
      const isBegun = (stop) => stop.length > count && this.endsWith(stop, count);
      if (constraints.stops.some(isBegun)) return count;
    }
    return 0;
  }

  /** Drops ids that no constraint needs any more. */
  forget() {
    const { lookback } = this.constraints;
    if (this.ids.length > 1024 + 2 * lookback) {
      this.ids.splice(0, this.ids.length - lookback);
    }
  }
}

/** The ids that have followed each n - 1 ids in a row. */
class Followers {
  constructor(size, ids) {
    this.before = size - 1;
    this.table = new Map();
    for (let end = this.before; end < ids.length; end++) {
      this.add(ids.slice(end - this.before, end), ids[end]);
    }
  }

  beginning(ids) {
    return ids.length < this.before ? null : ids.slice(ids.length - this.before).join(" ");
  }

  after(ids) {
    return [...(this.table.get(this.beginning(ids)) ?? [])];
  }

  add(ids, id) {
    const beginning = this.beginning(ids);
    if (beginning === null) return;
    if (!this.table.has(beginning)) this.table.set(beginning, new Set());
    this.table.get(beginning).add(id);
  }
}
