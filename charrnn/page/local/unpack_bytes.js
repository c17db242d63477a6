// Bytes inside a text: compressed by zlib, then in base 85, four bytes in five characters.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  + "!#$%.()*+-;,=>?@^_`{|}~";

/** Returns a promise of an ArrayBuffer. The text may have spaces and line breaks around it. */
export async function unpackBytes(packed) {
  const bytes = fromBase85(packed.trim());
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function fromBase85(text) {
  const values = new Uint8Array(128);
  for (let digit = 0; digit < DIGITS.length; digit++) values[DIGITS.charCodeAt(digit)] = digit;
  const missing = (5 - (text.length % 5)) % 5;
  const groups = (text.length + missing) / 5;
  const view = new DataView(new ArrayBuffer(4 * groups));
  for (let group = 0; group < groups; group++) {
    let word = 0;
    for (let k = 5 * group; k < 5 * group + 5; k++) {
      word = 85 * word + (k < text.length ? values[text.charCodeAt(k)] : 84);
    }
    view.setUint32(4 * group, word);
  }
  return view.buffer.slice(0, 4 * groups - missing);
}
