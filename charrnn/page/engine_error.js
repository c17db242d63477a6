// What engines reject with.

/** What went wrong, in a sentence for people. */
export class EngineError extends Error {
  /** `status` is that of HTTP, 0 when there was no answer; `retryAfter` is in seconds. */
  constructor(message, { status = 0, code = null, param = null, retryAfter = null } = {}) {
    super(message);
    this.name = "EngineError";
    Object.assign(this, { status, code, param, retryAfter });
  }
}

/** Whether a promise was rejected because its signal ended it, which is no error to show. */
export function wasAborted(error) {
  return error?.name === "AbortError";
}

/** What an engine of the page itself says of a model whose numbers are not finite. */
export const OVERFLOW = "the model's weights are so large that its numbers overflow";
