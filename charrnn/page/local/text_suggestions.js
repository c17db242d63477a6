// The likeliest next characters, words or lines of a text, as in interactive/suggestions.py.

import { EngineError, OVERFLOW } from "../engine_error.js";
import { logSoftmax } from "./float64_functions.js";
import { promptIds } from "./local_tokenizers.js";

const LONGEST = { character: 4, word: 40, line: 80 }; // ids
const SPACE = /^[\s\x1c-\x1f\x85]$/; // eslint-disable-line no-control-regex
const BYTE_ORDER_MARK = "\ufeff"; // which only JavaScript takes for a space
const LETTER_OR_NUMBER = /[\p{L}\p{N}]/u;

/** Yields now and then, and returns suggestions: [{text, probability}], the likeliest first. */
export function* findSuggestions(model, cache, prompt, { unit = "word", count = 5 } = {}) {
  const { network, tokenizer } = model;
  if (!(unit in LONGEST)) {
    throw new EngineError(`unit ${JSON.stringify(unit)}: choose from character, word, line`);
  }
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new EngineError(`count ${count}: choose a whole number, 1 or above`);
  }
  const ids = promptIds(tokenizer, tokenizer.withoutUnknown(prompt));
  const state = yield* cache.read(ids.slice(0, -1));
  const search = new SuggestionSearch(tokenizer, unit, count);
  const score = (from, id) => {
    const logits = network.step(from, id);
    if (!logits.every(Number.isFinite)) throw new EngineError(OVERFLOW);
    return logSoftmax(logits, new Float64Array(tokenizer.size));
  };
  let rows = [score(state, ids.at(-1))];
  let states = [state];
  for (let step = 0; step < LONGEST[unit]; step++) {
    const parents = search.extend(rows);
    if (search.isDone()) break;
    const [before, rest] = [states, []];
    rows = [];
    for (const [place, hypothesis] of search.live.entries()) {
      const own = network.newState();
      own.copyFrom(before[parents[place]]);
      rows.push(score(own, hypothesis.ids.at(-1)));
      rest.push(own);
      yield;
    }
    states = rest;
  }
  return search.suggestions();
}

/** A beam search. `live` are the hypotheses that can be extended, the likeliest first. */
class SuggestionSearch {
  constructor(tokenizer, unit, count) {
    Object.assign(this, { tokenizer, unit, count });
    this.width = 4 * count;
    this.live = [{ log: 0, ids: [], text: "", isWhole: true }];
    this.found = [];
    this.ends = this.findEnds();
  }

  /** The ids that end a word or a line. */
  findEnds() {
    const { tokenizer, unit } = this;
    if (unit === "line") {
      const newline = tokenizer.idOf("\n");
      return newline === null ? [] : [newline];
    }
    if (unit !== "word") return [];
    const all = Array.from({ length: tokenizer.size }, (_, id) => id);
    return all.filter((id) => {
      const character = tokenizer.decode([id]);
      return SPACE.test(character) && character !== BYTE_ORDER_MARK;
    });
  }

  /** Extends each hypothesis by one id. Returns the place of the one that each new one extends. */
  extend(rows) {
    rows.forEach((row, place) => {
      const { log } = this.live[place];
      for (let i = 0; i < row.length; i++) row[i] += log;
      this.takeEnds(this.live[place], row);
    });
    const [parents, live] = [[], []];
    for (const [place, id] of likeliestOf(rows, this.width)) {
      const ids = [...this.live[place].ids, id];
      const text = this.tokenizer.newDecoder().push(ids);
      const isWhole = this.tokenizer.encode(text).length === ids.length;
      const hypothesis = { log: rows[place][id], ids, text, isWhole };
      if (this.unit === "character" && isWhole) {
        this.add(text, hypothesis.log);
      } else {
        parents.push(place);
        live.push(hypothesis);
      }
    }
    this.live = live;
    this.found = this.likeliest();
    return parents;
  }

  /** Moves the ids that end a hypothesis from its log-probabilities to the suggestions. */
  takeEnds(hypothesis, row) {
    const { ends, unit } = this;
    if (ends.length === 0 || (unit === "word" && !LETTER_OR_NUMBER.test(hypothesis.text))) return;
    if (hypothesis.isWhole) {
      const added = logOfSum(ends.map((id) => row[id]));
      this.add(unit === "line" ? `${hypothesis.text}\n` : hypothesis.text, added);
    }
    for (const id of ends) row[id] = -Infinity;
  }

  add(text, log) {
    if (log > -Infinity) this.found.push({ text, probability: Math.exp(log) });
  }

  /** Whether no likelier suggestion can be found any more. */
  isDone() {
    if (this.live.length === 0) return true;
    const likeliest = Math.exp(this.live[0].log);
    return this.found.length === this.count && likeliest <= this.found.at(-1).probability;
  }

  suggestions() {
    if (!this.isDone()) {
      for (const { text, log, isWhole } of this.live) if (isWhole) this.add(text, log);
    }
    return this.likeliest();
  }

  likeliest() {
    return this.found.toSorted((a, b) => b.probability - a.probability).slice(0, this.count);
  }
}

/** Returns the [row, id] of the largest numbers above -Infinity, the largest first. */
function likeliestOf(rows, count) {
  const size = rows[0].length;
  const values = new Float64Array(rows.length * size);
  rows.forEach((row, place) => values.set(row, place * size));
  const least = values.slice().sort()[Math.max(0, values.length - count)];
  const places = Array.from(values.keys()).filter((i) => values[i] >= least);
  return places.filter((i) => values[i] > -Infinity)
    .sort((a, b) => values[b] - values[a] || a - b).slice(0, count)
    .map((i) => [Math.floor(i / size), i % size]);
}

function logOfSum(logs) {
  const largest = Math.max(...logs);
  if (largest === -Infinity) return largest;
  return largest + Math.log(logs.reduce((sum, each) => sum + Math.exp(each - largest), 0));
}
