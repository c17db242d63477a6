// The section of the part Inside about copying.

import { element } from "./dom.js";

export function copyingSection(record, text) {
  return element("div", {});
}
