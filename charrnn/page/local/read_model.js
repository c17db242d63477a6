// Reads a model from the bytes that export/page_model.py writes.

import { MOST_INPUTS } from "./exact_products.js";
import { LocalNetwork } from "./local_network.js";
import { makeTokenizer } from "./local_tokenizers.js";

const KINDS = { int8: Int8Array, float32: Float32Array };

/**
 * Returns {network, tokenizer, settings, entry}.
 *   description: {config, characters, settings, entry, tensors: [{name, kind, shape, place}]}; a
 *     place is in bytes, and the bytes of numbers are little-endian.
 *   bytes: ArrayBuffer.
 */
export function readModel(description, bytes) {
  const { config, characters, settings, entry } = description;
  const tensors = new Map(description.tensors.map((each) => [each.name, readTensor(each, bytes)]));
  if (config.hidden_size > MOST_INPUTS) throw new Error("The layers of this model are too large.");
  const network = new LocalNetwork({
    config,
    embedding: tensors.get("embedding"),
    table: tensors.get("table"),
    layers: Array.from({ length: config.layers }, (_, number) => readLayer(tensors, `${number}`)),
    head: readLayer(tensors, "head"),
    attention: config.attention === null ? null : readAttention(tensors, config),
  });
  return { network, tokenizer: makeTokenizer(characters), settings, entry };
}

function readTensor({ kind, shape, place }, bytes) {
  const length = shape.reduce((product, each) => product * each, 1);
  return new KINDS[kind](bytes, place, length);
}

function readLayer(tensors, name) {
  return {
    start: tensors.get(`${name}.start`),
    inner: tensors.get(`${name}.inner`),
    input: readWeight(tensors, `${name}.input`),
    recurrent: readWeight(tensors, `${name}.recurrent`),
  };
}

function readWeight(tensors, name) {
  if (!tensors.has(`${name}.weight`)) return null;
  const rest = tensors.get(`${name}.rest`) ?? null;
  return { weight: tensors.get(`${name}.weight`), scale: tensors.get(`${name}.scale`), rest };
}

function readAttention(tensors, config) {
  const output = tensors.get("attention.output");
  return {
    ...readLayer(tensors, "projection"),
    window: config.attention,
    size: output.length / config.hidden_size,
    output,
    biases: tensors.get("attention.biases"),
    normWeight: tensors.get("attention.norm_weight"),
    normBias: tensors.get("attention.norm_bias"),
  };
}
