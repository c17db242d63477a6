// The first script of a page in one file: it unpacks the others, whose hashes the page's policy
// names, and the style.

import { unpackBytes } from "./unpack_bytes.js";

async function loadPage() {
  const packed = document.getElementById("charrnn-page").textContent;
  const parts = JSON.parse(new TextDecoder().decode(await unpackBytes(packed)));
  for (const [tag, type, id, text] of parts) {
    const part = document.createElement(tag);
    if (type !== null) part.type = type;
    part.id = id;
    part.textContent = text;
    document.head.append(part);
  }
}

loadPage().catch((error) => {
  document.getElementById("errors").textContent = `This page needs a newer browser (${error}).`;
});
