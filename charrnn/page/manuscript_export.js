// A manuscript as one HTML file that needs nothing else: no script, no link, no request.

import { MODEL } from "./manuscript.js";

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

const EXPORT_STYLE = `
:root { color-scheme: light dark; }
body { margin: 3rem auto; max-width: 40rem; padding: 0 1.2rem; line-height: 1.65;
  font: 1.15rem/1.65 "Iowan Old Style", Palatino, "Noto Serif", Georgia, serif;
  color: light-dark(#23211d, #e9e6df); background: light-dark(#fffdf9, #1b1c20); }
main { white-space: pre-wrap; overflow-wrap: break-word; }
footer { margin-top: 3rem; font: 0.85rem/1.5 system-ui, sans-serif; color: light-dark(#625d54, #a9a59c); }
ins { text-decoration: underline dotted 1.5px; text-underline-offset: 0.25em;
  color: light-dark(#0b655d, #6fd3c6); }
`;

/** Makes text safe inside of HTML. */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (each) => ESCAPES[each]);
}

/**
 * Returns the HTML of a manuscript. What the model wrote is in <ins> elements.
 *   title: the title of the document.
 *   about: a sentence about the model, for the end.
 *   levelAt(i): the level of surprise of a unit, -1 for none; or null for no colors.
 *   levels: how many levels there are.
 */
export function manuscriptHtml(manuscript, { title, about, levelAt = null, levels = 10 }) {
  const shades = levelAt === null ? "" : "main ins { color: inherit; }\n" + Array.from({ length: levels + 1 }, (_, level) =>
    `.s${level} { background: linear-gradient(to top, color-mix(in srgb, #e2571f `
    + `${12 + 4 * level}%, transparent) ${(100 * level) / levels}%, transparent 0); }`).join("\n");
  const body = manuscript.passages().map(({ text, author, start }) => {
    const inner = levelAt === null ? escapeHtml(text) : shaded(text, start, levelAt);
    return author === MODEL ? `<ins>${inner}</ins>` : inner;
  }).join("");
  const colors = levelAt === null ? ""
    : " The higher the bar behind a character, the less the model expected it; its title says how "
      + "many bits it cost.";
  return [
    "<!doctype html>", '<html lang="und">', "<head>", '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta http-equiv="Content-Security-Policy" '
      + `content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escapeHtml(title)}</title>`, "<style>", `${EXPORT_STYLE}${shades}`, "</style>", "</head>",
    "<body>", `<main dir="auto">${body}</main>`,
    `<footer lang="en">${escapeHtml(about)} What the model wrote has a <ins>dotted line</ins> `
      + `below it.${colors}</footer>`,
    "</body>", "</html>", "",
  ].join("\n");
}

function shaded(text, start, levelAt) {
  let html = "";
  for (let from = 0, i = 1; i <= text.length; i++) {
    const level = levelAt(start + from);
    if (i < text.length && levelAt(start + i) === level) continue;
    const piece = escapeHtml(text.slice(from, i));
    html += level < 0 ? piece : `<span class="s${level}" title="${level} bits">${piece}</span>`;
    from = i;
  }
  return html;
}
