// Reads a model from the bytes that export/page_model.py writes.

import { LocalNetwork } from "./local_network.js";
import { makeTokenizer } from "./local_tokenizers.js";

const ALIGNMENT = 8;
const KINDS = { int8: Int8Array, float32: Float32Array };

/**
 * Returns {network, tokenizer, settings}.
 *   bytes: ArrayBuffer of the length of the description (4 bytes, little-endian), the description,
 *     which is JSON, and the tensors, from the next multiple of 8 bytes on. The description is
 *     {config, characters, settings, tensors: [{name, kind, shape, place}]}; a place is counted in
 *     bytes from the first tensor on.
 */
export function readModel(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const description = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const { config, characters, settings } = description;
  const content = bytes.slice(Math.ceil((4 + length) / ALIGNMENT) * ALIGNMENT);
  const tensors = new Map(
    description.tensors.map((each) => [each.name, readTensor(each, content)]));
  const network = new LocalNetwork({
    config,
    embedding: tensors.get("embedding"),
    table: tensors.get("table"),
    layers: Array.from({ length: config.layers }, (_, number) => readLayer(tensors, `${number}`)),
    head: readLayer(tensors, "head"),
    attention: config.attention === null ? null : readAttention(tensors, config),
  });
  return { network, tokenizer: makeTokenizer(characters), settings };
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
