// How likely each character of a text is, and which others are likelier.

import { EngineError, OVERFLOW } from "../engine_error.js";
import { logSoftmax } from "./float64_functions.js";
import { promptIds } from "./local_tokenizers.js";
import { sharedLength } from "./prompt_cache.js";

const KEEP_EVERY = 256; // ids

/** Scores texts, and keeps the scores of the last one for a text that begins like it. */
export class TextScorer {
  constructor(model) {
    this.model = model;
    this.last = { ids: [], scores: [], states: new Map(), alternatives: 0 };
  }

  /** Yields now and then, and returns what `score` of engine.js returns. */
  *score(text, { alternatives = 0 } = {}) {
    const { tokenizer } = this.model;
    if (!Number.isSafeInteger(alternatives) || alternatives < 0) {
      throw new EngineError(`alternatives ${alternatives}: choose a whole number, 0 or above`);
    }
    const ids = tokenizer.encode(tokenizer.withoutUnknown(text));
    const scores = yield* this.scoreIds(ids, alternatives);
    const characters = [];
    let [place, total, scored] = [0, 0, 0];
    for (const each of text) {
      if (!tokenizer.reads(each)) {
        characters.push({ text: each, log_probability: null, rank: null, alternatives: [] });
        continue;
      }
      const parts = scores.slice(place, place + tokenizer.encode(each).length);
      const log = parts.reduce((sum, part) => sum + part.log_probability, 0);
      characters.push({
        text: each, log_probability: log, rank: Math.max(...parts.map((part) => part.rank)),
        alternatives: parts[0].alternatives,
      });
      place += parts.length;
      total -= log;
      scored += 1;
    }
    const bits = scored > 0 ? total / Math.LN2 / scored : null;
    return { characters, bits_per_character: bits, characters_scored: scored };
  }

  *scoreIds(ids, alternatives) {
    const { network, tokenizer } = this.model;
    const { last } = this;
    const shared = last.alternatives === alternatives ? sharedLength(last.ids, ids) : 0;
    const begin = Math.max(0, ...[...last.states.keys()].filter((each) => each <= shared));
    const state = network.newState();
    if (begin > 0) state.copyFrom(last.states.get(begin));
    const kept = [...last.states].filter(([each]) => each <= begin);
    const next = { ids, scores: last.scores.slice(0, begin), states: new Map(kept), alternatives };
    const logs = new Float64Array(tokenizer.size);
    let before = begin > 0 ? ids[begin - 1] : promptIds(tokenizer, "")[0];
    for (let place = begin; place < ids.length; place++) {
      if (place > 0 && place % KEEP_EVERY === 0 && place !== begin) {
        const copy = network.newState();
        copy.copyFrom(state);
        next.states.set(place, copy);
      }
      const logits = network.step(state, before);
      before = ids[place];
      next.scores.push(this.describe(logSoftmax(logits, logs), before, alternatives));
      yield;
    }
    this.last = next;
    return next.scores;
  }

  describe(logs, id, count) {
    const own = logs[id];
    if (!Number.isFinite(own)) throw new EngineError(OVERFLOW);
    let rank = 1;
    for (let i = 0; i < logs.length; i++) if (logs[i] > own || (logs[i] === own && i < id)) rank++;
    const places = count === 0 ? [] : Array.from(logs.keys())
      .sort((a, b) => logs[b] - logs[a] || a - b).slice(0, count);
    const { tokenizer } = this.model;
    return {
      log_probability: own, rank,
      alternatives: places.map((each) => ({
        text: tokenizer.decode([each]), probability: Math.exp(logs[each]),
      })),
    };
  }
}
