// The interface between the page and what computes, and its implementation over HTTP.
//
// Every method returns a promise, takes a `signal` that ends it, and rejects with EngineError.
// `model` is an id of `models()`; the default model answers where it is left out.
//
//   models() -> [{id, task, tokenizer, characters, vocabulary_size, lines, ..., default}]
//   complete(prompt, options) -> {text, texts: [{text, index, log_probability, stop_reason,
//       characters: [{text, log_probability, alternatives: [{text, probability}]}]}], seed, index}
//     options: model, length, seed, index, number, temperature, top_k, top_p, min_p, typical,
//       repetition_penalty, repetition_window, no_repeat_ngram, regex, only, ban, lines,
//       min_length, stop, logprobs, onText(text, k), signal. What is left out is as on the command
//       line, except that no setting of the model's training is implied. `onText` receives new
//       characters of text k as they are written. With `logprobs` (true, or how many alternatives)
//       the texts come with their log-probabilities, in nats.
//   score(text, {alternatives}) -> {characters: [{text, log_probability, rank,
//       alternatives: [{text, probability}]}], bits_per_character, characters_scored}
//   suggest(prompt, {unit: "character"|"word"|"line", count}) -> [{text, probability}]
//   fill(text, options) -> [{text, probability, gaps}]
//   proofread(text, options) -> [finding]
//   predict(texts) -> [prediction]
//   explain({model, text, parts, samples, seed}, {signal, onStage}) -> what charrnn explain --json
//     prints. Without a text, it is of what was held out of the training text. `onStage` receives
//     what is computed next, in words. Where `explained` is true, there is one explanation, and no
//     other can be made.
//   known(texts) -> [whether a line of the text is one of the training text]. An engine that does
//     not have the training text lacks it.
//   hasPatterns: false where `complete` refuses `regex`.
//   runs() -> [run]; run(name, {after}) -> its metrics; curves(names, {x, width, height}) -> SVG.
//     An engine that watches no trainings has none of these three.

import { EngineError, wasAborted } from "./engine_error.js";

const PASSED_ON = [
  "model", "seed", "index", "temperature", "top_k", "top_p", "min_p", "typical",
  "repetition_penalty", "repetition_window", "no_repeat_ngram", "presence_penalty",
  "frequency_penalty", "regex", "only", "ban", "lines", "min_length", "unique", "novel",
];
const MOST_TEXTS = 64; // of one request; more become several requests of the same seed
const USUAL_OPTIONS = { length: 500, temperature: 0.8 };

export class HttpEngine {
  /**
   * base: the address that all paths begin with.
   * key: a key of the server, or null.
   * askKey(refused): returns a promise of a key, or of null; called when the server wants one.
   */
  constructor({ base = "", key = null, askKey = async () => null } = {}) {
    this.base = base;
    this.key = key;
    this.askKey = askKey;
    this.asked = null;
  }

  async models({ signal } = {}) {
    const { data } = await this.read("/v1/models", { signal });
    return data.map(({ charrnn, ...entry }) => ({ ...entry, ...charrnn }));
  }

  async complete(prompt, options = {}) {
    const { length = USUAL_OPTIONS.length, number = 1, stop, logprobs, onText, signal } = options;
    const body = { prompt, max_tokens: length, temperature: USUAL_OPTIONS.temperature };
    for (const name of PASSED_ON) {
      if (options[name] !== undefined && options[name] !== null) body[name] = options[name];
    }
    if (stop !== undefined && stop.length > 0) body.stop = stop;
    if (logprobs !== undefined && logprobs !== false) {
      body.logprobs = logprobs === true ? 0 : logprobs;
    }
    const first = options.index ?? 0;
    const result = { text: "", texts: [], seed: options.seed, index: first };
    for (let done = 0; done < number; done += MOST_TEXTS) {
      const part = { ...body, n: Math.min(MOST_TEXTS, number - done) };
      if (done > 0) Object.assign(part, { seed: result.seed, index: first + done });
      const heard = onText && ((text, k) => onText(text, done + k));
      const { texts, seed } = await this.completeOnce(part, { onText: heard, signal });
      if (seed !== undefined) result.seed = seed;
      texts.forEach((each, k) => result.texts.push({ ...each, index: first + done + k }));
    }
    result.text = result.texts[0]?.text ?? "";
    return result;
  }

  async score(text, { model, alternatives = 0, signal } = {}) {
    return this.send("/api/score", { model, text, alternatives }, { signal });
  }

  async suggest(prompt, { model, unit = "word", count = 5, signal } = {}) {
    const body = { model, prompt, unit, count };
    return (await this.send("/api/suggest", body, { signal })).suggestions;
  }

  async fill(text, { signal, ...options } = {}) {
    return (await this.send("/api/fill", { text, ...options }, { signal })).texts;
  }

  async proofread(text, { signal, ...options } = {}) {
    return (await this.send("/api/proofread", { text, ...options }, { signal })).findings;
  }

  async predict(texts, { signal, ...options } = {}) {
    return (await this.send("/api/predict", { texts, ...options }, { signal })).predictions;
  }

  async explain(given = {}, { signal, onStage } = {}) {
    const answer = await this.ask("/api/explain", { body: { ...given, stream: true }, signal });
    let found = null;
    for await (const event of serverSentEvents(answer, signal)) {
      if (event.error) throw errorFrom(event, 200, null);
      if (event.stage) onStage?.(event.stage);
      found = event.explanation ?? found;
    }
    return found;
  }

