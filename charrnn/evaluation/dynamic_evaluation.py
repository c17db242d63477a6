"""Dynamic evaluation: a model that goes on learning from the text that it reads.

After Krause et al., 2018 (arXiv:1709.07432) and 2019 (arXiv:1904.08378): a text is read in
segments. Each is first predicted with the weights as they are, and only then learned from, by one
step

    g  the gradient of the segment's nats per character
    r  the root of the mean of g^2 over all segments so far, of each weight; r' the mean over all
    weights w <- w - learning_rate g / (r + damping r') + min(decay r / r', 1) (w_trained - w)

so that no weight goes much further in a step than any other, and those that go astray most come
back soonest. Krause takes r from the training text; here it is that of the text being read, so that
a model directory is all that is needed.

Where there is nothing to learn, weights that still learn predict a little worse than those that do
not. So what is given are the predictions of both, mixed, with more trust in the one that has lately
been
right: the fixed share of Herbster & Warmuth, 1998 (doi:10.1023/A:1007424614876).

Legend: N characters, T time, P weights, all in one row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.tokenizer import Ids
from charrnn.engines import State as EngineState
from charrnn.engines import best_engine
from charrnn.errors import ConfigError
from charrnn.generation.draw import log_probabilities
from charrnn.storage.model_directory import Model

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.model.language_model import CharRNN, State


_PIECE: Final = 4096
"""Characters that are read at once, where nothing is learned from them."""


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """How a model learns from what it reads. Raises ConfigError when a setting is out of range.

    What is counted in characters is counted in bytes under a byte tokenizer. The defaults were
    chosen on names, fables, a manual and programs.

    Attributes:
        segment: characters that are predicted before they are learned from.
        learning_rate: how far a weight goes where its gradient is as large as usual.
        decay: the share of the way back to its trained value that a usual weight goes with every
            segment; one whose gradients are larger goes more.
        damping: of a weight's usual gradient, in means of all weights' usual gradients: those whose
            gradients are small do not go far either.
        share: of the trust in a prediction, adapted or trained, that is shared between them again
            with every character; 1 is to trust both alike, always.
    """

    segment: int = 32
    learning_rate: float = 2e-3
    decay: float = 0.001
    damping: float = 0.1
    share: float = 0.01

    def __post_init__(self) -> None:
        if self.segment < 1:
            raise ConfigError(f"segment {self.segment}: choose 1 or above")
        for name in ("learning_rate", "damping"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigError(f"{name.replace('_', '-')} {value}: choose a number above 0")
        if not 0 <= self.decay <= 1:
            raise ConfigError(f"decay {self.decay}: choose from 0 to 1")
        if not 0 < self.share <= 1:
            raise ConfigError(f"share {self.share}: choose above 0, 1 at most")


class Adapter:
    """A model that reads a text in order, and learns from it.

    It has weights of its own: nothing of the model that it was made from changes, and nothing is
    written. The same text gives the same numbers, read at once or in pieces. It computes in float32
    on one thread of the CPU, as segments are too short for more.

    Args:
        model: what it begins as.
        config: how it learns.

    Attributes:
        learned: how many characters it has learned from.
    """

    @as_usual
    def __init__(self, model: Model, config: AdaptationConfig | None = None) -> None:
        import torch

        from charrnn.model.language_model import CharRNN

        model.require("generate")
        self.model, self.config = model, config or AdaptationConfig()
        self.learned = 0
        # Of the weights that the generator gives, nothing is left: without, PyTorch's own would
        # move.
        network = CharRNN(model.config, kernel="native", generator=torch.Generator()).eval()
        network.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors.items()})
        self._network = network
        self._weights, self._gradient = _in_one_row(network)  # both (P,)
        self._trained = self._weights.clone()
        self._squares = torch.zeros_like(self._weights)  # the sum of g^2
        self._scratch = torch.empty_like(self._weights), torch.empty_like(self._weights)
        self._segments = 0.0
        self._pending: list[int] = []  # the last id that was read, and those after it
        self._state: State | None = None  # before the first of those
        self._engine = best_engine(model)  # which predicts as the model was trained
        self._engine_state: EngineState | None = None
        self._trust = 0.5  # in what is adapted; the rest is in what was trained

    @as_usual
    def begin(self, ids: Ids | Sequence[int] = ()) -> None:
        """Goes to the end of a text (N,), read from a cold state, without learning from it.

        What was learned stays; what was pending is forgotten.
        """
        self._state = self._engine_state = None
        self._pending = []
        self._predict_all([int(i) for i in ids], _PIECE, learn=False)
        self._predict_rest(learn=False)

    @as_usual
    def read(self, ids: Ids | Sequence[int]) -> npt.NDArray[np.float64]:
        """Reads ids (N,) on, and learns from every segment that is full.

        Gives the nats that each character of those segments cost, in order. The first of a text
        costs nothing, as nothing comes before it; those of a segment that is not full yet are
        pending, until later ones fill it or `finish` is called.
        """
        return self._predict_all([int(i) for i in ids], self.config.segment, learn=True)

    @as_usual
    def finish(self) -> npt.NDArray[np.float64]:
        """Takes what is pending for a segment, and learns from it by so much less.

        Gives what `read` does.
        """
        return self._predict_rest(learn=True)

    def adapted(self) -> Model:
        """The model as it is now: a copy."""
        tensors = {
            name: parameter.detach().numpy().copy()
            for name, parameter in self._network.named_parameters()
        }
        return replace(self.model, tensors=tensors)

    def _predict_all(self, ids: list[int], length: int, *, learn: bool) -> npt.NDArray[np.float64]:
        """The nats of what is pending and ids after it, in segments of so many that are full."""
        waiting, begin = self._pending + ids, 0
        costs = [np.empty(0)]
        try:
            while len(waiting) - begin > length:
                costs.append(self._predict(waiting[begin : begin + length + 1], learn=learn))
                begin += length
        finally:
            self._pending = waiting[begin:]
        return np.concatenate(costs)

    def _predict_rest(self, *, learn: bool) -> npt.NDArray[np.float64]:
        """The nats of all that is pending."""
        if len(self._pending) < 2:
            return np.empty(0)
        costs = self._predict(self._pending, learn=learn)
        self._pending = self._pending[-1:]
        return costs

    def _predict(self, ids: list[int], *, learn: bool) -> npt.NDArray[np.float64]:
        """The nats (T,) of all of ids (T + 1,) but the first, which may then be learned from."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            adapted = self._read(ids, learn=learn)
        finally:
            torch.set_num_threads(threads)
        logits, self._engine_state = self._engine.advance([ids[:-1]], self._engine_state)
        with np.errstate(over="ignore", invalid="ignore"):  # the nats show it
            trained = -log_probabilities(logits[0], np.array(ids[1:]))
            return self._mix(adapted, trained)

    def _read(self, ids: list[int], *, learn: bool) -> npt.NDArray[np.float64]:
        """The nats (T,) that all of ids (T + 1,) but the first cost the adapted model."""
        import torch
        from torch.nn.functional import cross_entropy

        with torch.set_grad_enabled(learn):
            stream = torch.tensor(ids)
            logits, state = self._network(stream[None, :-1], self._state)  # (1, T, V)
            nats = cross_entropy(logits[0], stream[1:], reduction="none")  # (T,)
        self._state = tuple(part.detach() for part in state)
        if learn:
            self._gradient.zero_()
            nats.mean().backward()  # type: ignore[no-untyped-call]
            self._step(len(nats) / self.config.segment)
            self.learned += len(nats)
        return nats.detach().double().numpy()

    def _mix(
        self, adapted: npt.NDArray[np.float64], trained: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """The nats (T,) that characters cost under both predictions mixed, from those of each."""
        share, mixed = self.config.share, np.empty(len(adapted))
        for place, costs in enumerate(zip(adapted, trained, strict=True)):
            likelihoods = np.log([self._trust, 1 - self._trust]) - costs
            mixed[place] = -np.logaddexp(*likelihoods)
            trust = math.exp(likelihoods[0] + mixed[place])
            self._trust = (1 - share) * trust + share / 2
        return mixed

    def _step(self, weight: float) -> None:
        """One step along the gradient, and then part of the way back.

        `weight` is that of the segment: 1 where it is full.
        """
        import torch

        config, (usual, share) = self.config, self._scratch
        with torch.no_grad():
            self._segments += weight
            self._squares.addcmul_(self._gradient, self._gradient, value=weight)
            torch.sqrt(self._squares, out=usual).div_(math.sqrt(self._segments))
            mean = usual.mean().item()
            if not 0 < mean < math.inf:  # nothing to learn, or numbers that have overflowed
                return
            torch.mul(usual, weight * config.decay / mean, out=share).clamp_(max=1)
            usual.add_(config.damping * mean)
            self._weights.addcdiv_(self._gradient, usual, value=-weight * config.learning_rate)
            self._weights.lerp_(self._trained, share)


def _in_one_row(network: "CharRNN") -> "tuple[Tensor, Tensor]":
    """Lays the network's weights, and their gradients, in one tensor each (P,): what is done to all
    of them is then one operation."""
    import torch

    parameters = list(network.parameters())
    weights = torch.cat([parameter.detach().flatten() for parameter in parameters])
    gradient = torch.zeros_like(weights)
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, data, grad in zip(
        parameters, torch.split(weights, sizes), torch.split(gradient, sizes), strict=True
    ):
        parameter.data, parameter.grad = data.view_as(parameter), grad.view_as(parameter)
    return weights, gradient
