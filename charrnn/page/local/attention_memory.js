// Attention in the int8 engine, as engines/int8_attention.py computes it.

import { dot32, exp32, total32 } from "./float32_functions.js";

const NORM_EPSILON = Math.fround(1e-5);
const SMALLEST_STATE = Math.fround(1e-30);

/** The keys and values of the last states. The window slides along twice its length. */
export class AttentionMemory {
  constructor(window, size) {
    this.keys = new Float32Array(2 * window * size);
    this.values = new Float32Array(2 * window * size);
    this.start = 0;
  }

  copyFrom(other) {
    this.keys.set(other.keys);
    this.values.set(other.values);
    this.start = other.start;
  }
}

/**
 * The float32 part of attention.
 *   window, size: the number of states that are attended to, and the size of their keys.
 *   output: Float32Array of size * hidden; biases: of the window, the oldest state first.
 */
export class AttentionReader {
  constructor({ window, size, output, biases, normWeight, normBias }) {
    Object.assign(this, { window, size, output, biases, normWeight, normBias });
    this.hidden = normWeight.length;
    this.scores = new Float32Array(window);
    this.found = new Float32Array(size);
    this.x = new Float32Array(this.hidden);
    this.squares = new Float32Array(this.hidden);
    this.scale = 0;
  }

  /** Stores the key and the value of a new state, and forgets the oldest. */
  remember(memory, projected) {
    this.append(memory, projected);
    this.slide(memory);
  }

  append(memory, projected) {
    const { size, window } = this;
    const place = (memory.start + window) * size;
    memory.keys.set(projected.subarray(size, 2 * size), place);
    memory.values.set(projected.subarray(2 * size, 3 * size), place);
  }

  slide(memory) {
    const { size, window } = this;
    memory.start += 1;
    if (memory.start === window) {
      memory.keys.copyWithin(0, window * size);
      memory.values.copyWithin(0, window * size);
      memory.start = 0;
    }
  }

  /**
   * Attends from a state h, given its projections to query, key and value, and remembers it.
   * Leaves in `x` the normalized state within 1, and in `scale` what it was divided by.
   */
  read(memory, h, projected) {
    this.append(memory, projected);
    this.attend(memory, projected);
    this.slide(memory);
    this.join(h);
    this.normalize();
  }

  attend(memory, projected) {
    const { window, size, scores, found, biases } = this;
    const first = memory.start * size;
    let largest = -Infinity;
    for (let w = 0; w < window; w++) {
      const product = dot32(projected, memory.keys, first + w * size, size);
      const score = Math.fround(biases[w] + product);
      scores[w] = score;
      largest = Math.max(largest, score); // NaN wins
    }
    for (let w = 0; w < window; w++) scores[w] = exp32(Math.fround(scores[w] - largest));
    const whole = total32(scores, 0, window);
    // A value is one state newer than the key of the same place.
    let place = first + size;
    for (let w = 0; w < window; w++) {
      const share = Math.fround(scores[w] / whole);
      for (let d = 0; d < size; d++) {
        const product = Math.fround(share * memory.values[place + d]);
        found[d] = w === 0 ? product : Math.fround(found[d] + product);
      }
      place += size;
    }
  }

  /** Adds the product of what was found with the output weights to h, sum by sum. */
  join(h) {
    const { hidden, size, found, output, x } = this;
    x.set(h);
    for (let d = 0; d < size; d++) {
      const each = found[d];
      const place = d * hidden;
      for (let u = 0; u < hidden; u++) {
        x[u] = Math.fround(x[u] + Math.fround(each * output[place + u]));
      }
    }
  }

  /** Applies layer normalization, and divides by the largest number. */
  normalize() {
    const { hidden, x, squares, normWeight, normBias } = this;
    const mean = Math.fround(total32(x, 0, hidden) / hidden);
    for (let u = 0; u < hidden; u++) {
      x[u] = Math.fround(x[u] - mean);
      squares[u] = Math.fround(x[u] * x[u]);
    }
    const variance = Math.fround(total32(squares, 0, hidden) / hidden);
    const deviation = Math.fround(Math.sqrt(Math.fround(variance + NORM_EPSILON)));
    let largest = 0;
    for (let u = 0; u < hidden; u++) {
      const scaled = Math.fround(Math.fround(x[u] / deviation) * normWeight[u]);
      x[u] = Math.fround(scaled + normBias[u]);
      largest = Math.max(largest, Math.abs(x[u]));
    }
    let inverse = largest > SMALLEST_STATE ? Math.fround(1 / largest) : 0;
    if (Number.isNaN(largest)) inverse = largest;
    for (let u = 0; u < hidden; u++) x[u] = Math.fround(x[u] * inverse);
    this.scale = largest;
  }
}
