// The page in one file that shows an explanation: the part Inside, over the one record that the
// file has.

import { keepApart } from "../dom.js";
import { insidePart } from "../inside.js";
import { followTheme, startPage } from "../shell.js";
import { unpackBytes } from "./unpack_bytes.js";

function textOf(id) {
  return document.getElementById(id).textContent;
}

/** The interface of engine.js, as far as the part Inside needs it. */
class RecordEngine {
  constructor(packed) {
    this.explained = true; // there is one explanation, and no other can be made
    this.packed = packed;
    this.record = null;
  }

  async models() {
    const { model } = await this.explain();
    return [{ ...model, id: model.corpus, default: true }];
  }

  explain() {
    this.record ??= unpackBytes(this.packed)
      .then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    return this.record;
  }
}

keepApart(JSON.parse(textOf("page-config")).id);
followTheme();
window.charrnn = new RecordEngine(textOf("charrnn-explanation"));
startPage(window.charrnn, [insidePart]);
