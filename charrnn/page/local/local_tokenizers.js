// Text to ids and back, as in data/tokenizer.py. Bytes that are not UTF-8 are lone surrogates from
// U+DC80 to U+DCFF, so that no byte is lost.

import { EngineError } from "../engine_error.js";

const REPLACEMENT = "\ufffd";
const MOST_SHOWN = 10;

/** Returns the tokenizer of a model: `characters` is a list, or null for a model of bytes. */
export function makeTokenizer(characters) {
  return characters === null ? new ByteTokenizer() : new CharTokenizer(characters);
}

class AnyTokenizer {
  /** The characters of a text that the model does not know, each once. */
  unknown(text) {
    return [...new Set(text)].filter((each) => !this.knows(each));
  }

  withoutUnknown(text) {
    return [...text].filter((each) => this.reads(each)).join("");
  }

  /** Whether a character can be read; a model may read rare ones as U+FFFD. */
  reads(character) {
    return this.knows(character);
  }

  /** Returns the ids of a text, and throws EngineError for unknown characters. */
  encode(text) {
    const strange = this.unknown(text).filter((each) => !this.reads(each));
    if (strange.length > 0) {
      const shown = strange.slice(0, MOST_SHOWN).map((each) => JSON.stringify(each)).join(" ");
      const more = strange.length > MOST_SHOWN ? ` and ${strange.length - MOST_SHOWN} more` : "";
      throw new EngineError(
        `the model has never seen ${shown}${more}; leave these characters out`);
    }
    return this.idsOf(text);
  }

  /** Returns the id of a character that is one id; null if the model does not know it. */
  idOf(character) {
    return this.knows(character) ? this.idsOf(character)[0] : null;
  }

  decode(ids) {
    const decoder = this.newDecoder();
    return decoder.push(ids) + decoder.end();
  }
}

class CharTokenizer extends AnyTokenizer {
  constructor(characters) {
    super();
    this.characters = characters;
    this.ids = new Map(characters.map((each, i) => [each, i]));
    this.other = this.ids.get(REPLACEMENT);
    this.size = characters.length;
  }

  knows(character) {
    return this.ids.has(character);
  }

  reads(character) {
    return this.other !== undefined || this.ids.has(character);
  }

  idsOf(text) {
    return Array.from(text, (each) => this.ids.get(each) ?? this.other);
  }

  newDecoder() {
    return {
      push: (ids) => ids.map((id) => this.characters[id]).join(""),
      end: () => "",
    };
  }

  /** What an id is called where it stands alone. */
  nameOf(id) {
    return this.characters[id];
  }
}

class ByteTokenizer extends AnyTokenizer {
  constructor() {
    super();
    this.size = 256;
  }

  knows(character) {
    return !/^[\ud800-\udfff]$/.test(character) || /^[\udc80-\udcff]$/.test(character);
  }

  idsOf(text) {
    const ids = [];
    const encoder = new TextEncoder();
    for (const each of text) {
      if (/^[\udc80-\udcff]$/.test(each)) ids.push(each.charCodeAt(0) - 0xdc00);
      else ids.push(...encoder.encode(each));
    }
    return ids;
  }

  newDecoder() {
    return new Utf8Decoder();
  }

  nameOf(id) {
    return id < 128 ? String.fromCharCode(id) : `bytes:\\x${id.toString(16)}`;
  }
}

/** Decodes bytes that come in pieces: each character comes after its last byte. */
class Utf8Decoder {
  constructor() {
    this.waiting = [];
  }

  push(bytes) {
    return this.decode([...this.waiting, ...bytes], false);
  }

  end() {
    return this.decode(this.waiting, true);
  }

  decode(bytes, isEnd) {
    let text = "";
    let place = 0;
    while (place < bytes.length) {
      const length = lengthOfCharacter(bytes, place);
      if (length === null && !isEnd) break;
      if (length > 0) {
        text += characterOf(bytes.slice(place, place + length));
        place += length;
      } else {
        text += String.fromCharCode(0xdc00 + bytes[place]);
        place += 1;
      }
    }
    this.waiting = bytes.slice(place);
    return text;
  }
}

/** Returns the bytes of the character at a place: 0 if there is none, null if more must come. */
function lengthOfCharacter(bytes, place) {
  const first = bytes[place];
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let k = 1; k < length; k++) {
    const each = bytes[place + k];
    if (each === undefined) return null;
    const [least, most] = k === 1 ? secondBytes(first) : [0x80, 0xbf];
    if (each < least || each > most) return 0;
  }
  return length;
}

/** Returns the least and the largest second byte: no long forms, surrogates, or beyond U+10FFFF. */
function secondBytes(first) {
  if (first === 0xe0) return [0xa0, 0xbf];
  if (first === 0xed) return [0x80, 0x9f];
  if (first === 0xf0) return [0x90, 0xbf];
  return first === 0xf4 ? [0x80, 0x8f] : [0x80, 0xbf];
}

function characterOf([first, ...others]) {
  if (others.length === 0) return String.fromCharCode(first);
  const start = first & (0x3f >> others.length);
  return String.fromCodePoint(others.reduce((point, each) => (point << 6) | (each & 0x3f), start));
}

/** Returns the ids that a model reads before the first character; there is always one. */
export function promptIds(tokenizer, prompt, { lines = false } = {}) {
  const ids = tokenizer.encode(prompt);
  // A text begins as after a newline or, if the model knows none, after a space.
  if (lines || ids.length === 0) {
    ids.unshift(tokenizer.idOf("\n") ?? tokenizer.idOf(" ") ?? 0);
  }
  return ids;
}
