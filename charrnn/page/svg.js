// Elements of SVG.

export const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** Makes an element of SVG. Children are nodes or strings; `null` and `false` are left out. */
export function svgElement(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG_NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== false));
  return made;
}
