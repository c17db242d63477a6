// The section of the part Inside about memory.

import { element } from "./dom.js";

export function memorySection(record, text) {
  return element("div", {});
}
