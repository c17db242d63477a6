// Requests that a worker answers side by side, a slice of each at a time, so that a long text does
// not keep a short one waiting and every one can be cancelled.

const SLICE = 12; // milliseconds

export class WorkQueue {
  /** send(message): posts an answer, see local_engine.js. */
  constructor(send) {
    this.send = send;
    this.jobs = []; // {id, work, heard: texts by number that are not sent yet}
    this.isGoing = false;
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = () => this.goOn();
  }

  /** begin(onText): returns a generator, which yields often, and whose result is the answer. */
  add(id, begin) {
    const heard = new Map();
    const onText = (text, k) => heard.set(k, (heard.get(k) ?? "") + text);
    const job = { id, heard, work: null };
    try {
      job.work = begin(onText);
    } catch (error) {
      this.fail(job, error);
      return;
    }
    this.jobs.push(job);
    this.wake();
  }

  cancel(id) {
    this.jobs = this.jobs.filter((job) => job.id !== id);
  }

  wake() {
    if (this.isGoing || this.jobs.length === 0) return;
    this.isGoing = true;
    this.channel.port2.postMessage(null); // after the messages that wait already
  }

  goOn() {
    this.isGoing = false;
    const job = this.jobs.shift();
    if (job === undefined) return;
    try {
      const { done, value } = this.runSlice(job.work);
      this.tell(job);
      if (done) this.send({ id: job.id, result: value });
      else this.jobs.push(job);
    } catch (error) {
      this.tell(job);
      this.fail(job, error);
    }
    this.wake();
  }

  runSlice(work) {
    const end = performance.now() + SLICE;
    for (;;) {
      const step = work.next();
      if (step.done || performance.now() >= end) return step;
    }
  }

  tell({ id, heard }) {
    for (const [k, text] of heard) this.send({ id, text, k });
    heard.clear();
  }

  fail({ id }, error) {
    const isOurs = error.name === "EngineError";
    const message = isOurs ? error.message : `The page's engine failed: ${error}`;
    this.send({ id, error: { message, param: error.param ?? null } });
  }
}
