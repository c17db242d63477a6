// Gathers texts with a model until there are as many as wanted of the kind that is wanted.

const TEXTS_OF_A_ROUND = 64;
const MOST_IN_VAIN = 512;

/** Whether an engine can tell which texts are in the training text. */
export function canTellKnown(charrnn) {
  return typeof charrnn.known === "function";
}

/**
 * Writes texts in rounds, and keeps those that are wanted, in the order of their numbers.
 *
 *   prompt: the beginning of each text.
 *   options: those of `complete`, with a `seed`, and `index`, the number of the first text.
 *   count: how many to keep. unique: keep no text twice. novel: keep none that has a line of the
 *     training text. seen: a Set of the texts that are kept already; it is added to.
 *   onWriting(entry): called when an entry begins and whenever its text grows.
 *   onSettled({wanted, others, next}): called with the entries of each round, those that are kept
 *     and those that are not, and with the number of the next text.
 *
 * An entry is {index, text, characters, log_probability, stop_reason}. Returns a promise of why
 * fewer than `count` were kept, in a sentence, or of null.
 */
export async function gatherTexts(charrnn, prompt, {
  options, count, unique, novel, seen, onWriting, onSettled,
}) {
  let [kept, inVain, next] = [0, 0, options.index ?? 0];
  while (kept < count) {
    // After a round in vain, many are needed to find one more.
    const size = inVain > 0 ? TEXTS_OF_A_ROUND : Math.min(TEXTS_OF_A_ROUND, count - kept);
    const entries = Array.from({ length: size }, (_, k) => (
      { index: next + k, text: "", characters: [], log_probability: null, stop_reason: null }));
    const result = await charrnn.complete(prompt, {
      ...options, index: next, number: size, logprobs: true,
      onText: (piece, k) => {
        entries[k].text += piece;
        onWriting(entries[k]);
      },
    });
    result.texts.forEach((each, k) => Object.assign(entries[k], each, { index: next + k }));
    const known = novel
      ? await charrnn.known(entries.map((each) => prompt + each.text), options) : [];
    const wanted = [];
    let last = entries.at(-1).index;
    for (const [k, each] of entries.entries()) {
      if (known[k] || (unique && seen.has(each.text))) continue;
      seen.add(each.text);
      wanted.push(each);
      if (kept + wanted.length === count) {
        last = each.index; // what comes after it is for the next time
        break;
      }
    }
    kept += wanted.length;
    next = last + 1;
    inVain = wanted.length > 0 ? 0 : inVain + size;
    onSettled({ wanted, others: entries.filter((each) => !wanted.includes(each)), next });
    if (inVain >= MOST_IN_VAIN) {
      return `The last ${inVain} texts were all repeats or known: try a higher temperature.`;
    }
  }
  return null;
}
