// Small helpers that make elements. Text always becomes a text node, never HTML.

let lastId = 0;

/** Returns an id that no other element of the page has. */
export function freshId(name) {
  lastId += 1;
  return `${name}-${lastId}`;
}

/**
 * Makes an element. Attributes whose names begin with "on" are listeners (onClick: "click"),
 * `true` sets an empty attribute, `false`, `null` and `undefined` set none. `value` and `checked`
 * are set as properties, and `style` is an object of properties, among them custom ones. Children
 * are nodes, strings or numbers; `null` and `false` are left out.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value" || name === "checked") made[name] = value;
    else if (name === "style") {
      for (const [property, each] of Object.entries(value)) made.style.setProperty(property, each);
    } else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter(isChild));
  if (attributes?.value !== undefined && tag === "select") made.value = attributes.value;
  return made;
}

/** Replaces all children of an element. */
export function setChildren(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(isChild));
  return parent;
}

function isChild(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * Makes a button.
 *   kind: "primary" for the one obvious thing, "quiet" for minor ones, else a plain button.
 *   All other attributes are those of `element`.
 */
export function button(label, onClick, { kind = "", ...attributes } = {}) {
  return element("button", { type: "button", class: kind, onClick, ...attributes }, label);
}

/**
 * Makes a slider with its label, its value and the reason for it in a sentence.
 *   format(value): the value as people read it.
 *   onInput(value): called while it moves.
 * Returns {node, input, value(), set(value)}.
 */
export function slider(label, reason, { name, min, max, step, value, format, onInput }) {
  const [id, reasonId] = [freshId("slider"), freshId("reason")];
  const shown = element("output", { for: id, class: "slider-value" });
  const input = element("input", {
    type: "range", id, name, min, max, step, "aria-describedby": reasonId, value,
    onInput: () => {
      show();
      onInput?.(Number(input.value));
    },
  });
  input.value = value; // again, now that the limits are set
  function show() {
    const text = format ? format(Number(input.value)) : String(Number(input.value));
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
    const part = (input.value - input.min) / (input.max - input.min || 1);
    input.style.setProperty("--part", `${100 * part}%`);
  }
  show();
  const node = element("div", { class: "field slider" },
    element("div", { class: "slider-head" }, element("label", { for: id }, label), shown),
    input,
    element("p", { class: "reason", id: reasonId }, reason));
  return {
    node, input,
    value: () => Number(input.value),
    set: (next) => {
      input.value = next;
      show();
    },
  };
}

/** Makes a check box with its label. Returns {node, input, value(), set(value)}. */
export function checkBox(label, { checked = false, reason, onChange, ...attributes } = {}) {
  const reasonId = reason ? freshId("reason") : null;
  const input = element("input", {
    type: "checkbox", checked, "aria-describedby": reasonId, ...attributes,
    onChange: () => onChange?.(input.checked),
  });
  const node = element("div", { class: "field check" },
    element("label", {}, input, element("span", {}, label)),
    reason && element("p", { class: "reason", id: reasonId }, reason));
  return {
    node, input,
    value: () => input.checked,
    set: (next) => {
      input.checked = next;
    },
  };
}

/** Makes a field of an input whose value is a text, below its label and above its reason. */
function labelled(kind, label, input, reason) {
  const node = element("div", { class: kind },
    element("label", { for: input.id }, label), input,
    reason && element("p", { class: "reason", id: input.getAttribute("aria-describedby") }, reason));
  return {
    node, input,
    value: () => input.value,
    set: (next) => {
      input.value = next;
    },
  };
}

/**
 * Makes a list to choose from; `choices` are pairs of a value and its label.
 * Returns {node, input, value(), set(value)}.
 */
export function chooser(label, choices, { value, reason, onChange, ...attributes } = {}) {
  const [id, reasonId] = [freshId("choice"), reason ? freshId("reason") : null];
  const options = choices.map(([each, text]) => element("option", { value: each }, text));
  const input = element("select", {
    id, "aria-describedby": reasonId, ...attributes, onChange: () => onChange?.(input.value),
  }, ...options);
  if (value !== undefined) input.value = value;
  return labelled("field choice", label, input, reason);
}

/**
 * Makes a field for one line of text, or for several if `rows` is given.
 * Returns {node, input, value(), set(value)}.
 */
export function textField(label, { value = "", reason, rows, onInput, ...attributes } = {}) {
  const [id, reasonId] = [freshId("text"), reason ? freshId("reason") : null];
  const input = element(rows ? "textarea" : "input", {
    id, rows, type: rows ? null : "text", spellcheck: "false", autocomplete: "off",
    "aria-describedby": reasonId, value, ...attributes, onInput: () => onInput?.(input.value),
  });
  return labelled("field text", label, input, reason);
}

/** Offers a text to be saved as a file. */
export function saveAs(name, text, type = "text/plain") {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copies a text to the clipboard, and returns a promise of whether that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // outside of secure contexts
  }
}

function copyBySelection(text) {
  const before = document.activeElement;
  const area = element("textarea", { class: "unseen", value: text, "aria-hidden": "true" });
  document.body.append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  before?.focus?.();
  return worked;
}

/** Returns a function that calls another one after a pause; `.cancel()` forgets the call. */
export function debounce(milliseconds, call) {
  let timer = 0;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

let keptPrefix = "charrnn";

/** Keeps values apart from those of other pages: pages that are files share one storage. */
export function keepApart(name) {
  keptPrefix = `charrnn.${name}`;
}

/** Reads a value kept in this browser; a storage that is blocked or damaged gives the default. */
export function recall(name, otherwise) {
  try {
    const kept = localStorage.getItem(`${keptPrefix}.${name}`);
    return kept === null ? otherwise : JSON.parse(kept);
  } catch {
    return otherwise;
  }
}

/** Keeps a value in this browser, and returns whether that was possible. */
export function keep(name, value) {
  try {
    localStorage.setItem(`${keptPrefix}.${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Formats a probability for people: 42 %, 3.1 %, 0.02 %. */
export function percent(probability) {
  const value = 100 * probability;
  if (value >= 99.95) return "100 %";
  if (value >= 10) return `${value.toFixed(0)} %`;
  if (value >= 1) return `${value.toFixed(1)} %`;
  if (value >= 0.01) return `${value.toFixed(2)} %`;
  return value === 0 ? "0 %" : "< 0.01 %";
}

/** Shows characters that cannot be seen by names or signs that can. */
export function visible(text) {
  const names = { " ": "space", "\n": "new line", "\t": "tab", "\r": "return", "": "end" };
  return names[text] ?? text.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}
