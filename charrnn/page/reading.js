// What a model reads of a text: the characters that it knows, and not more than it needs.

const PROMPT_MOST = 4000; // characters before the caret that are sent, at least
const PROMPT_STEP = 2000; // cuts are at multiples of this, so that a prompt's beginning stays

export class Reading {
  setModel(model) {
    // A model of bytes knows every character.
    this.known = typeof model.characters === "string" && model.tokenizer !== "byte"
      ? new Set(model.characters) : null;
  }

  /** Whether the model has never seen the character that a unit of a text belongs to. */
  isUnknownAt(text, i) {
    if (!this.known) return false;
    const isSecondHalf = /[\udc00-\udfff]/.test(text[i]) && i > 0;
    return !this.known.has(String.fromCodePoint(text.codePointAt(isSecondHalf ? i - 1 : i)));
  }

  /** The characters of a text that the model has never seen, each once. */
  unknownIn(text) {
    if (!this.known) return [];
    const found = new Set();
    for (const each of text) if (!this.known.has(each)) found.add(each);
    return [...found];
  }

  /** A text without unknown characters, and the position of each of its units in the text. */
  readable(text) {
    const places = [];
    let kept = "";
    let i = 0;
    for (const each of text) {
      if (!this.known || this.known.has(each)) {
        kept += each;
        for (let k = 0; k < each.length; k++) places.push(i + k);
      }
      i += each.length;
    }
    return { text: kept, places };
  }

  /** What is sent of the text before a position, where it is to be read as scores are. */
  scoredPrompt(text, position) {
    const begins = !this.known || this.known.has("\n") ? "\n" : "";
    return begins + this.prompt(text, position);
  }

  /** What is sent of the text before a position. */
  prompt(text, position) {
    const cut = Math.max(0, Math.floor((position - PROMPT_MOST) / PROMPT_STEP) * PROMPT_STEP);
    return this.readable(text.slice(cut, position)).text;
  }
}
