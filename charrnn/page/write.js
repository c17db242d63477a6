// Write: an editor where person and model take turns.

import { element } from "./dom.js";

export const writePart = {
  id: "write",
  title: "Write",
  suits: (model) => model.task === "generate",
  mount(root) {
    root.append(element("p", { class: "card" }, "Soon, you write here."));
    return { show() {}, hide() {} };
  },
};
