// The network of a model: ids and states to logits, bit by bit as engines/int8_numpy.py.

import { AttentionMemory, AttentionReader } from "./attention_memory.js";
import { ExactProduct } from "./exact_products.js";
import { quantize } from "./float32_functions.js";
import { CELLS } from "./recurrent_cells.js";

/** What a network remembers of a text. */
export class NetworkState {
  constructor(network) {
    const zeros = (Kind) => network.layers.map(() => new Kind(network.size));
    this.h = zeros(Float32Array);
    this.whole = zeros(Float64Array); // h as whole numbers
    this.c = network.cell.hasMemory ? zeros(Float32Array) : [];
    this.memory = network.attention === null ? null
      : new AttentionMemory(network.attention.window, network.attention.size);
  }

  copyFrom(other) {
    other.h.forEach((part, layer) => this.h[layer].set(part));
    other.whole.forEach((part, layer) => this.whole[layer].set(part));
    other.c.forEach((part, layer) => this.c[layer].set(part));
    this.memory?.copyFrom(other.memory);
  }

  clear() {
    for (const part of [...this.h, ...this.whole, ...this.c]) part.fill(0);
    if (this.memory) {
      this.memory.keys.fill(0);
      this.memory.values.fill(0);
    }
  }
}

/**
 * A network with the weights of a model file; see read_model.js.
 *
 * `logits` are those after the last `step`, in the network's own array.
 */
export class LocalNetwork {
  constructor({ config, embedding, table, layers, head, attention }) {
    this.size = config.hidden_size;
    this.vocabularySize = config.vocabulary_size;
    this.cell = CELLS[config.cell];
    this.embedding = embedding;
    this.embeddingSize = config.embedding_size;
    this.table = table; // the weight of the first layer's inputs, by inputs
    this.layers = layers.map(({ start, inner, input, recurrent }) => ({
      start, inner,
      input: input && new ExactProduct(input, this.size),
      recurrent: new ExactProduct(recurrent, this.size),
    }));
    this.head = new ExactProduct(head.input, this.size);
    this.headStart = head.start;
    this.attention = attention && new AttentionReader(attention);
    this.projection = attention && new ExactProduct(attention.input, this.size);
    this.projectionStart = attention && attention.start;
    this.projected = attention && new Float32Array(attention.start.length);
    this.starts = new Float32Array(this.cell.gates * this.size);
    this.recurrent = new Float32Array(this.cell.gates * this.size);
    this.scaled = new Float64Array(this.size);
    this.logits = new Float32Array(this.vocabularySize);
    this.folded = new Map();
  }

  newState() {
    return new NetworkState(this);
  }

  /** Reads an id after a state, which changes, and writes the logits of the next character. */
  step(state, id) {
    this.run(state, id);
    const { head, headStart, logits } = this;
    const top = this.layers.length - 1;
    const h = state.h[top];
    if (this.attention === null) {
      head.multiply(h, state.whole[top], logits);
      for (let i = 0; i < logits.length; i++) logits[i] = Math.fround(headStart[i] + logits[i]);
      return logits;
    }
    const { attention, scaled } = this;
    this.project(state);
    attention.read(state.memory, h, this.projected);
    quantize(attention.x, this.size, scaled);
    head.multiply(attention.x, scaled, logits);
    for (let i = 0; i < logits.length; i++) {
      logits[i] = Math.fround(Math.fround(logits[i] * attention.scale) + headStart[i]);
    }
    return logits;
  }

  /** Reads an id as `step` does, without logits. */
  read(state, id) {
    this.run(state, id);
    if (this.attention !== null) {
      this.project(state);
      this.attention.remember(state.memory, this.projected);
    }
  }

  run(state, id) {
    const { layers, cell, size, starts, recurrent } = this;
    const count = starts.length;
    for (let number = 0; number < layers.length; number++) {
      const layer = layers[number];
      const [h, whole] = [state.h[number], state.whole[number]];
      if (number === 0) {
        starts.set(this.inputOf(id));
      } else {
        layer.input.multiply(state.h[number - 1], state.whole[number - 1], starts);
        for (let k = 0; k < count; k++) starts[k] = Math.fround(layer.start[k] + starts[k]);
      }
      layer.recurrent.multiply(h, whole, recurrent);
      cell.step(size, starts, recurrent, layer.inner, h, state.c[number]);
      quantize(h, size, whole);
    }
  }

  project(state) {
    const top = this.layers.length - 1;
    const { projected, projectionStart } = this;
    this.projection.multiply(state.h[top], state.whole[top], projected);
    for (let k = 0; k < projected.length; k++) {
      projected[k] = Math.fround(projectionStart[k] + projected[k]);
    }
  }

  /** The input of the first layer for an id: its embedding times the weight, plus the bias. */
  inputOf(id) {
    let row = this.folded.get(id);
    if (row === undefined) {
      row = Float32Array.from(this.layers[0].start);
      const { embedding, embeddingSize, table } = this;
      for (let k = 0; k < embeddingSize; k++) {
        const each = embedding[id * embeddingSize + k];
        const place = k * row.length;
        for (let n = 0; n < row.length; n++) {
          row[n] = Math.fround(row[n] + Math.fround(each * table[place + n]));
        }
      }
      this.folded.set(id, row);
    }
    return row;
  }
}
