// The section of the part Inside about embeddings.

import { element } from "./dom.js";

export function embeddingsSection(record, text) {
  return element("div", {});
}
