// The worker in which the page's own engine runs. The first message is the model, all others are
// requests; see local_engine.js.

import { PromptCache } from "./prompt_cache.js";
import { readModel } from "./read_model.js";
import { findSuggestions } from "./text_suggestions.js";
import { TextScorer } from "./text_scorer.js";
import { writeTexts } from "./text_writer.js";
import { unpackBytes } from "./unpack_bytes.js";
import { WorkQueue } from "./work_queue.js";

const waiting = [];
let methods = null;
const queue = new WorkQueue((message) => self.postMessage(message));

self.onmessage = ({ data }) => {
  if (data.packed !== undefined) prepare(data);
  else if (methods === null) waiting.push(data);
  else answer(data);
};

async function prepare({ packed }) {
  try {
    const model = readModel(await unpackBytes(packed));
    const cache = new PromptCache(model.network);
    const scorer = new TextScorer(model);
    methods = {
      complete: (onText, prompt, options) => writeTexts(model, cache, prompt, options, onText),
      score: (onText, text, options) => scorer.score(text, options),
      suggest: (onText, prompt, options) => findSuggestions(model, cache, prompt, options),
    };
  } catch (error) {
    const fail = () => {
      throw error;
    };
    methods = { complete: fail, score: fail, suggest: fail };
  }
  for (const each of waiting.splice(0)) answer(each);
}

function answer({ id, method, given, cancelled }) {
  if (cancelled) queue.cancel(id);
  else queue.add(id, (onText) => methods[method](onText, ...given));
}
