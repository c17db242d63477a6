// The settings of sampling as sliders, each with its reason in one sentence.

import { button, element, keep, recall, slider } from "./dom.js";

/** `off` is the value that leaves the setting out; the first ones are shown, the rest on demand. */
export const SETTINGS = [
  {
    name: "temperature", label: "Temperature", value: 0.8, min: 0, max: 2, step: 0.05,
    reason: "How daring the choices are: low stays with what is likely, high is wilder and "
      + "misspells more.",
  },
  {
    name: "length", label: "Length", value: 200, min: 10, max: 1000, step: 10, unit: "characters",
    reason: "How many characters are written at most.",
  },
  {
    name: "top_p", label: "Top p", value: 1, min: 0.05, max: 1, step: 0.01, off: 1,
    reason: "Keeps the likeliest characters that together reach this probability, which cuts off "
      + "the long tail of slips.",
  },
  {
    name: "min_p", label: "Min p", value: 0, min: 0, max: 0.5, step: 0.01, off: 0,
    reason: "Drops what is less than this share as likely as the likeliest character, so a sure "
      + "place stays sure and an open one stays open.",
  },
  {
    name: "top_k", label: "Top k", value: 0, min: 0, max: 50, step: 1, off: 0,
    reason: "Chooses among this many characters, however likely the others are.",
  },
  {
    name: "typical", label: "Typical", value: 1, min: 0.05, max: 1, step: 0.01, off: 1,
    reason: "Prefers characters about as surprising as the model expects here, neither the "
      + "dullest nor the strangest.",
  },
  {
    name: "repetition_penalty", label: "Repetition penalty", value: 1, min: 1, max: 2, step: 0.05,
    off: 1,
    reason: "Makes recent characters less likely, against texts that turn in circles.",
  },
  {
    name: "no_repeat_ngram", label: "No repeated run", value: 0, min: 0, max: 30, step: 1, off: 0,
    unit: "characters",
    reason: "Never writes the same run of this many characters twice.",
  },
];

/** Lets the sliders begin with other values, null for off: {temperature: 0.65, top_p: null}. */
export function beginSettingsWith(values) {
  for (const setting of SETTINGS) {
    if (!(setting.name in values)) continue;
    const value = values[setting.name] ?? setting.off;
    const digits = String(value).split(".")[1]?.length ?? 0;
    Object.assign(setting, {
      value,
      min: Math.min(setting.min, value),
      max: Math.max(setting.max, value),
      step: Math.min(setting.step, 10 ** -digits),
    });
  }
}

const FIRST_SETTINGS = ["temperature", "length"];

/**
 * Makes the panel of settings.
 *   storage: the name under which the browser keeps the values, or null.
 *   names: the settings to show, all of SETTINGS unless given.
 *   defaults: values that differ from those of SETTINGS, such as {length: 60}.
 *   onChange(values): called when a setting changes.
 * Returns {node, values(), set(name, value), reset()}; `values` are options of `complete`, where
 * settings that are off are left out.
 */
export function settingsPanel({ storage = null, names, defaults = {}, onChange } = {}) {
  const shown = SETTINGS.filter((each) => names === undefined || names.includes(each.name));
  const kept = storage ? recall(storage, {}) : {};
  const sliders = new Map();

  function changed() {
    if (storage) {
      keep(storage, Object.fromEntries([...sliders].map(([name, each]) => [name, each.value()])));
    }
    onChange?.(values());
  }

  function values() {
    const found = {};
    for (const setting of shown) {
      const value = sliders.get(setting.name).value();
      if (value !== setting.off) found[setting.name] = value;
    }
    return found;
  }

  function initial(setting) {
    return defaults[setting.name] ?? setting.value;
  }

  function set(name, value) {
    sliders.get(name)?.set(value);
    changed();
  }

  function reset() {
    for (const setting of shown) sliders.get(setting.name).set(initial(setting));
    changed();
  }

  for (const setting of shown) {
    const before = kept?.[setting.name];
    sliders.set(setting.name, slider(setting.label, setting.reason, {
      ...setting,
      value: Number.isFinite(before) ? before : initial(setting),
      format: (value) => describeSetting(setting, value),
      onInput: changed,
    }));
  }
  const nodes = (first) => shown.filter((each) => FIRST_SETTINGS.includes(each.name) === first)
    .map((each) => sliders.get(each.name).node);
  const rest = nodes(false);
  const node = element("div", { class: "settings" },
    ...nodes(true),
    rest.length > 0 && element("details", { class: "more-settings" },
      element("summary", {}, "More settings"), ...rest),
    button("Reset the settings", reset, { kind: "quiet" }));
  return { node, values, set, reset };
}

function describeSetting(setting, value) {
  if (value === setting.off) return "off";
  const digits = setting.step < 1 ? 2 : 0;
  const number = value.toFixed(digits);
  return setting.unit ? `${number} ${setting.unit}` : number;
}
