// A text whose characters are coloured by how much they surprised the model.

import { element, percent } from "./dom.js";
import { nameCharacter, surpriseLevel } from "./surprise.js";

/**
 * Shows a text after its prompt. `characters` are [{text, log_probability}], in nats. What the
 * colours say is also said in words: of the most surprising character below, of each in its title.
 */
export function surprisedText(prompt, characters) {
  const scored = characters.filter((each) => each.log_probability !== null)
    .map(({ text, log_probability: log }) => ({ text, bits: -log / Math.LN2 }));
  const most = scored.reduce((a, b) => (b.bits > (a?.bits ?? -1) ? b : a), null);
  const marks = scored.map(({ text, bits }) => element("span", {
    class: `surprise-${surpriseLevel(bits)}`,
    title: `${nameCharacter(text)}: ${percent(2 ** -bits)}, ${bits.toFixed(1)} bits`,
  }, text));
  return element("div", {},
    element("p", { class: "written explained" },
      prompt && element("span", { class: "given" }, prompt), ...marks),
    most !== null && element("p", { class: "soft" }, "The higher the colour, the more surprising. "
      + `Most of all ${nameCharacter(most.text)}: ${percent(2 ** -most.bits)}.`));
}
