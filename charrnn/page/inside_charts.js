// Small charts.

import { element } from "./dom.js";

export function histogramChart({ edges, series }) {
  return element("div", {});
}
