// The shell: the models, the parts as tabs, the theme and errors.
//
// A part is a module that exports one object:
//   {id, title, suits(model), needs, mount(root, context) -> {show(), hide()}}
// `suits` says whether the part can work with a model; `needs` (optional) names methods that the
// engine must have. `mount` is called once, when the part is first opened, with its empty panel;
// `show` and `hide` each time it is opened and left. The context holds
//   charrnn: the engine, model(): the chosen entry of its models(), onModel(callback),
//   announce(text): for screen readers, showError(error, {retry}),
//   beginnings: the words to begin with, where those who made the page chose some.
// Names at the top of a module are unique over all modules, and imports are named.

import { button, chooser, element, keep, recall, setChildren } from "./dom.js";
import { wasAborted } from "./engine_error.js";

const THEMES = ["system", "light", "dark"];

/**
 * Starts the page with its parts over an engine: the interface is described in engine.js. `more` is
 * added to the context of the parts.
 */
export async function startPage(charrnn, parts, more = {}) {
  const listeners = [];
  let model = null;
  const context = {
    ...more,
    charrnn,
    model: () => model,
    onModel: (callback) => listeners.push(callback),
    announce,
    showError,
  };
  const tabs = makeTabs(context, parts.filter((part) => isPossible(part, charrnn)));
  let models;
  try {
    models = await charrnn.models();
  } catch (error) {
    showError(error, { retry: () => startPage(charrnn, parts, more) });
    return;
  }

  function choose(id) {
    model = models.find((each) => each.id === id);
    keep("model", model.id);
    for (const listener of listeners) listener(model);
    tabs.suit(model);
  }

  if (models.length === 0) {
    showError(new Error("The server has no model. Train one with `charrnn train`."));
    return;
  }
  const kept = recall("model", null);
  const first = models.find((each) => each.id === kept) ?? models.find((each) => each.default)
    ?? models[0];
  showModels(models, first.id, choose);
  document.documentElement.dataset.ready = "";
}

function isPossible(part, charrnn) {
  return (part.needs ?? []).every((name) => typeof charrnn[name] === "function");
}

// --- the parts as tabs

function makeTabs(context, parts) {
  const list = document.getElementById("tabs");
  const main = document.getElementById("main");
  const mounted = new Map();
  let shown = [];
  let current = null;

  const entries = new Map(parts.map((part) => {
    const tab = element("button", {
      type: "button", role: "tab", id: `tab-${part.id}`, "aria-controls": `part-${part.id}`,
      "aria-selected": "false", tabindex: "-1", onClick: () => open(part),
    }, part.title);
    const panel = element("section", {
      role: "tabpanel", id: `part-${part.id}`, "aria-labelledby": tab.id, hidden: true,
      class: `part part-${part.id}`,
    });
    return [part, { tab, panel }];
  }));
  setChildren(list, ...[...entries.values()].map((each) => each.tab));
  setChildren(main, ...[...entries.values()].map((each) => each.panel));

  function open(part, { move = true } = {}) {
    if (part === current) return;
    if (current) {
      mounted.get(current)?.hide();
      setSelected(current, false);
    }
    current = part;
    setSelected(part, true);
    if (!mounted.has(part)) mounted.set(part, part.mount(entries.get(part).panel, context));
    mounted.get(part).show();
    document.title = `${part.title} · ${document.querySelector("h1").textContent}`;
    if (move && location.hash !== `#${part.id}`) history.replaceState(null, "", `#${part.id}`);
  }

  function setSelected(part, selected) {
    const { tab, panel } = entries.get(part);
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    panel.hidden = !selected;
  }

  list.onkeydown = (event) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1, Home: 0, End: 0 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const last = shown.length - 1;
    let next = shown.indexOf(current) + moves[event.key];
    if (event.key === "Home" || (event.key === "ArrowRight" && next > last)) next = 0;
    else if (event.key === "End" || next < 0) next = last;
    open(shown[next]);
    entries.get(shown[next]).tab.focus();
  };

  function named() {
    return shown.find((part) => `#${part.id}` === location.hash);
  }

  window.onhashchange = () => named() && open(named());

  /** Shows the parts that suit a model, and opens one of them. */
  function suit(model) {
    shown = parts.filter((part) => part.suits(model));
    for (const [part, { tab }] of entries) tab.hidden = !shown.includes(part);
    const wanted = named() ?? (shown.includes(current) ? current : shown[0]);
    if (wanted) open(wanted, { move: named() !== undefined || wanted !== shown[0] });
  }

  return { suit };
}

// --- the models

function showModels(models, first, choose) {
  const place = document.getElementById("model-place");
  const facts = element("p", { class: "model-facts" });
  const list = chooser("Model", models.map((each) => [each.id, each.id]), {
    onChange: (id) => change(id),
  });
  function change(id) {
    list.set(id);
    setChildren(facts, describeModel(models.find((each) => each.id === id)));
    choose(id);
  }
  setChildren(place, list.node, facts);
  change(first);
}

function describeModel(model) {
  const facts = [];
  if (model.cell) facts.push(`${model.cell.toUpperCase()}, ${model.layers} × ${model.hidden_size}`);
  if (model.corpus) facts.push(`trained on ${model.corpus}`);
  if (Number.isFinite(model.validation_bits)) {
    facts.push(`${model.validation_bits.toFixed(2)} bits per character`);
  }
  return facts.join(" · ");
}

// --- theme, errors

export function followTheme() {
  const switcher = document.getElementById("theme");
  const names = { system: "as the system", light: "light", dark: "dark" };
  let theme = recall("theme", "system");
  function show() {
    if (!THEMES.includes(theme)) theme = "system";
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setChildren(switcher,
      element("span", { class: `theme-sign theme-${theme}`, "aria-hidden": "true" }),
      element("span", { class: "unseen" }, `Theme: ${names[theme]}`));
    switcher.title = `Theme: ${names[theme]}`;
  }
  switcher.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep("theme", theme);
    show();
    announce(`Theme: ${names[theme]}.`);
  });
  show();
}

/** Tells users of a screen reader what happened. */
function announce(text) {
  const place = document.getElementById("announcements");
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = text;
  });
}

/** Shows what went wrong in a sentence that can be put away. */
function showError(error, { retry } = {}) {
  if (wasAborted(error)) return;
  const place = document.getElementById("errors");
  const message = error instanceof Error ? error.message : String(error);
  const close = () => setChildren(place);
  const again = () => {
    close();
    retry();
  };
  setChildren(place, element("div", { class: "error" },
    element("p", {}, message),
    retry && button("Try again", again),
    button("Close", close, { kind: "quiet" })));
}
