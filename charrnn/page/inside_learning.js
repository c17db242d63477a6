// The section of the part Inside about learning.

import { element } from "./dom.js";

export function learningSection(record, text) {
  return element("div", {});
}
