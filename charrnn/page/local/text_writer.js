// Writes texts, as generation/stream.py does: the same seed and index give the same characters.

import { EngineError, OVERFLOW } from "../engine_error.js";
import { logSoftmax } from "./float64_functions.js";
import { promptIds } from "./local_tokenizers.js";
import { drawId, LogitFilters } from "./logit_filters.js";
import { RandomNumbers } from "./random_numbers.js";
import { readSettings } from "./sampling_settings.js";
import { TextConstraints, TextDraft } from "./text_constraints.js";

const NOTHING_MAY_COME = "ban, only and min_length together leave no character that may come next";
const MOST_REJECTED = 10_000; // texts in a row that are known already
const LONGEST_WHOLE = 131_072; // characters of a text without a length that is returned as a whole
const OTHER_OPTIONS = ["index", "number", "unique", "logprobs", "model"];
const REFUSED = {
  regex: "this page writes without regular expressions; `charrnn sample --regex` has them",
  novel: "the training text is not in this page; `charrnn sample --novel` compares with it",
  best_of: "this page does not choose among texts; `charrnn sample --best-of` does",
  beam: "this page has no beam search; `charrnn sample --beam` does",
};

/**
 * Writes texts, and yields now and then.
 *   model: what `readModel` returns; cache: its PromptCache.
 *   onText(text, k): called with new characters of text k.
 * Returns what `complete` of engine.js returns.
 */
export function* writeTexts(model, cache, prompt, options, onText) {
  const { settings, constraints } = compileOptions(model, options);
  const { index = 0, number = 1, unique = false, logprobs = false } = options;
  const ids = promptIds(model.tokenizer, prompt, { lines: settings.lines });
  const beginning = yield* cache.read(ids.slice(0, -1));
  const result = { text: "", texts: [], seed: settings.seed, index };
  const seen = new Set();
  for (let at = index, rejected = 0; result.texts.length < number; at++) {
    const k = result.texts.length;
    const writer = new TextWriter(model, constraints, {
      ids, beginning, index: at, logprobs, onText: unique ? null : (text) => onText?.(text, k),
    });
    const text = yield* writer.write(!onText || number > 1);
    if (unique && seen.has(text.text)) {
      rejected += 1;
      if (rejected < MOST_REJECTED) continue;
      throw new EngineError(
        `unique: found ${seen.size} different texts; the next ${rejected} repeated them; try a `
        + "higher temperature");
    }
    rejected = 0;
    seen.add(text.text);
    if (unique && text.text !== "") onText?.(text.text, k);
    result.texts.push(text);
  }
  result.text = result.texts[0].text;
  return result;
}

function compileOptions(model, options) {
  for (const [name, value] of Object.entries(options)) {
    const isOff = value === undefined || value === null || value === false;
    if (name in REFUSED && !isOff) throw new EngineError(REFUSED[name], { param: name });
    const isKnown = name in model.settings || name in REFUSED || OTHER_OPTIONS.includes(name);
    if (!isKnown) throw new EngineError(`${name}: there is no such option`, { param: name });
  }
  const { index = 0, number = 1 } = options;
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new EngineError(`index ${index}: choose a whole number, 0 or above`, { param: "index" });
  }
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new EngineError(`number ${number}: choose a whole number, 1 or above`, {
      param: "number",
    });
  }
  const settings = readSettings(model.settings, options);
  const constraints = new TextConstraints(settings, model.tokenizer);
  const ends = settings.length !== null || settings.lines || settings.stop.length > 0;
  if (!ends && number > 1) {
    throw new EngineError("length 0 is for one text; give lines or stop, so that every text ends");
  }
  return { settings, constraints };
}

/** One text. */
class TextWriter {
  constructor(model, constraints, { ids, beginning, index, logprobs, onText }) {
    const { network, tokenizer } = model;
    Object.assign(this, { network, tokenizer, constraints, index, logprobs, onText });
    this.state = network.newState();
    this.state.copyFrom(beginning);
    this.next = ids.at(-1);
    this.draft = new TextDraft(constraints, ids);
    this.filters = new LogitFilters(constraints);
    this.random = new RandomNumbers(constraints.settings.seed, index);
    this.filtered = new Float64Array(tokenizer.size);
    this.shares = new Float64Array(tokenizer.size);
    this.decoder = tokenizer.newDecoder();
    this.waiting = []; // ids that may still become a stop string
    this.characters = [];
    this.text = "";
    this.logProbability = 0;
  }

  /** `isWhole`: whether the text must come to an end. */
  *write(isWhole) {
    const { draft, constraints } = this;
    while (draft.stopReason === null) {
      this.step();
      if (isWhole && constraints.settings.length === null && draft.made >= LONGEST_WHOLE) {
        throw new EngineError(
          `text ${this.index} has no end after ${draft.made} characters; give a length`);
      }
      yield;
    }
    this.give(this.decoder.end());
    const log = this.logprobs === false ? null : this.logProbability;
    return {
      text: this.text, index: this.index, log_probability: log,
      stop_reason: draft.stopReason, characters: this.characters,
    };
  }

  step() {
    const { network, draft, filtered, shares } = this;
    const logits = network.step(this.state, this.next);
    for (let i = 0; i < logits.length; i++) {
      if (!Number.isFinite(logits[i])) throw new EngineError(OVERFLOW);
      filtered[i] = logits[i];
    }
    this.filters.apply(filtered, draft.allowedIds(), draft.recentIds(), draft.idCounts());
    const id = drawId(filtered, this.random.next(), shares);
    if (id === logits.length) throw new EngineError(NOTHING_MAY_COME);
    if (this.logprobs !== false) this.describe(logits, id);
    draft.add(id);
    this.next = id;
    this.settle(id);
  }

  /** Passes on the characters that certainly belong to the text. */
  settle(id) {
    const { draft, waiting } = this;
    waiting.push(id);
    const isEnd = draft.stopReason !== null;
    const ready = waiting.length - (isEnd ? draft.made - draft.end : draft.heldBack());
    if (ready > 0) this.give(this.decoder.push(waiting.splice(0, ready)));
    draft.forget();
  }

  give(text) {
    if (text === "") return;
    this.text += text;
    this.onText?.(text);
  }

  describe(logits, id) {
    const logs = logSoftmax(logits, new Float64Array(logits.length));
    const count = this.logprobs === true ? 0 : this.logprobs;
    const places = Array.from(logs.keys()).sort((a, b) => logs[b] - logs[a] || a - b);
    const chosen = places.slice(0, count);
    if (count > 0 && !chosen.includes(id)) chosen.push(id);
    this.characters.push({
      text: this.tokenizer.nameOf(id),
      log_probability: logs[id],
      alternatives: chosen.map((each) => ({
        text: this.tokenizer.nameOf(each), probability: Math.exp(logs[each]),
      })),
    });
    this.logProbability += logs[id];
  }
}
