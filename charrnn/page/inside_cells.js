// The section of the part Inside about cells.

import { element } from "./dom.js";

export function cellsSection(record, text) {
  return element("div", {});
}
