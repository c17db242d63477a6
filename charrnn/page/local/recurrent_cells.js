// The cells of the int8 engine: each updates a layer's state from the sums of its gates.
//
// `starts` are what the sums of the gates begin with, `recurrent` the products with the state, both
// Float32Array of gates * size, gate by gate in the order of engines/layers.py. `inner` is the
// recurrent bias of the GRU's candidate, which the reset gate multiplies.

import { sigmoid32, tanh32 } from "./float32_functions.js";

/** The parts of the state of each cell, besides h, and the function of one step. */
export const CELLS = {
  rnn: { hasMemory: false, gates: 1, step: stepRnn },
  gru: { hasMemory: false, gates: 3, step: stepGru },
  lstm: { hasMemory: true, gates: 4, step: stepLstm },
};

function stepRnn(size, starts, recurrent, inner, h) {
  for (let u = 0; u < size; u++) h[u] = tanh32(Math.fround(starts[u] + recurrent[u]));
}

function stepGru(size, starts, recurrent, inner, h) {
  for (let u = 0; u < size; u++) {
    const r = sigmoid32(Math.fround(starts[u] + recurrent[u]));
    const z = sigmoid32(Math.fround(starts[size + u] + recurrent[size + u]));
    const inside = Math.fround(inner[u] + recurrent[2 * size + u]);
    const n = tanh32(Math.fround(starts[2 * size + u] + Math.fround(r * inside)));
    h[u] = Math.fround(n + Math.fround(z * Math.fround(h[u] - n)));
  }
}

function stepLstm(size, starts, recurrent, inner, h, c) {
  for (let u = 0; u < size; u++) {
    const i = sigmoid32(Math.fround(starts[u] + recurrent[u]));
    const f = sigmoid32(Math.fround(starts[size + u] + recurrent[size + u]));
    const o = sigmoid32(Math.fround(starts[2 * size + u] + recurrent[2 * size + u]));
    const g = tanh32(Math.fround(starts[3 * size + u] + recurrent[3 * size + u]));
    const kept = Math.fround(Math.fround(f * c[u]) + Math.fround(i * g));
    c[u] = kept;
    h[u] = Math.fround(o * tanh32(kept));
  }
}
