// Probabilities as bars beside their texts, to look at or to choose from.

import { element, freshId, percent, setChildren, visible } from "./dom.js";

/** Whether a model has seen all the characters of a text; one of bytes has. */
export function knowsAll(model, text) {
  return typeof model.characters !== "string" || [...text].every((each) => model.characters.includes(each));
}

/** Makes a bar of a probability. The number stands beside it, so it is hidden from readers. */
export function shareBar(probability) {
  return element("span", {
    class: "bar", "aria-hidden": "true", style: { "--part": `${100 * probability}%` },
  });
}

/** Texts with their probabilities, of which one is chosen: radio buttons, so arrow keys move. */
export class ShareList {
  /** onChoose(item): called with an item of `showItems` when it is chosen. */
  constructor(name, { onChoose }) {
    this.name = freshId(name);
    this.onChoose = onChoose;
    this.node = element("fieldset", { class: "shares" });
  }

  /**
   * items: [{text, probability, before, after}]; the last two are what stands around it.
   * chosen: the text of the one that is chosen now.
   */
  showItems(items, chosen) {
    setChildren(this.node, element("legend", { class: "unseen" }, "What may stand here"),
      ...items.map((item) => element("label", { class: "share" },
        element("input", {
          type: "radio", name: this.name, checked: item.text === chosen,
          onChange: () => this.onChoose(item),
        }),
        element("span", { class: "share-text written" },
          item.before, element("b", {}, visible(item.text)), item.after),
        element("span", { class: "share-number number" }, percent(item.probability)),
        shareBar(item.probability))));
  }

  /** Moves the focus to the one that is chosen, or to the first. */
  focus() {
    const inputs = [...this.node.querySelectorAll("input")];
    (inputs.find((each) => each.checked) ?? inputs[0])?.focus();
  }
}
