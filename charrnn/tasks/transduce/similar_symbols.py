"""Symbols that share characters learn from each other.

A phone such as `tʰ` has much in common with `t` and with `kʰ`, which a few hundred words do not
suffice to show. So the weights of a symbol of targets begin as the sum of what its characters
begin as, and a step that changes the weights of one symbol changes those of similar ones, too. The
network remains a plain one: this is a matter of its first weights and of its gradients.

Accents are characters of their own, by Unicode's canonical decomposition (NFD).

Legend: K symbols, P characters.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from charrnn.tasks.transduce import FIRST_SYMBOL
from charrnn.tasks.transduce.network import Transducer

MOST_SYMBOLS: Final = 2000
"""With more different symbols, the sums would take longer than the rest of a step."""

SHARE: Final = 1.0
"""The size of what characters add to the first weights, beside that of the symbol's own part."""


def characters_of(symbols: Sequence[str]) -> Tensor | None:
    """Return which characters each symbol has (K, P), 1 or 0; None where no two symbols share
    any."""
    parts = [{*unicodedata.normalize("NFD", symbol)} for symbol in symbols]
    numbers = {each: number for number, each in enumerate(sorted(set().union(*parts)))}
    if len(symbols) > MOST_SYMBOLS or sum(map(len, parts)) == len(numbers):
        return None
    table = torch.zeros(len(symbols), len(numbers))
    for row, some in enumerate(parts):
        for each in some:
            table[row, numbers[each]] = 1
    return table


def share_gradients(network: Transducer, characters: Tensor) -> None:
    """Add to the gradient of each symbol's weights those of the symbols that have the same
    characters, once for each."""
    for member in network.members:
        for weight, first in _symbol_weights(member):
            # PyTorch declares no types for it.
            weight.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient, first=first: _shared(gradient, first, characters)
            )


def _shared(gradient: Tensor, first: int, characters: Tensor) -> Tensor:
    table = characters.to(gradient)
    shared = gradient.clone()
    shared[first:] += table @ (table.T @ gradient[first:])
    return shared


@torch.no_grad()
def begin_alike(network: Transducer, characters: Tensor) -> None:
    """Add to the fresh weights of each symbol what its characters begin as."""
    for number, member in enumerate(network.members):
        generator = torch.Generator().manual_seed(number)
        for weight, first in _symbol_weights(member):
            size = SHARE * float(weight[first:].std())
            drawn = torch.randn(characters.shape[1], weight.shape[1], generator=generator)
            weight[first:] += (characters @ drawn * size).to(weight)


def _symbol_weights(member: Transducer) -> list[tuple[Tensor, int]]:
    """Return the weights that have a row for each symbol, and the row of the first symbol."""
    return [(member.decoder.embedding.weight, 1), (member.head.weight, FIRST_SYMBOL)]
