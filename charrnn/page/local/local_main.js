// The page in one file: Write and Many over the page's own engine.

import { button, element, keepApart } from "../dom.js";
import { manyPart } from "../many.js";
import { beginSettingsWith } from "../settings.js";
import { followTheme, startPage } from "../shell.js";
import { writePart } from "../write.js";
import { LocalEngine } from "./local_engine.js";

const LIMITS = "Everything is computed on this device, and nothing is sent anywhere. Regular "
  + "expressions, beam search and training are left to the program, charrnn.";

function textOf(id) {
  return document.getElementById(id).textContent;
}

function startLocalWorker() {
  const script = new Blob([textOf("page-worker")], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script));
}

/** The description below the header, and the model's card in a dialog. */
function makeAbout({ title, description, card }) {
  const dialog = element("dialog", { class: "card about-card", "aria-labelledby": "about-title" },
    element("h2", { id: "about-title" }, `About ${title}`),
    description && element("p", {}, description),
    element("p", { class: "soft" }, LIMITS),
    card && element("pre", { class: "about-text", tabindex: "0" }, card),
    element("div", { class: "row" }, button("Close", () => dialog.close(), { kind: "primary" })));
  document.body.append(dialog);
  const open = button("About", () => dialog.showModal(), { kind: "quiet" });
  document.querySelector(".top-tools").prepend(open);
  if (description) {
    const place = { class: "about-line", "aria-label": "About this page" };
    document.querySelector("header").after(element("section", place, description));
  }
}

const config = JSON.parse(textOf("page-config"));
keepApart(config.id);
beginSettingsWith(config.sampling);
followTheme();
makeAbout(config);
window.charrnn = new LocalEngine({
  entry: config.entry,
  packed: textOf("charrnn-model"),
  startWorker: startLocalWorker,
});
startPage(window.charrnn, [writePart, manyPart], {
  beginnings: config.prompts.length > 0 ? config.prompts : undefined,
});
