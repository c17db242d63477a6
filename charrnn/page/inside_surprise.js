// The section of the part Inside about surprise.

import { element } from "./dom.js";

export function surpriseSection(record, text) {
  return element("div", {});
}
