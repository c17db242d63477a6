"""The training steps that benchmarks.training compares: charrnn's and the stock loop's.

Legend: B batch, T time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final, Protocol

import numpy as np
import torch

from benchmarks.torch_baseline import Plain, State
from charrnn.data.dataloader import TBPTTLoader
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError
from charrnn.model.config import GATES, ModelConfig
from charrnn.model.kernels import native
from charrnn.model.language_model import CharRNN
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner

STOCK: Final = "stock"

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}

VOCABULARY_SIZE: Final = 65
EMBEDDING_SIZE: Final = 64

CHUNKS: Final = 64
"""The steps that the random text is long enough for; then it begins again."""

LEARNING_RATE: Final = 1e-3
BETAS: Final = (0.9, 0.99)
CLIP: Final = 1.0


@dataclass(frozen=True)
class Setting:
    """The common settings of the programs that are compared."""

    cell: str
    layers: int
    hidden_size: int
    batch_size: int
    sequence_length: int
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.cell} {self.size}, {self.batch_size} x {self.sequence_length}"

    @property
    def size(self) -> str:
        """The size as in tables: 2x256."""
        return f"{self.layers}x{self.hidden_size}"

    @property
    def characters(self) -> int:
        """The characters of one step."""
        return self.batch_size * self.sequence_length

    @property
    def operations(self) -> int:
        """Additions and multiplications per character: two for each weight of a matrix product,
        forward once and backward twice. The first layer reads characters, and has no input
        product."""
        hidden = self.hidden_size
        recurrent = GATES[self.cell] * hidden**2 * (2 * self.layers - 1)
        return 6 * (recurrent + hidden * VOCABULARY_SIZE)

    def ids(self) -> Ids:
        """Return the text to learn: lanes of CHUNKS whole chunks."""
        generator = np.random.default_rng(0)
        return generator.integers(VOCABULARY_SIZE, size=self.characters * CHUNKS, dtype=np.uint8)


class Program(Protocol):
    """A training that continues forever."""

    def step(self) -> None:
        """Read a chunk, and learn from it."""


class Stock:
    """The loop of tutorials: torch.nn in float32, with the state carried from chunk to chunk."""

    def __init__(self, setting: Setting) -> None:
        sizes = (EMBEDDING_SIZE, setting.hidden_size, setting.layers)
        self.network = Plain(VOCABULARY_SIZE, *sizes, setting.cell).to(setting.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=0.0, fused=True
        )
        ids = torch.from_numpy(setting.ids().astype(np.int64))
        self.lanes = ids.view(setting.batch_size, -1).to(setting.device)  # (B, T CHUNKS)
        self.sequence_length = setting.sequence_length
        self.position = 0
        self.state: State = None

    def step(self) -> None:
        """See Program."""
        if self.position + self.sequence_length >= self.lanes.shape[1]:
            self.position, self.state = 0, None
        begin, end = self.position, self.position + self.sequence_length
        inputs, targets = self.lanes[:, begin:end], self.lanes[:, begin + 1 : end + 1]
        logits, state = self.network(inputs, self.state)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()
        loss.item()  # as for a progress line
        self.state = _detached(state)
        self.position = end


def _detached(state: State) -> State:
    if isinstance(state, tuple):
        return tuple(part.detach() for part in state)
    return None if state is None else state.detach()


class Ours:
    """The work of `charrnn train` between two evaluations."""

    def __init__(self, setting: Setting, kernel: str, precision: str) -> None:
        model_config = ModelConfig(
            vocabulary_size=VOCABULARY_SIZE,
            cell=setting.cell,
            embedding_size=EMBEDDING_SIZE,
            hidden_size=setting.hidden_size,
            layers=setting.layers,
        )
        config = TrainingConfig(
            steps=1_000_000_000,
            batch_size=setting.batch_size,
            sequence_length=setting.sequence_length,
            learning_rate=LEARNING_RATE,
            warmup_steps=0,
            clip=CLIP,
            seed=0,
            precision=precision,
            device=setting.device,
            kernel=kernel,
            threads=torch.get_num_threads(),
            validation_fraction=0.1,
            lines=False,
            evaluate_every=1_000_000_000,
            evaluation_characters=1,
            checkpoint_every=1_000_000_000,
            patience=0,
            keep=1,
        )
        generator = torch.Generator().manual_seed(0)
        self.learner = Learner(CharRNN(model_config, kernel=kernel, generator=generator), config)
        self.loader = TBPTTLoader(
            setting.ids(),
            batch_size=setting.batch_size,
            sequence_length=setting.sequence_length,
            seed=0,
        )
        self.number = 0

    def step(self) -> None:
        """See Program."""
        self.learner.step(next(self.loader), self.number)
        self.number += 1


def make(setting: Setting, name: str) -> Program:
    """Return the program of a name: `stock`, or a kernel and a precision, like `native bf16`."""
    if name == STOCK:
        return Stock(setting)
    kernel, precision = name.split()
    return Ours(setting, kernel, precision)


def make_all(
    setting: Setting, kernels: Iterable[str], precisions: Iterable[str]
) -> dict[str, Program]:
    """Return the stock program, and ours with each kernel in each precision, as far as they are
    available."""
    made: dict[str, Program] = {STOCK: make(setting, STOCK)}
    for kernel, precision in product(kernels, precisions):
        if kernel == "native" and not _native_computes(setting, precision):
            continue  # it would be the same as another kernel
        try:
            made[f"{kernel} {precision}"] = Ours(setting, kernel, precision)
        except ConfigError:
            continue
    return made


def _native_computes(setting: Setting, precision: str) -> bool:
    kind = native.kind_for(DTYPES[precision])
    return setting.device == "cpu" and native.available() and kind is not None
