// Products of whole-number weights with whole-number activations, added up exactly.
//
// Two rows of weights share a whole number of 32 bits: the second row times 2^24, plus the first.
// Their sums of products, in float64, stay apart as long as each is below 2^23, so that one
// multiplication does the work of two, and whole numbers up to 2^53 are exact in any order.

import { quantizeRest } from "./float32_functions.js";

const SECOND_ROW = 2 ** 24;
const MOST_AT_ONCE = 520; // inputs: 520 * 127 * 127 is below 2^23
const ROUND_TO_SECOND = 1.5 * 2 ** 52;
const ROWS_AT_ONCE = 8;
const PAIRS = ROWS_AT_ONCE / 2;
const REST_STEP = Math.fround(1 / 254);

/**
 * A weight of int8, or of 16 bits if it has remainders.
 *   weight, rest: Int8Array of rows * inputs; rest may be null.
 *   scale: Float32Array of rows.
 */
export class ExactProduct {
  constructor({ weight, scale, rest }, inputs) {
    const rows = scale.length;
    this.rows = rows;
    this.inputs = inputs;
    this.scale = scale;
    this.blocks = Math.ceil(rows / ROWS_AT_ONCE);
    this.packed = packRows([weight], rows, inputs);
    this.sums = new Float64Array(this.blocks * ROWS_AT_ONCE);
    this.restPacked = null;
    if (rest !== null) {
      this.restPacked = packRows([rest, weight], rows, inputs);
      this.both = new Float64Array(2 * inputs);
      this.restSums = new Float64Array(this.blocks * ROWS_AT_ONCE);
    }
  }

  /**
   * Writes the products of all rows with activations to `out`, in float32.
   *   x: the activations, before they were rounded; whole: the same as whole numbers.
   */
  multiply(x, whole, out) {
    const { rows, inputs, scale, sums } = this;
    addProducts(this.packed, whole, inputs, this.blocks, sums);
    if (this.restPacked === null) {
      for (let row = 0; row < rows; row++) {
        out[row] = Math.fround(Math.fround(sums[row]) * scale[row]);
      }
      return;
    }
    const { both, restSums } = this;
    both.set(whole);
    quantizeRest(x, inputs, whole, both, inputs);
    addProducts(this.restPacked, both, 2 * inputs, this.blocks, restSums);
    for (let row = 0; row < rows; row++) {
      const rest = Math.fround(Math.fround(restSums[row]) * REST_STEP);
      out[row] = Math.fround(Math.fround(Math.fround(sums[row]) + rest) * scale[row]);
    }
  }
}

/** Arranges rows of weights, one matrix after another, by blocks of 8 rows and by inputs. */
function packRows(matrices, rows, inputs) {
  const blocks = Math.ceil(rows / ROWS_AT_ONCE);
  const length = inputs * matrices.length;
  const packed = new Int32Array(blocks * length * PAIRS);
  for (let row = 0; row < rows; row++) {
    const unit = row % 2 === 0 ? 1 : SECOND_ROW;
    const pair = (row % ROWS_AT_ONCE) >> 1;
    let place = Math.floor(row / ROWS_AT_ONCE) * length * PAIRS + pair;
    for (const matrix of matrices) {
      for (let i = 0; i < inputs; i++) packed[place + i * PAIRS] += unit * matrix[row * inputs + i];
      place += inputs * PAIRS;
    }
  }
  return packed;
}

/** Writes the sums of the products of packed rows with `length` activations. */
function addProducts(packed, x, length, blocks, sums) {
  sums.fill(0);
  let place = 0;
  for (let block = 0; block < blocks; block++) {
    let i = 0;
    while (i < length) {
      // Not taken from a list, which would be slower.
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      const end = i + MOST_AT_ONCE < length ? i + MOST_AT_ONCE : length;
      for (; i < end; i++) {
        const each = x[i];
        s0 += packed[place] * each;
        s1 += packed[place + 1] * each;
        s2 += packed[place + 2] * each;
        s3 += packed[place + 3] * each;
        place += 4;
      }
      const row = block * ROWS_AT_ONCE;
      addPair(s0, sums, row);
      addPair(s1, sums, row + 2);
      addPair(s2, sums, row + 4);
      addPair(s3, sums, row + 6);
    }
  }
}

function addPair(sum, sums, row) {
  const second = sum * (1 / SECOND_ROW) + ROUND_TO_SECOND - ROUND_TO_SECOND;
  sums[row] += sum - second * SECOND_ROW;
  sums[row + 1] += second;
}
