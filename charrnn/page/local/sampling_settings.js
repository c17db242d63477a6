// The settings of sampling, checked as SamplingConfig checks them.

import { EngineError } from "../engine_error.js";

/**
 * Returns all settings by name, those that are off as null.
 *   declared: of each setting, its default, kind ("whole", "number", "text", "switch", "texts",
 *     "biases") and range; see export/page_settings.py.
 *   options: the settings that are given; null and undefined stand for the default.
 */
export function readSettings(declared, options) {
  const settings = {};
  for (const [name, declaration] of Object.entries(declared)) {
    const given = options[name];
    settings[name] = given === undefined || given === null ? declaration.default
      : checkSetting(name, given, declaration);
  }
  if (settings.length === 0) settings.length = null; // as on the command line: without end
  if (settings.length !== null && settings.min_length > settings.length) {
    throw new EngineError(
      `min_length ${settings.min_length}: choose no more than the length, ${settings.length}`,
      { param: "min_length" });
  }
  return settings;
}

function checkSetting(name, value, declaration) {
  const refuse = (advice) => {
    throw new EngineError(`${name} ${JSON.stringify(value) ?? typeof value}: ${advice}`, {
      param: name,
    });
  };
  const { kind } = declaration;
  if (kind === "switch") {
    return typeof value === "boolean" ? value : refuse("choose true or false");
  }
  if (kind === "text") return typeof value === "string" ? value : refuse("give a text");
  if (kind === "texts") {
    const texts = typeof value === "string" ? [value] : value;
    const isList = Array.isArray(texts) && texts.every((each) => typeof each === "string");
    if (!isList) return refuse("give a text, or a list of texts");
    return texts.includes("") ? refuse("a stop string is empty; leave it out") : texts;
  }
  if (kind === "biases") return readBiases(value, declaration, refuse);
  if (kind === "whole" && typeof value === "bigint") {
    return value >= (declaration.least ?? 0) ? value : refuse(declaration.words);
  }
  if (kind === "whole" && !Number.isSafeInteger(value)) return refuse("choose a whole number");
  return isInRange(value, declaration) ? value : refuse(declaration.words || "choose a number");
}

function isInRange(value, { least, most, above }) {
  return typeof value === "number" && Number.isFinite(value)
    && value >= (least ?? -Infinity) && value <= (most ?? Infinity)
    && value > (above ?? -Infinity);
}

/** Reads pairs of an id and a number, or an object of numbers by id. */
function readBiases(value, declaration, refuse) {
  const pairs = Array.isArray(value) ? value : Object.entries(value);
  const ids = pairs.map(([id]) => Number(id));
  const isSound = pairs.every(([, bias], k) => (
    Number.isSafeInteger(ids[k]) && isInRange(bias, declaration) && ids.indexOf(ids[k]) === k));
  return isSound ? pairs.map(([, bias], k) => [ids[k], bias]) : refuse(declaration.words);
}
