"""Dynamic evaluation: a model that learns from the text it reads.

After Krause et al., 2018 (arXiv:1709.07432) and 2019 (arXiv:1904.08378). A text is read in
segments. The model predicts each segment with its current weights, and then takes one step to learn
from it:

    g  is the gradient of the segment's nats per character
    r  is the root mean square of g over all segments so far, of each weight; r' is the mean of r
       over all weights
    w <- w - learning_rate g / (r + damping r') + min(decay r / r', 1) (w_trained - w)

The division by r makes the steps of all weights about equal. The decay returns weights with large
gradients to their trained values fastest. Krause takes r from the training text; here it comes from
the text that is read, so that a model directory suffices.

On a text with nothing to learn, the adapted weights predict slightly worse than the trained ones.
So the predictions of both are mixed, with more weight on the one that was right lately: the fixed
share of Herbster & Warmuth, 1998 (doi:10.1023/A:1007424614876).

Legend: N characters, T time, P weights, all in one flat tensor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.engines import State as EngineState
from charrnn.engines import best_engine
from charrnn.generation.draw import log_probabilities
from charrnn.generation.filters import log_softmax
from charrnn.option_declaration import check, limits
from charrnn.storage.model_directory import Model

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.model.language_model import CharRNN, State


Observe = Callable[[Int64Array, Float32Array], None]

_PIECE: Final = 4096
"""The characters read at a time when the model does not learn."""


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """The settings of dynamic evaluation. Raises ConfigError when a setting is out of range.

    Under a byte tokenizer, lengths are counted in bytes. The defaults were chosen on names, fables,
    a manual and programs.

    Attributes:
        segment: the characters that are predicted before the model learns from them.
        learning_rate: the step of a weight whose gradient is as large as usual.
        decay: the share of the way back to its trained value that an average weight moves with
            every segment; a weight with larger gradients moves more.
        damping: added to a weight's usual gradient, in units of the mean over all weights, so that
            weights with small gradients move less.
        share: the share of the mixture weights that is redistributed with every character; 1
            weights both predictions equally, always.
    """

    segment: int = field(default=32, metadata=limits(least=1))
    learning_rate: float = field(default=2e-3, metadata=limits(above=0))
    decay: float = field(default=0.001, metadata=limits(least=0, most=1))
    damping: float = field(default=0.1, metadata=limits(above=0))
    share: float = field(default=0.01, metadata=limits(above=0, most=1))

    def __post_init__(self) -> None:
        check(self)


class Adapter:
    """A language model that reads a text in order and learns from it.

    It has a copy of the weights: the given model does not change, and nothing is written to disk.
    The result is the same whether a text is read at once or in pieces. It computes in float32 on
    one CPU thread, as segments are too short for more.

    Args:
        model: the trained model.
        config: the settings of dynamic evaluation.
        observe: called with the ids (T,) of each segment that was predicted, and the
            log-probabilities (T, V) of the mixture in the place of each.

    Attributes:
        learned: the number of characters learned from.
    """

    @as_usual
    def __init__(
        self,
        model: Model,
        config: AdaptationConfig | None = None,
        *,
        observe: Observe | None = None,
    ) -> None:
        import torch

        from charrnn.model.language_model import CharRNN

        model.require("generate")
        self.model, self.config = model, config or AdaptationConfig()
        self.learned = 0
        self._observe = observe
        # All initial weights are replaced; the generator keeps PyTorch's global one from advancing.
        network = CharRNN(model.config, kernel="native", generator=torch.Generator()).eval()
        network.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors.items()})
        self._network = network
        self._weights, self._gradient = _flatten_parameters(network)  # both (P,)
        self._trained = self._weights.clone()
        self._squares = torch.zeros_like(self._weights)  # the sums of g^2
        self._scratch = torch.empty_like(self._weights), torch.empty_like(self._weights)
        self._segments = 0.0
        self._pending: list[int] = []  # the last id of the last segment, and the ids after it
        self._state: State | None = None  # the state before the first pending id
        self._engine = best_engine(model)  # with the trained weights
        self._engine_state: EngineState | None = None
        self._trust = 0.5  # the mixture weight of the adapted prediction, from 0 to 1

    @as_usual
    def begin(self, ids: Ids | Sequence[int] = ()) -> None:
        """Read a text (N,) from a cold state, without learning from it.

        The adapted weights stay; pending characters are dropped.
        """
        self._state = self._engine_state = None
        self._pending = []
        self._predict_all([int(i) for i in ids], _PIECE, learn=False)
        self._predict_rest(learn=False)

    @as_usual
    def read(self, ids: Ids | Sequence[int]) -> npt.NDArray[np.float64]:
        """Read further ids (N,), and learn from every full segment.

        Returns the nats of each character of those segments, in order. The first character of a
        text is not predicted. The characters of an incomplete segment stay pending until later ones
        complete it or `finish` is called.
        """
        return self._predict_all([int(i) for i in ids], self.config.segment, learn=True)

    @as_usual
    def finish(self) -> npt.NDArray[np.float64]:
        """Learn from the pending characters as a segment, weighted by its length.

        Returns their nats, as `read` does.
        """
        return self._predict_rest(learn=True)

    def adapted(self) -> Model:
        """Return a copy of the model with the adapted weights."""
        tensors = {
            name: parameter.detach().numpy().copy()
            for name, parameter in self._network.named_parameters()
        }
        return replace(self.model, tensors=tensors)

    def _predict_all(self, ids: list[int], length: int, *, learn: bool) -> npt.NDArray[np.float64]:
        """Return the nats of all full segments of the pending ids and the new ones."""
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
        """Return the nats of all pending ids."""
        if len(self._pending) < 2:
            return np.empty(0)
        costs = self._predict(self._pending, learn=learn)
        self._pending = self._pending[-1:]
        return costs

    def _predict(self, ids: list[int], *, learn: bool) -> npt.NDArray[np.float64]:
        """Return the nats (T,) of ids (T + 1,) after the first; learn from them if `learn`."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            adapted = self._read(ids, learn=learn)
        finally:
            torch.set_num_threads(threads)
        trained, self._engine_state = self._engine.advance([ids[:-1]], self._engine_state)
        targets = np.array(ids[1:], dtype=np.int64)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow shows in the nats
            nats, trust = self._mix(
                adapted.nats, -log_probabilities(trained[0], targets.astype(np.intp))
            )
            if learn and self._observe is not None:
                mixed = np.logaddexp(
                    log_softmax(adapted.logits) + np.log(trust)[:, None],
                    log_softmax(trained[0]) + np.log(1 - trust)[:, None],
                )
                self._observe(targets, mixed.astype(np.float32))
        return nats

    def _read(self, ids: list[int], *, learn: bool) -> "_Adapted":
        """Predict ids (T + 1,) after the first with the adapted weights."""
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
        return _Adapted(nats.detach().double().numpy(), logits[0].detach().numpy())

    def _mix(
        self, adapted: npt.NDArray[np.float64], trained: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the nats (T,) of characters under the mixture of both predictions, and the weight
        (T,) that the adapted one had in it."""
        share, mixed, trusts = self.config.share, np.empty(len(adapted)), np.empty(len(adapted))
        for index, costs in enumerate(zip(adapted, trained, strict=True)):
            trusts[index] = self._trust
            likelihoods = np.log([self._trust, 1 - self._trust]) - costs
            mixed[index] = -np.logaddexp(*likelihoods)
            trust = math.exp(likelihoods[0] + mixed[index])
            self._trust = (1 - share) * trust + share / 2
        return mixed, trusts

    def _step(self, weight: float) -> None:
        """Take a gradient step, with decay towards the trained weights.

        `weight` is the length of the segment as a share of a full one.
        """
        import torch

        config, (usual, share) = self.config, self._scratch
        with torch.no_grad():
            self._segments += weight
            self._squares.addcmul_(self._gradient, self._gradient, value=weight)
            torch.sqrt(self._squares, out=usual).div_(math.sqrt(self._segments))
            mean = usual.mean().item()
            if not 0 < mean < math.inf:  # the gradients are all zero, or numbers overflowed
                return
            torch.mul(usual, weight * config.decay / mean, out=share).clamp_(max=1)
            usual.add_(config.damping * mean)
            self._weights.addcdiv_(self._gradient, usual, value=-weight * config.learning_rate)
            self._weights.lerp_(self._trained, share)


class _Adapted(NamedTuple):
    """What the adapted weights predict of T characters."""

    nats: npt.NDArray[np.float64]  # (T,)
    logits: npt.NDArray[np.float32]  # (T, V)


def _flatten_parameters(network: "CharRNN") -> "tuple[Tensor, Tensor]":
    """Make all weights views of one tensor (P,), and all gradients views of another.

    An operation on all of them is then a single call. Returns both tensors.
    """
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
