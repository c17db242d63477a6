// The section of the part Inside about attribution.

import { element } from "./dom.js";

export function attributionSection(record, text) {
  return element("div", {});
}
