// The states after the beginnings of texts, so that a text that has grown is not read again.

const SNAPSHOT_EVERY = 256; // ids
const MOST_SEQUENCES = 6;

export class PromptCache {
  constructor(network) {
    this.network = network;
    this.sequences = []; // {ids, states: Map of position -> state}, the last used one last
  }

  /** Reads ids, of which there may be none, and yields now and then. Returns a state of its own. */
  *read(ids) {
    const { network } = this;
    const state = network.newState();
    const { begin, known } = this.longest(ids);
    if (known !== null) state.copyFrom(known.states.get(begin));
    if (begin === ids.length) return state;
    const sequence = { ids: [...ids], states: this.statesUpTo(known, begin) };
    for (let place = begin; place < ids.length; place++) {
      network.read(state, ids[place]);
      const done = place + 1;
      if (done % SNAPSHOT_EVERY === 0 || done === ids.length) {
        sequence.states.set(done, this.copyOf(state));
      }
      yield;
    }
    this.keep(sequence, known);
    return state;
  }

  copyOf(state) {
    const copy = this.network.newState();
    copy.copyFrom(state);
    return copy;
  }

  longest(ids) {
    let [begin, known] = [0, null];
    for (const sequence of this.sequences) {
      const shared = sharedLength(sequence.ids, ids);
      for (const place of sequence.states.keys()) {
        if (place <= shared && place > begin) [begin, known] = [place, sequence];
      }
    }
    return { begin, known };
  }

  statesUpTo(sequence, end) {
    const states = [...(sequence?.states ?? [])];
    return new Map(states.filter(([place]) => place <= end && place % SNAPSHOT_EVERY === 0));
  }

  keep(sequence, known) {
    // A sequence that goes on with a known one takes its place.
    const grown = known !== null && sharedLength(known.ids, sequence.ids) === known.ids.length;
    this.sequences = this.sequences.filter((each) => !(grown && each === known));
    this.sequences.push(sequence);
    if (this.sequences.length > MOST_SEQUENCES) this.sequences.shift();
  }
}

/** Returns how many of the first ids of two lists are the same. */
export function sharedLength(a, b) {
  const most = Math.min(a.length, b.length);
  for (let k = 0; k < most; k++) if (a[k] !== b[k]) return k;
  return most;
}