  async known(texts, { model, signal } = {}) {
    return (await this.send("/api/known", { model, texts }, { signal })).known;
  }

  async runs({ signal } = {}) {
    return (await this.read("/api/runs", { signal })).runs;
  }

  async run(name, { after, signal } = {}) {
    const query = after === undefined ? "" : `?after=${encodeURIComponent(after)}`;
    return this.read(`/api/runs/${encodeURIComponent(name)}${query}`, { signal });
  }

  async curves(names, { x = "seconds", width, height, signal } = {}) {
    const query = new URLSearchParams([...names.map((name) => ["run", name]), ["x", x]]);
    if (width) query.set("width", width);
    if (height) query.set("height", height);
    const answer = await this.ask(`/api/curves.svg?${query}`, { signal });
    return answer.text();
  }

  // --- one request of completions

  async completeOnce(body, { onText, signal }) {
    if (!onText) {
      const answer = await this.send("/v1/completions", body, { signal });
      return {
        texts: answer.choices.toSorted((a, b) => a.index - b.index).map(finishedText),
        seed: answer.charrnn?.seed,
      };
    }
    const answer = await this.ask("/v1/completions", { body: { ...body, stream: true }, signal });
    const texts = Array.from({ length: body.n }, () => emptyText());
    let seed;
    for await (const event of serverSentEvents(answer, signal)) {
      if (event.error) throw errorFrom(event, 200, null);
      seed = event.charrnn?.seed ?? seed;
      for (const choice of event.choices ?? []) {
        const text = texts[choice.index];
        addPiece(text, choice);
        if (choice.text) onText(choice.text, choice.index);
      }
    }
    return { texts, seed };
  }

  // --- HTTP

  async read(path, { signal }) {
    return readJson(await this.ask(path, { signal }));
  }

  async send(path, body, { signal }) {
    return readJson(await this.ask(path, { body, signal }));
  }

  /** Sends a request, with a key if one is wanted, and returns the answer if it is a good one. */
  async ask(path, { body, signal }) {
    for (let refused = false; ; refused = true) {
      const key = this.key;
      const answer = await this.fetchOnce(path, body, signal);
      if (answer.ok) return answer;
      if (answer.status === 401 && (key !== this.key || (await this.wantKey(refused || key)))) {
        continue;
      }
      const content = await answer.json().catch(() => null);
      throw errorFrom(content, answer.status, answer.headers.get("Retry-After"));
    }
  }

  async fetchOnce(path, body, signal) {
    const headers = { Accept: "application/json, text/event-stream, image/svg+xml" };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const method = body === undefined ? "GET" : "POST";
    const content = body === undefined ? undefined : JSON.stringify(body);
    try {
      return await fetch(this.base + path, { method, headers, body: content, signal });
    } catch (error) {
      throw asEngineError(error);
    }
  }

  /** Several requests may be refused at once: people are asked once. */
  async wantKey(refused) {
    this.asked ??= this.askKey(Boolean(refused)).finally(() => {
      this.asked = null;
    });
    const key = await this.asked;
    if (key) this.key = key;
    return Boolean(key);
  }
}

async function readJson(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw asEngineError(error);
  }
}

function asEngineError(error) {
  if (wasAborted(error) || error instanceof EngineError) return error;
  return new EngineError("The server does not answer. Is `charrnn serve` still running?");
}

function errorFrom(content, status, retryAfter) {
  const error = content?.error ?? {};
  const seconds = retryAfter === null ? null : Number(retryAfter);
  let message = error.message ?? `The server answered with status ${status}.`;
  if (status === 429 && Number.isFinite(seconds) && seconds !== null) {
    message = `The server is busy. Try again in ${seconds} second${seconds === 1 ? "" : "s"}.`;
  }
  return new EngineError(message, {
    status, code: error.code ?? null, param: error.param ?? null, retryAfter: seconds,
  });
}

/** Yields the JSON of each event until `[DONE]`. Throws if the stream ends before it. */
async function* serverSentEvents(answer, signal) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch (error) {
        throw asEngineError(error);
      }
      if (piece.done) break;
      const events = (rest + piece.value).split(/\r?\n\r?\n/);
      rest = events.pop();
      for (const event of events) {
        const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trimStart()).join("\n");
        if (data === "[DONE]") return;
        if (data) yield JSON.parse(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  signal?.throwIfAborted();
  throw new EngineError("The server ended before its answer did.");
}

function emptyText() {
  return { text: "", log_probability: null, stop_reason: null, characters: [] };
}

function finishedText(choice) {
  const text = emptyText();
  addPiece(text, choice);
  return text;
}

function addPiece(text, choice) {
  text.text += choice.text ?? "";
  if (choice.finish_reason) text.stop_reason = choice.finish_reason;
  const given = choice.logprobs;
  given?.tokens?.forEach((each, i) => {
    const value = given.token_logprobs[i];
    const others = Object.entries(given.top_logprobs?.[i] ?? {});
    text.characters.push({
      text: each,
      log_probability: value,
      alternatives: others.map(([other, log]) => ({ text: other, probability: Math.exp(log) }))
        .sort((a, b) => b.probability - a.probability),
    });
    if (value !== null) text.log_probability = (text.log_probability ?? 0) + value;
  });
}
