"""Attention: what the network looks up in its last states.

One head of few weights over the states of the top layer, in the spirit of Bahdanau et al., 2015
(arXiv:1409.0473) and of Merity's SHA-RNN, 2019 (arXiv:1911.11423):

    q_t = W_q h_t + b_q        k_t = W_k h_t        v_t = W_v h_t
    a_td = softmax over d of (q_t . k_(t-1-d) / sqrt(D) + distance_d)        d = 0, 1, ... W - 1
    y_t = LayerNorm(h_t + W_o (sum over d of a_td v_(t-d)))

A key stands beside the value of the state that came *after* it, as in the continuous cache of Grave
et al., 2017 (arXiv:1612.04426): where a state was like this one, what followed it is looked up. Before
the first character all are zeros, which may be attended to like any.

What is carried from chunk to chunk is the states, without their past, as in Transformer-XL (Dai et al.,
2019, arXiv:1901.02860): their keys and values are made anew, by weights that learn from them. Where keys
and values were carried, weights learned from no more than the chunk, and a text whose repetitions lie
further apart taught them nothing (benchmarks/README.md).

Legend: B batch, T time, W window, E entries, H hidden, D of a key.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from charrnn.model.recurrent import reset_linear

_LONGEST = 128
"""Queries answered at once: all of a long text's would need memory for the square of its length."""


class Attention(nn.Module):
    """The head; it remembers nothing itself.

    Args:
        hidden_size: H.
        size: D.
        window: W.
    """

    def __init__(self, hidden_size: int, size: int, window: int) -> None:
        super().__init__()
        self.window, self.size = window, size
        self.query = nn.Linear(hidden_size, size)
        self.key = nn.Linear(hidden_size, size, bias=False)
        self.value = nn.Linear(hidden_size, size, bias=False)
        self.output = nn.Linear(size, hidden_size, bias=False)
        self.distance = nn.Embedding(window, 1)
        self.norm = nn.LayerNorm(hidden_size)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights: `reset_linear`, no distance preferred, and a norm that changes nothing."""
        for linear in (self.query, self.key, self.value, self.output):
            reset_linear(linear.weight, linear.bias, generator=generator)
        nn.init.zeros_(self.distance.weight)
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def upward_weights(self) -> list[Tensor]:
        """Those that read outputs of a layer, each (D, H)."""
        return [self.query.weight, self.key.weight, self.value.weight]

    def forward(self, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """States h (T, B, H) and the W before them, the oldest first (W, B, H) -> what was looked up for
        each (T, B, H), and the last W states."""
        states = torch.cat([memory, h.to(memory.dtype)])  # (W + T, B, H)
        queries, keys, values = self.query(h), self.key(states), self.value(states)
        pieces = [
            self._look_up(
                queries[start : start + _LONGEST],
                keys[start : start + self.window + _LONGEST],
                values[start : start + self.window + _LONGEST],
            )
            for start in range(0, len(h), _LONGEST)
        ]
        return self.output(torch.cat(pieces)), states[len(h) :]

    def _look_up(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Queries (T, B, D), keys and values (W + T, B, D) -> sums of values (T, B, D)."""
        keys, values = keys[:-1], values[1:]  # each key, and the value that came after it
        q, k, v = (each.transpose(0, 1) for each in (queries, keys, values))
        scores = q @ k.transpose(1, 2) / math.sqrt(self.size)  # (B, T, E)
        weights = torch.softmax(scores + self._biases(len(queries)), dim=-1)
        return (weights.to(v.dtype) @ v).transpose(0, 1)

    def _biases(self, queries: int) -> Tensor:
        """What is added to the score (T, E) of each query and entry: that of their distance, and minus
        infinity where an entry is not among the W of the query."""
        oldest_first = self.distance.weight[:, 0].flip(0)  # (W,)
        beside = queries - 1
        padded = pad(oldest_first, (beside, beside), value=-math.inf)
        return padded.unfold(0, self.window + beside, 1).flip(0)
