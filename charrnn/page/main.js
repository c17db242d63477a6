// The page of a server: all parts, over HTTP, with the key that the server may want.

import { button, element } from "./dom.js";
import { HttpEngine } from "./engine.js";
import { fillPart } from "./fill.js";
import { insidePart } from "./inside.js";
import { manyPart } from "./many.js";
import { predictPart } from "./predict.js";
import { proofreadPart } from "./proofread.js";
import { followTheme, startPage } from "./shell.js";
import { watchPart } from "./watch.js";
import { writePart } from "./write.js";

const PARTS = [
  writePart, manyPart, fillPart, proofreadPart, predictPart, insidePart, watchPart,
];

/** Asks people for the server's key, and keeps it until the tab is closed. */
function askKey(refused) {
  return new Promise((resolve) => {
    const input = element("input", {
      type: "password", id: "key", autocomplete: "off", required: true,
      "aria-describedby": "key-reason",
    });
    const dialog = element("dialog", { class: "card", "aria-labelledby": "key-title" },
      element("form", {
        method: "dialog",
        onSubmit: () => {
          keepKey(input.value);
          dialog.close(input.value);
        },
      },
      element("h2", { id: "key-title" }, "This server wants a key"),
      element("p", { id: "key-reason" },
        refused ? "The server refused that key. " : "",
        "It was given to charrnn serve as --api-key or CHARRNN_API_KEY."),
      element("div", { class: "field text" }, element("label", { for: "key" }, "Key"), input),
      element("div", { class: "row" },
        element("button", { type: "submit", class: "primary" }, "Use the key"),
        button("Cancel", () => dialog.close(""), { kind: "quiet" }))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue || null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function keepKey(key) {
  try {
    sessionStorage.setItem("charrnn.key", key);
  } catch {
    // A browser that keeps nothing asks again.
  }
}

function keptKey() {
  try {
    return sessionStorage.getItem("charrnn.key");
  } catch {
    return null;
  }
}

followTheme();
window.charrnn ??= new HttpEngine({ key: keptKey(), askKey });
startPage(window.charrnn, PARTS);
