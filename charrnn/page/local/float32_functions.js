// The float32 functions of the int8 engine, whose bits are those of engines/int8_numbers.py.
//
// Each operation of float64 is rounded to float32 at once. The result of one addition,
// multiplication, division or square root is then what float32 gives. NaN stays NaN.

const ROUND_TO_WHOLE = 12582912; // 1.5 times 2^23: adding it rounds to a whole number, ties to even
const TANH_LIMIT = 8;
const [TOP_0, TOP_1, TOP_2, TOP_3] = [1.1595627e-05, 0.002967746, 0.12941751, 0.99999994]
  .map(Math.fround);
const [LOW_0, LOW_1, LOW_2, LOW_3] = [2.5099746e-07, 0.00024095412, 0.0238855, 0.4627502]
  .map(Math.fround);
const [EXP_0, EXP_1, EXP_2, EXP_3, EXP_4] = [
  0.0013813372, 0.008369412, 0.041668452, 0.16666515, 0.49999994,
].map(Math.fround);
const [EXP_LEAST, EXP_MOST] = [-104, 89]; // beyond, the result is 0 and infinity
const PER_LN2_32 = Math.fround(1.44269504);
const LN2_HIGH_32 = Math.fround(0.693359375);
const LN2_LOW_32 = Math.fround(-2.1219444e-4);
const PARTIAL_SUMS = 16;

/** Returns tanh(x) as a ratio of polynomials in x^2, never beyond 1. */
export function tanh32(given) {
  const x = given < -TANH_LIMIT ? -TANH_LIMIT : given > TANH_LIMIT ? TANH_LIMIT : given;
  const square = Math.fround(x * x);
  let above = Math.fround(Math.fround(TOP_0 * square) + TOP_1);
  above = Math.fround(Math.fround(above * square) + TOP_2);
  above = Math.fround(Math.fround(above * square) + TOP_3);
  let below = Math.fround(Math.fround(LOW_0 * square) + LOW_1);
  below = Math.fround(Math.fround(below * square) + LOW_2);
  below = Math.fround(Math.fround(below * square) + LOW_3);
  below = Math.fround(Math.fround(below * square) + 1);
  return Math.fround(Math.fround(x * above) / below);
}

/** Returns the sigmoid of twice the argument, which the weights have halved. */
export function sigmoid32(half) {
  return Math.fround(Math.fround(tanh32(half) * 0.5) + 0.5);
}

/** Returns exp(x), from denormal numbers up to infinity. */
export function exp32(given) {
  const x = given < EXP_LEAST ? EXP_LEAST : given > EXP_MOST ? EXP_MOST : given;
  const shifted = Math.fround(Math.fround(x * PER_LN2_32) + ROUND_TO_WHOLE);
  const k = Math.fround(shifted - ROUND_TO_WHOLE);
  let r = Math.fround(x - Math.fround(k * LN2_HIGH_32));
  r = Math.fround(r - Math.fround(k * LN2_LOW_32));
  let power = Math.fround(Math.fround(EXP_0 * r) + EXP_1);
  power = Math.fround(Math.fround(power * r) + EXP_2);
  power = Math.fround(Math.fround(power * r) + EXP_3);
  power = Math.fround(Math.fround(power * r) + EXP_4);
  power = Math.fround(power * Math.fround(r * r));
  power = Math.fround(Math.fround(power + r) + 1);
  const half = k >> 1;
  return Math.fround(Math.fround(power * powerOfTwo(half)) * powerOfTwo(k - half));
}

function powerOfTwo(exponent) {
  return exponent < 0 ? 1 / 2 ** -exponent : 2 ** exponent;
}

/** Returns the sum of `count` numbers from `first` on, in the order of int8_numbers.total. */
export function total32(x, first, count) {
  const sums = PARTIAL;
  sums.fill(0);
  for (let k = 0; k < count; k++) {
    sums[k % PARTIAL_SUMS] = Math.fround(sums[k % PARTIAL_SUMS] + x[first + k]);
  }
  return addPartialSums(sums);
}

/** Returns the sum of products of a query with a key that begins at `first`. */
export function dot32(query, keys, first, count) {
  const sums = PARTIAL;
  sums.fill(0);
  for (let k = 0; k < count; k++) {
    const product = Math.fround(query[k] * keys[first + k]);
    sums[k % PARTIAL_SUMS] = Math.fround(sums[k % PARTIAL_SUMS] + product);
  }
  return addPartialSums(sums);
}

function addPartialSums(sums) {
  for (let middle = PARTIAL_SUMS >> 1; middle > 0; middle >>= 1) {
    for (let k = 0; k < middle; k++) sums[k] = Math.fround(sums[k] + sums[k + middle]);
  }
  return sums[0];
}

const PARTIAL = new Float32Array(PARTIAL_SUMS);

/** Writes activations to `whole` as whole numbers from -127 to 127 that stand for -1 to 1. */
export function quantize(x, count, whole) {
  for (let i = 0; i < count; i++) {
    const each = x[i];
    const steps = Math.fround((each < -1 ? -1 : each > 1 ? 1 : each) * 127);
    whole[i] = Math.fround(Math.fround(steps + ROUND_TO_WHOLE) - ROUND_TO_WHOLE);
  }
}

/** Writes what `quantize` rounded off to `rest`, from `first` on, in steps of 1 / 254. */
export function quantizeRest(x, count, whole, rest, first) {
  for (let i = 0; i < count; i++) {
    const each = x[i];
    const steps = Math.fround((each < -1 ? -1 : each > 1 ? 1 : each) * 127);
    const left = Math.fround(Math.fround(steps - whole[i]) * 254);
    rest[first + i] = Math.fround(Math.fround(left + ROUND_TO_WHOLE) - ROUND_TO_WHOLE);
  }
}
