// A few words with which a text could begin.

const BEGINNINGS = 5;
const DRAWN = 4 * BEGINNINGS; // the best of them are offered

/** Returns a promise of some beginnings, the same ones each time, of two words at most. */
export async function findBeginnings(charrnn, model) {
  const { texts } = await charrnn.complete("", {
    model, number: DRAWN, length: 40, temperature: 0.6, seed: 0, lines: false,
  });
  const found = texts.map(({ text }) => text.trimStart().match(/^\S+([^\S\n]\S+)?/u)?.[0] ?? "");
  const different = [...new Set(found)].filter(Boolean);
  // Where the lines of a corpus were wrapped, many begin in the middle of a sentence.
  const isStart = (each) => /^\P{L}*[\p{Lu}\p{Lo}]/u.test(each);
  const starts = different.filter(isStart);
  return [...starts, ...different.filter((each) => !isStart(each))].slice(0, BEGINNINGS);
}
