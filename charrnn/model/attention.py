"""Attention: what the network looks up in its last states.

One head of few weights over the states of the top layer, in the spirit of Bahdanau et al., 2015
(arXiv:1409.0473) and of Merity's SHA-RNN, 2019 (arXiv:1911.11423):

    q_t = W_q h_t + b_q        k_t = W_k h_t        v_t = W_v h_t
    a_td = softmax over d of (q_t . k_(t-1-d) / sqrt(D) + distance_d)        d = 0, 1, ... W - 1
    y_t = LayerNorm(h_t + W_o (sum over d of a_td v_(t-d)))

A key stands beside the value of the state that came *after* it, as in the continuous cache of Grave
et al., 2017 (arXiv:1612.04426): where a state was like this one, what followed it is looked up.
Before the first character all are zeros, which may be attended to like any.

What is carried from chunk to chunk is the states, without their past, as in Transformer-XL (Dai et
al., 2019, arXiv:1901.02860): their keys and values are made anew, by weights that learn from them.
Where keys and values were carried, weights learned from no more than the chunk, and a text whose
repetitions lie further apart taught them nothing (benchmarks/README.md).

Legend: B batch, T time, W window, E entries, H hidden, D of a key.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from charrnn.model.recurrent import reset_linear

SHARPNESS: Final = 2.0
"""How many times as large as others the weights of queries and keys begin."""

_LONGEST: Final = 128
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

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights: `reset_linear`, no distance preferred, and a norm that changes nothing.

        Keys begin as queries, both SHARPNESS times as large: states that are alike find each other
        from the first step on. Else it takes a thousand steps or more until anything is found, and
        until then there is nothing to learn from.
        """
        for each in (self.query, self.value, self.output):
            reset_linear(each.weight, each.bias, generator=generator)
        self.query.weight.mul_(SHARPNESS)
        self.key.weight.copy_(self.query.weight)
        nn.init.zeros_(self.distance.weight)
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def readout_weights(self) -> list[Tensor]:
        """Those that read outputs of a layer, each (D, H)."""
        return [self.query.weight, self.key.weight, self.value.weight]

    def forward(self, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """States h (T, B, H) and the W before them, the oldest first (W, B, H) -> what was looked
        up for each (T, B, H), and the last W states."""
        found = []
        for piece in torch.split(h, _LONGEST):
            found.append(self._look_up(piece, memory))
            memory = torch.cat([memory, piece.to(memory.dtype)])[len(piece) :]
        return self.output(torch.cat(found)), memory

    def _look_up(self, h: Tensor, memory: Tensor) -> Tensor:
        """States (T, B, H) and the W before them -> sums of values (T, B, D).

        There are more states to look things up in than to look things up for. So it is q that goes
        through W_k, and the sum of states that goes through W_v: q . (W_k h) = (W_k' q) . h.
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
        """What is added to the score (T, E) of each query and entry: that of their distance, and
        minus infinity where an entry is not among the W of the query."""
        oldest_first = self.distance.weight[:, 0].flip(0)  # (W,)
        beside = queries - 1
        padded = pad(oldest_first, (beside, beside), value=-math.inf)
        return padded.unfold(0, self.window + beside, 1).flip(0)


def _scores(queries: Tensor, states: Tensor, biases: Tensor) -> Tensor:
    """Queries (T, B, H), states (N, B, H), biases (T, N) -> (B, T, N)."""
    q, k = queries.transpose(0, 1), states.to(queries.dtype).permute(1, 2, 0)
    return torch.baddbmm(biases.to(q.dtype), q, k)


def _sums(weights: Tensor, states: Tensor) -> Tensor:
    """Weights (B, T, N), states (N, B, H) -> (T, B, H)."""
    return (weights @ states.to(weights.dtype).transpose(0, 1)).transpose(0, 1)
