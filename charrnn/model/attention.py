"""Attention: one head over the last states of the network.

A small head over the states of the top layer, after Bahdanau et al., 2015 (arXiv:1409.0473) and
Merity's SHA-RNN, 2019 (arXiv:1911.11423):

    q_t = W_q h_t + b_q        k_t = W_k h_t        v_t = W_v h_t
    a_td = softmax over d of (q_t . k_(t-1-d) / sqrt(D) + distance_d)        d = 0, 1, ... W - 1
    y_t = LayerNorm(h_t + W_o (sum over d of a_td v_(t-d)))

A key is paired with the value of the state *after* it, as in the continuous cache of Grave et al.,
2017 (arXiv:1612.04426): where an earlier state was like this one, the state that followed it is
looked up. Before the first character all states are zeros, which can be attended to like others.

States are carried from chunk to chunk, detached from their past, as in Transformer-XL (Dai et al.,
2019, arXiv:1901.02860). Their keys and values are recomputed, so that the weights learn from them.
When keys and values were carried instead, the weights learned only from the chunk, and nothing from
repetitions that lie further apart (benchmarks/README.md).

Legend: B batch, T time, W window, E entries, H hidden, D the size of a key.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from charrnn.model.recurrent import empty_embedding, reset_linear

SHARPNESS: Final = 2.0
"""The factor by which the initial weights of queries and keys exceed those of other linear
layers."""

_LONGEST: Final = 128
"""The queries computed at once: for a whole text, memory would grow with the square of its
length."""


class Attention(nn.Module):
    """The attention head, without a state.

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
        self.distance = empty_embedding(window, 1)
        self.norm = nn.LayerNorm(hidden_size)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights: `reset_linear`, no distance preferred, and an identity norm.

        Keys begin equal to queries, both SHARPNESS times as large, so that similar states attend to
        each other from the first step on. Otherwise this takes a thousand steps or more to begin,
        and until then attention learns nothing.
        """
        for each in (self.query, self.value, self.output):
            reset_linear(each.weight, each.bias, generator=generator)
        self.query.weight.mul_(SHARPNESS)
        self.key.weight.copy_(self.query.weight)
        nn.init.zeros_(self.distance.weight)
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs, each (D, H)."""
        return [self.query.weight, self.key.weight, self.value.weight]

    def forward(self, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from states h (T, B, H) to themselves and to the W states before them (W, B, H),
        the oldest first; return the result for each (T, B, H), and the last W states."""
        found = []
        for chunk in torch.split(h, _LONGEST):
            found.append(self._look_up(chunk, memory))
            memory = torch.cat([memory, chunk.to(memory.dtype)])[len(chunk) :]
        return self.output(torch.cat(found)), memory

    def _look_up(self, h: Tensor, memory: Tensor) -> Tensor:
        """Map states (T, B, H) and the W before them to weighted sums of values (T, B, D).

        There are more states to attend to than queries, so W_k is applied to the queries, and W_v
        to the weighted sums of states: q . (W_k h) = (W_k' q) . h.
        """
        queries = linear(self.query(h) / math.sqrt(self.size), self.key.weight.T)  # (T, B, H)
        biases = self._biases(len(h))
        window, before = self.window, self.window - 1
        scores = torch.cat(
            [
                _scores(queries, memory, biases[:, :window]),
                _scores(queries, h[:-1], biases[:, window:]),
            ],
            dim=-1,
        )  # (B, T, E)
        weights = torch.softmax(scores, dim=-1).to(queries.dtype)
        states = _sums(weights[..., :before], memory[1:]) + _sums(weights[..., before:], h)
        values: Tensor = self.value(states)
        return values

    def _biases(self, queries: int) -> Tensor:
        """Return the bias (T, E) of each query and entry: that of their distance, or minus infinity
        where the entry is not among the query's W."""
        oldest_first = self.distance.weight[:, 0].flip(0)  # (W,)
        beside = queries - 1
        padded = pad(oldest_first, (beside, beside), value=-math.inf)
        return padded.unfold(0, self.window + beside, 1).flip(0)


def _scores(queries: Tensor, states: Tensor, biases: Tensor) -> Tensor:
    """Map queries (T, B, H), states (N, B, H) and biases (T, N) to scores (B, T, N)."""
    q, k = queries.transpose(0, 1), states.to(queries.dtype).permute(1, 2, 0)
    return torch.baddbmm(biases.to(q.dtype), q, k)


def _sums(weights: Tensor, states: Tensor) -> Tensor:
    """Map weights (B, T, N) and states (N, B, H) to weighted sums (T, B, H)."""
    return (weights @ states.to(weights.dtype).transpose(0, 1)).transpose(0, 1)
