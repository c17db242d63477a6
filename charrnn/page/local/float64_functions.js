// The functions from which probabilities are computed, with the bits of generation/elementary.py.

const LN2_HIGH_64 = 6.93147180369123816490e-01; // its last bits are zero: a product with k is exact
const LN2_LOW_64 = 1.90821492927058770002e-10;
const PER_LN2_64 = 1.4426950408889634;
const ROUND_WHOLE_64 = 6755399441055744; // 1.5 times 2^52
const SMALLEST_EXPONENT = -708;
const ROOT_OF_HALF = 0.7071067811865476;

const EXP_TERMS = [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((n) => 1 / factorial(n));
const LOG_TERMS = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => 1 / (2 * n + 1));
const [E13, E12, E11, E10, E9, E8, E7, E6, E5, E4, E3, E2] = EXP_TERMS;

const POWERS = new Float64Array(1100); // 2^-k
for (let k = 0, power = 1; k < POWERS.length; k++, power /= 2) POWERS[k] = power;

function factorial(n) {
  return n < 2 ? 1 : n * factorial(n - 1);
}

/** Returns exp(x) of a number up to 0; 0 below -708. */
export function exp64(x) {
  if (x < SMALLEST_EXPONENT) return 0;
  const k = x * PER_LN2_64 + ROUND_WHOLE_64 - ROUND_WHOLE_64;
  const r = x - k * LN2_HIGH_64 - k * LN2_LOW_64;
  let power = E13 * r + E12;
  power = power * r + E11;
  power = power * r + E10;
  power = power * r + E9;
  power = power * r + E8;
  power = power * r + E7;
  power = power * r + E6;
  power = power * r + E5;
  power = power * r + E4;
  power = power * r + E3;
  power = power * r + E2;
  power = power * (r * r) + r + 1;
  return Number.isNaN(x) ? x : power * POWERS[-k];
}

const BITS = new DataView(new ArrayBuffer(8));

/** Returns log(x) of a positive number; -Infinity for 0. */
export function log64(x) {
  if (x === 0) return -Infinity;
  if (!Number.isFinite(x)) return x;
  let [m, e] = splitFloat(x); // x = m 2^e with m from 1/2 up to 1
  if (m < ROOT_OF_HALF) {
    m += m;
    e -= 1;
  }
  const s = (m - 1) / (m + 1);
  const [z, twice] = [s * s, s + s];
  let sum = LOG_TERMS[0];
  for (let n = 1; n < LOG_TERMS.length; n++) sum = sum * z + LOG_TERMS[n];
  return twice * (sum * z) + e * LN2_LOW_64 + twice + e * LN2_HIGH_64;
}

function splitFloat(x) {
  const isSmall = x < 2 ** -1022; // too small to be normal
  BITS.setFloat64(0, isSmall ? x * 2 ** 54 : x);
  const high = BITS.getUint32(0);
  const exponent = ((high >>> 20) & 0x7ff) - 1022;
  BITS.setUint32(0, (high & 0x800fffff) | (1022 << 20));
  return [BITS.getFloat64(0), isSmall ? exponent - 54 : exponent];
}

/** Returns the largest number of an array; -Infinity if it is empty. */
export function largestOf(x) {
  let largest = -Infinity;
  for (let i = 0; i < x.length; i++) if (x[i] > largest) largest = x[i];
  return largest;
}

/** Returns the sum of an array, added up one by one. */
export function sumOf(x) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return sum;
}

/** Writes exp(x - max) of logits, which is proportional to the probabilities, to `out`. */
export function exponents(logits, out) {
  const largest = largestOf(logits);
  for (let i = 0; i < logits.length; i++) out[i] = exp64(logits[i] - largest);
  return out;
}

/** Writes the log-probabilities of logits to `out`. */
export function logSoftmax(logits, out) {
  const shift = largestOf(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    out[i] = logits[i] - shift;
    sum += exp64(out[i]);
  }
  const whole = log64(sum);
  for (let i = 0; i < logits.length; i++) out[i] -= whole;
  return out;
}
