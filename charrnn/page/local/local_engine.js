// The interface of engine.js, over an engine that runs in the page itself, without a server.
//
// It writes the texts that `charrnn sample` writes with the same seed, index and settings. What is
// left out of the options of `complete` is as on the command line: `lines` as the model was
// trained, the seed a random one, `length: 0` without end.
//
// Messages to the worker: {packed} with the model, {id, method, given} for a request,
// {id, cancelled: true}. Messages from it: {id, text, k} with new characters of text k,
// {id, result}, {id, error: {message, param}}.

import { EngineError } from "../engine_error.js";

const RANDOM_SEEDS = 2 ** 31;

export class LocalEngine {
  /**
   * entry: what `models` says of the model.
   * packed: the model; see read_model.js and unpack_bytes.js.
   * startWorker(): returns a Worker that runs local_worker.js.
   */
  constructor({ entry, packed, startWorker }) {
    this.entry = entry;
    this.hasPatterns = false; // no `regex`
    this.open = new Map(); // what is called with the answers to each request
    this.count = 0;
    this.worker = startWorker();
    this.worker.onmessage = ({ data }) => this.open.get(data.id)?.(data);
    this.worker.onerror = (event) => this.failAll(event.message);
    this.worker.postMessage({ packed });
  }

  async models() {
    return [this.entry];
  }

  async complete(prompt = "", { signal, onText, ...options } = {}) {
    const given = {
      ...options,
      lines: options.lines ?? this.entry.lines,
      seed: options.seed ?? Math.floor(Math.random() * RANDOM_SEEDS),
    };
    return this.ask("complete", [prompt, given], { signal, onText });
  }

  async score(text, { signal, alternatives } = {}) {
    return this.ask("score", [text, { alternatives }], { signal });
  }

  async suggest(prompt = "", { signal, unit, count } = {}) {
    return this.ask("suggest", [prompt, { unit, count }], { signal });
  }

  ask(method, given, { signal, onText }) {
    return new Promise((resolve, reject) => {
      if (typeof given[0] !== "string") throw new EngineError(`${method}: give a text`);
      signal?.throwIfAborted();
      const id = (this.count += 1);
      const end = () => {
        this.open.delete(id);
        signal?.removeEventListener("abort", abort);
      };
      const abort = () => {
        end();
        this.worker.postMessage({ id, cancelled: true });
        reject(signal.reason);
      };
      this.worker.postMessage({ id, method, given });
      this.open.set(id, (answer) => {
        if (answer.text !== undefined) {
          onText?.(answer.text, answer.k);
          return;
        }
        end();
        if (answer.error === undefined) resolve(answer.result);
        else reject(new EngineError(answer.error.message, answer.error));
      });
      signal?.addEventListener("abort", abort);
    });
  }

  failAll(reason) {
    const message = `The page's engine does not run: ${reason ?? "no reason given"}`;
    for (const [id, tell] of [...this.open]) tell({ id, error: { message, param: null } });
  }
}
