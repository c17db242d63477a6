// Filters of next-character probabilities, as in generation/filters.py: each changes an array of
// logits in place, in which -Infinity excludes an id.

import { exp64, exponents, largestOf, log64, logSoftmax, sumOf } from "./float64_functions.js";

const TINY_TEMPERATURE = 1e-200; // below, a float32 divided by it might overflow

/** The filters of TextConstraints. */
export class LogitFilters {
  constructor({ settings, size, bias }) {
    this.settings = settings;
    this.bias = bias;
    this.logMinP = settings.min_p === null ? null : log64(settings.min_p);
    this.shares = new Float64Array(size);
    this.ordered = new Float64Array(size);
    this.distances = new Float64Array(size);
    this.places = Array.from({ length: size }, (_, i) => i);
  }

  /**
   * Applies all filters.
   *   allowed: Uint8Array of 1 for the ids that may come, or null for all.
   *   recent: Uint8Array of 1 for recent ids, or null.
   *   counts: Float64Array of how often each id came, or null.
   */
  apply(logits, allowed, recent, counts) {
    const { settings, bias } = this;
    if (allowed !== null) exclude(logits, allowed);
    if (bias !== null) for (let i = 0; i < logits.length; i++) logits[i] += bias[i];
    if (recent !== null) penalizeRecent(logits, settings.repetition_penalty, recent);
    if (counts !== null) penalizeCounts(logits, settings, counts);
    this.divide(logits, settings.temperature);
    if (settings.top_k !== null) this.keepTopK(logits, settings.top_k);
    if (settings.top_p !== null) this.keepTopP(logits, settings.top_p);
    if (this.logMinP !== null) keepMinP(logits, this.logMinP);
    if (settings.typical !== null) this.keepTypical(logits, settings.typical);
  }

  divide(logits, temperature) {
    if (temperature === 0) {
      this.keepTopK(logits, 1);
      return;
    }
    const shift = temperature < TINY_TEMPERATURE ? largestOf(logits) : null;
    for (let i = 0; i < logits.length; i++) {
      logits[i] = (shift === null ? logits[i] : logits[i] - shift) / temperature;
    }
  }

  keepTopK(logits, k) {
    if (k > 1) {
      this.keepLargest(logits, this.descending(logits), Math.min(k, logits.length));
      return;
    }
    let likeliest = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i] > logits[likeliest]) likeliest = i;
    for (let i = 0; i < logits.length; i++) if (i !== likeliest) logits[i] = -Infinity;
  }

  keepTopP(logits, p) {
    if (p >= 1) return; // rounding must not cut the least likely off
    const ordered = this.descending(logits);
    const enough = p * sumOf(exponents(logits, this.shares));
    const count = countReaching(exponents(ordered, this.shares), enough);
    this.keepLargest(logits, ordered, count);
  }

  keepTypical(logits, p) {
    if (p >= 1) return;
    const { shares, distances, places } = this;
    const shift = largestOf(logits);
    for (let i = 0; i < logits.length; i++) shares[i] = exp64(logits[i] - shift);
    const whole = sumOf(shares);
    const logWhole = log64(whole);
    let weighed = 0;
    for (let i = 0; i < logits.length; i++) {
      if (shares[i] > 0) weighed += shares[i] * (logWhole - (logits[i] - shift));
    }
    const entropy = weighed / whole;
    for (let i = 0; i < logits.length; i++) {
      places[i] = i;
      distances[i] = Math.abs(logWhole - (logits[i] - shift) - entropy);
    }
    places.sort((a, b) => compareNumbers(distances[a], distances[b]) || a - b);
    const sorted = this.ordered;
    for (let i = 0; i < logits.length; i++) sorted[i] = shares[places[i]];
    const count = countReaching(sorted, p * whole);
    for (let i = count; i < logits.length; i++) logits[places[i]] = -Infinity;
  }

  descending(logits) {
    const { ordered } = this;
    ordered.set(logits);
    return ordered.sort().reverse();
  }

  /** Keeps the `count` largest logits: of equals, those with the smaller ids. */
  keepLargest(logits, ordered, count) {
    const smallest = ordered[count - 1];
    let missing = count;
    for (let i = 0; i < logits.length; i++) if (logits[i] > smallest) missing -= 1;
    for (let i = 0; i < logits.length; i++) {
      if (logits[i] > smallest) continue;
      if (logits[i] === smallest && missing > 0) missing -= 1;
      else logits[i] = -Infinity;
    }
  }
}

function compareNumbers(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function exclude(logits, allowed) {
  for (let i = 0; i < logits.length; i++) if (allowed[i] === 0) logits[i] = -Infinity;
}

function penalizeRecent(logits, penalty, recent) {
  logSoftmax(logits, logits);
  for (let i = 0; i < logits.length; i++) if (recent[i] === 1) logits[i] *= penalty;
}

function penalizeCounts(logits, settings, counts) {
  const [presence, frequency] = [settings.presence_penalty ?? 0, settings.frequency_penalty ?? 0];
  for (let i = 0; i < logits.length; i++) {
    if (counts[i] > 0) logits[i] -= presence + frequency * counts[i];
  }
}

function keepMinP(logits, logMinP) {
  const least = largestOf(logits) + logMinP;
  for (let i = 0; i < logits.length; i++) if (!(logits[i] >= least)) logits[i] = -Infinity;
}

/** Returns how many of the first shares add up to `enough`. */
function countReaching(shares, enough) {
  let sum = 0;
  let count = 1;
  for (let i = 0; i < shares.length - 1; i++) {
    sum += shares[i];
    if (sum < enough) count += 1;
  }
  return count;
}

/**
 * Returns the id that a number from [0, 1) draws from logits, by inverse transform sampling; the
 * number of ids if none may come. `shares` is an array to compute with.
 */
export function drawId(logits, uniform, shares) {
  exponents(logits, shares);
  let sum = 0;
  for (let i = 0; i < shares.length; i++) {
    sum += shares[i];
    shares[i] = sum;
  }
  const reached = uniform * sum;
  for (let i = 0; i < shares.length; i++) if (shares[i] > reached) return i;
  return shares.length;
}
