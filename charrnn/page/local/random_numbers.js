// The random numbers of a text, as in generation/randomness.py: a function of its seed, its index
// and the position in it. Whole numbers of 64 bits are BigInt once a text, and pairs of 32 bits
// once a character.

const WORD = (1n << 64n) - 1n;
const INCREMENT = 0x9e3779b97f4a7c15n;
const [INCREMENT_HIGH, INCREMENT_LOW] = [0x9e3779b9, 0x7f4a7c15];

/** The random numbers of text `index` of a seed, one after another. */
export class RandomNumbers {
  /** seed: a whole number, as a number or a BigInt; index: a whole number. */
  constructor(seed, index) {
    const key = mixWord(firstWordOfHash(String(BigInt(seed))), BigInt(index));
    this.high = Number(key >> 32n);
    this.low = Number(key & 0xffffffffn);
  }

  /** Returns the next number, from [0, 1). This is SplitMix64. */
  next() {
    const low = this.low + INCREMENT_LOW;
    const high = (this.high + INCREMENT_HIGH + (low > 0xffffffff ? 1 : 0)) >>> 0;
    this.low = low >>> 0;
    this.high = high;
    let [h, l] = [high, this.low];
    [h, l] = [h ^ (h >>> 30), l ^ ((l >>> 30) | (h << 2))];
    [h, l] = timesWord(h, l, 0xbf58476d, 0x1ce4e5b9);
    [h, l] = [h ^ (h >>> 27), l ^ ((l >>> 27) | (h << 5))];
    [h, l] = timesWord(h, l, 0x94d049bb, 0x133111eb);
    [h, l] = [h ^ (h >>> 31), l ^ ((l >>> 31) | (h << 1))];
    return ((h >>> 0) * 2 ** 21 + (l >>> 11)) * 2 ** -53;
  }
}

/** Returns the low 64 bits of a product, as a pair of 32 bits. */
function timesWord(high, low, otherHigh, otherLow) {
  const [a, b] = [low >>> 16, low & 0xffff];
  const [c, d] = [otherLow >>> 16, otherLow & 0xffff];
  const [bd, ad, bc] = [b * d, a * d, b * c]; // below 2^32
  const middle = (bd >>> 16) + (ad & 0xffff) + (bc & 0xffff);
  const carried = Math.imul(a, c) + (ad >>> 16) + (bc >>> 16) + (middle >>> 16);
  const upper = carried + Math.imul(high, otherLow) + Math.imul(low, otherHigh);
  return [upper | 0, ((middle << 16) | (bd & 0xffff)) | 0];
}

function mixWord(key, position) {
  let mixed = (key + (position + 1n) * INCREMENT) & WORD;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & WORD;
  return mixed ^ (mixed >> 31n);
}

// --- BLAKE2b (RFC 7693) of a short text, of which the first 8 bytes are needed

const HASH_START = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const HASH_ORDER = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
  "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
  "6fe9b308c2d714a5", "a2847615fb9e3cd0",
];
const HASH_QUARTERS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];
const HASH_BYTES = 8;
const HASH_BLOCK = 128;

/** Returns the 8 bytes of the hash of a text, as a whole number whose low byte is the first. */
function firstWordOfHash(text) {
  const bytes = new TextEncoder().encode(text);
  const hash = [...HASH_START];
  hash[0] ^= 0x01010000n ^ BigInt(HASH_BYTES);
  const blocks = Math.max(1, Math.ceil(bytes.length / HASH_BLOCK));
  for (let block = 0; block < blocks; block++) {
    const part = new Uint8Array(HASH_BLOCK);
    part.set(bytes.subarray(block * HASH_BLOCK, (block + 1) * HASH_BLOCK));
    const isLast = block === blocks - 1;
    compressBlock(hash, part, isLast ? bytes.length : (block + 1) * HASH_BLOCK, isLast);
  }
  return hash[0];
}

function compressBlock(hash, part, count, isLast) {
  const view = new DataView(part.buffer);
  const words = Array.from({ length: 16 }, (_, i) => view.getBigUint64(8 * i, true));
  const v = [...hash, ...HASH_START];
  v[12] ^= BigInt(count);
  if (isLast) v[14] ^= WORD;
  for (let round = 0; round < 12; round++) {
    const order = HASH_ORDER[round % 10];
    HASH_QUARTERS.forEach((places, i) => {
      const [x, y] = [order[2 * i], order[2 * i + 1]].map((digit) => words[parseInt(digit, 16)]);
      mixQuarter(v, places, x, y);
    });
  }
  for (let i = 0; i < 8; i++) hash[i] ^= v[i] ^ v[i + 8];
}

function mixQuarter(v, [a, b, c, d], x, y) {
  v[a] = (v[a] + v[b] + x) & WORD;
  v[d] = rotateRight(v[d] ^ v[a], 32n);
  v[c] = (v[c] + v[d]) & WORD;
  v[b] = rotateRight(v[b] ^ v[c], 24n);
  v[a] = (v[a] + v[b] + y) & WORD;
  v[d] = rotateRight(v[d] ^ v[a], 16n);
  v[c] = (v[c] + v[d]) & WORD;
  v[b] = rotateRight(v[b] ^ v[c], 63n);
}

function rotateRight(word, count) {
  return ((word >> count) | (word << (64n - count))) & WORD;
}
