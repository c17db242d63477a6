"""The usual PyTorch program that learns to map strings to strings: an encoder and a decoder of
torch.nn.LSTM with attention (Bahdanau, Cho and Bengio 2015), which benchmarks/transduction_speed.py
compares with.

The encoder reads both directions; the decoder takes a step for each symbol, on the last symbol and
the last attention (input feeding: Luong, Pham and Manning 2015), is taught with the right symbols,
and ends with a symbol of its own. Batches are drawn at random and padded.

Legend: B batch, S source positions, U target positions, H hidden size, V symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PADDING: Final = 0
BEGIN: Final = 1
END: Final = 2
FIRST: Final = 3
"""The id of the first character and of the first symbol."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of both sides.

    Attributes:
        characters, symbols: how many different ones there are, special ones included.
    """

    characters: int
    symbols: int
    embedding_size: int
    hidden_size: int
    layers: int
    dropout: float = 0.0


class Batch(NamedTuple):
    """Padded pairs: sources (B, S), their lengths (B,), and targets (B, U), begin and end included;
    and how many characters and symbols they have without those."""

    sources: Tensor
    lengths: Tensor
    targets: Tensor
    characters: int


class AttentionBaseline(nn.Module):
    """An encoder, a decoder, and attention between them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        embedding, hidden = sizes.embedding_size, sizes.hidden_size
        dropout = sizes.dropout if sizes.layers > 1 else 0.0
        self.source_embedding = nn.Embedding(sizes.characters, embedding, padding_idx=PADDING)
        self.target_embedding = nn.Embedding(sizes.symbols, embedding, padding_idx=PADDING)
        self.encoder = nn.LSTM(
            *(embedding, hidden, sizes.layers),
            batch_first=True,
            bidirectional=True,
            dropout=dropout,
        )
        self.decoder = nn.LSTM(
            embedding + 2 * hidden, hidden, sizes.layers, batch_first=True, dropout=dropout
        )
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.query = nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.head = nn.Linear(3 * hidden, sizes.symbols)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, sources: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Return the logits (B, U, V) of the symbol after each of the targets (B, U)."""
        packed = pack_padded_sequence(
            self.dropout(self.source_embedding(sources)),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        encoded, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        encoded = self.dropout(encoded)  # (B, S, 2 H)
        keys = self.key(encoded)  # (B, S, H)
        padding = sources[:, : encoded.shape[1]] == PADDING
        embedded = self.dropout(self.target_embedding(targets))
        attention = encoded.new_zeros(encoded.shape[0], 1, encoded.shape[2])
        state, logits = None, []
        for step in range(targets.shape[1]):
            read = torch.cat([embedded[:, step : step + 1], attention], 2)
            output, state = self.decoder(read, state)  # (B, 1, H)
            energies = self.energy(torch.tanh(keys + self.query(output)))[..., 0]  # (B, S)
            weights = energies.masked_fill(padding, -torch.inf).softmax(1)
            attention = weights[:, None] @ encoded  # (B, 1, 2 H)
            logits.append(self.head(self.dropout(torch.cat([output, attention], 2))))
        return torch.cat(logits, 1)


class PairIds:
    """Pairs as ids, and batches of them.

    Args:
        pairs: sources and the symbols of their targets.
        seed: draws the batches.
    """

    def __init__(self, pairs: Sequence[tuple[str, Sequence[str]]], seed: int = 0) -> None:
        characters = sorted({character for source, _ in pairs for character in source})
        symbols = sorted({symbol for _, target in pairs for symbol in target})
        of_character = {each: number for number, each in enumerate(characters, FIRST)}
        of_symbol = {each: number for number, each in enumerate(symbols, FIRST)}
        self.characters, self.symbols = FIRST + len(characters), FIRST + len(symbols)
        self._sources = [
            torch.tensor([BEGIN, *map(of_character.__getitem__, source), END])
            for source, _ in pairs
        ]
        self._targets = [
            torch.tensor([BEGIN, *map(of_symbol.__getitem__, target), END]) for _, target in pairs
        ]
        self._generator = torch.Generator().manual_seed(seed)
        self._order: list[int] = []

    def batch(self, size: int) -> Batch:
        """Return the next pairs, in an order that is drawn anew for each epoch."""
        if not self._order:
            self._order = torch.randperm(len(self._sources), generator=self._generator).tolist()
        rows, self._order = self._order[:size], self._order[size:]
        sources, targets = ([of[row] for row in rows] for of in (self._sources, self._targets))
        return Batch(
            pad_sequence(sources, batch_first=True),
            torch.tensor([len(source) for source in sources]),
            pad_sequence(targets, batch_first=True),
            sum(map(len, sources)) + sum(map(len, targets)) - 4 * len(rows),
        )


def train_step(network: AttentionBaseline, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """Take a step, and return the loss in nats per symbol."""
    network.train()
    logits = network(batch.sources, batch.lengths, batch.targets[:, :-1])
    loss = cross_entropy(logits.flatten(0, 1), batch.targets[:, 1:].flatten(), ignore_index=PADDING)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return loss.item()
