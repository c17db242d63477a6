// Shows text that arrives in bursts at a pace that the eye can follow.

const TYPING_LAG = 500; // milliseconds by which it may lag, about
const TYPING_SLOWEST = 0.08; // characters per millisecond

export class Typewriter {
  /** write(text): shows some more characters. */
  constructor(write) {
    this.write = write;
    this.waiting = "";
    this.instant = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.last = performance.now();
  }

  push(text) {
    this.waiting += text;
    if (this.instant || document.hidden) this.flush();
    else this.schedule();
  }

  schedule() {
    if (this.frame || this.waiting === "") return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = null;
      const passed = Math.min(100, Math.max(1, now - this.last));
      this.last = now;
      const count = Math.ceil(Math.max(passed * TYPING_SLOWEST, (this.waiting.length * passed) / TYPING_LAG));
      let piece = this.waiting.slice(0, count);
      if (/[\ud800-\udbff]$/.test(piece)) piece = this.waiting.slice(0, count + 1);
      this.waiting = this.waiting.slice(piece.length);
      this.write(piece);
      this.schedule();
      if (this.waiting === "") this.emptied?.();
    });
  }

  /** Shows at once what still waits. */
  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const piece = this.waiting;
    this.waiting = "";
    if (piece) this.write(piece);
    this.emptied?.();
  }

  /** Forgets what still waits. */
  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.waiting = "";
    this.emptied?.();
  }

  /** Returns a promise that is kept when everything is shown. */
  finished() {
    if (this.waiting === "") return Promise.resolve();
    if (document.hidden) this.flush();
    return new Promise((resolve) => {
      this.emptied = resolve;
      if (this.waiting === "") resolve();
    });
  }
}
