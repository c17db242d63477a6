// A text whose characters are coloured by how much they surprised the model.

import { element, percent, visible } from "./dom.js";

const FULL_BITS = 8; // the surprise of the strongest colour

/**
 * Shows a text after its prompt. `characters` are [{text, log_probability}], in nats; each one has
 * its probability in words, too, for those who point at it.
 */
export function surprisedText(prompt, characters) {
  const marks = characters.map(({ text, log_probability: log }) => {
    const bits = log === null ? 0 : -log / Math.LN2;
    return element("span", {
      class: "surprised", style: { "--surprise": String(Math.min(bits / FULL_BITS, 1).toFixed(2)) },
      title: log === null ? null : `${visible(text)}: ${percent(Math.exp(log))}`,
    }, text);
  });
  const [, most] = characters.reduce(([log, text], each) => (
    each.log_probability !== null && each.log_probability < log
      ? [each.log_probability, each.text] : [log, text]), [0, null]);
  return element("div", {},
    element("p", { class: "written surprise-line" },
      prompt && element("span", { class: "given" }, prompt), ...marks),
    most !== null && element("p", { class: "soft" },
      `The stronger the colour, the more surprising; most of all “${visible(most)}”.`));
}
