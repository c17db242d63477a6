"""TorchEngine: the training network as an engine, on a GPU or during training.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.engines.engine import Array, State, check_ids, chunks, id_array
from charrnn.storage.model_directory import Model

if TYPE_CHECKING:
    from charrnn.model.language_model import CharRNN


_NUMBERS_AT_ONCE: Final = 1 << 23
"""The most logits and activations computed at once when only the state is needed."""


class TorchEngine:
    """The training network as an engine, on its own device and without gradients.

    It loads in seconds and writes single streams slowly; on a GPU, it is for large batches of large
    models. The last bits of a lane depend on the number of lanes, so a sample is the same only in
    batches of the same size.
    """

    precision = "float32"
    parallel = False

    def __init__(self, network: "CharRNN") -> None:
        self.network = network
        self.vocabulary_size = network.config.vocabulary_size

    @classmethod
    @as_usual
    def of(cls, model: Model) -> "TorchEngine":
        """Return the engine of a model, on a GPU if there is one."""
        import torch

        from charrnn.model.language_model import CharRNN

        network = CharRNN(model.config)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors.items()})
        return cls(network.to("cuda" if torch.cuda.is_available() else "cpu").eval())

    @as_usual
    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        import torch

        ids = id_array(ids)
        check_ids(ids, self.vocabulary_size)
        if ids.shape[1] == 0:
            logits = np.zeros((*ids.shape, self.vocabulary_size), dtype=np.float32)
            return logits, self._before(len(ids)) if state is None else state
        training = self.network.training
        self.network.eval()
        device = self.network.head.bias.device
        with torch.inference_mode():
            inputs = torch.tensor(np.array(ids, dtype=np.int64), device=device)
            logits, state = self.network(inputs, state)
        self.network.train(training)
        return logits.float().cpu().numpy(), state

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        check_ids(ids, self.vocabulary_size)
        config = self.network.config
        numbers = config.vocabulary_size + 8 * config.hidden_size
        state = self._before(len(ids)) if state is None else state
        for chunk in chunks(ids, len(ids), characters=_NUMBERS_AT_ONCE // numbers):
            _, state = self.advance(chunk, state)
        return state

    def _before(self, count: int) -> State:
        """Return the state of `count` lanes before the first character."""
        import torch

        with torch.inference_mode():
            return self.network.zero_state(count)

    def lanes(self, count: int) -> "TorchLanes":
        """Return `count` lanes, each before the first character."""
        return TorchLanes(self, count)


class TorchLanes:
    """Lanes of a TorchEngine; see Lanes."""

    def __init__(self, engine: TorchEngine, count: int) -> None:
        self._engine = engine
        self._state = engine._before(count)  # each part (L, B, H)

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V)."""
        logits, self._state = self._engine.advance(ids[:, None], self._state)
        return logits[:, 0]

    def get(self, lane: int) -> State:
        """Return the state of a lane, as a value."""
        return tuple(part[:, lane : lane + 1].clone() for part in self._state)

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Set a lane, or several, to a state; see Lanes."""
        import torch

        with torch.inference_mode():
            parts: list[Any] = []
            for number, part in enumerate(self._state):
                changed = part.clone()
                changed[:, np.atleast_1d(np.asarray(lane, dtype=np.intp))] = (
                    0 if state is None else state[number]
                )
                parts.append(changed)
        self._state = tuple(parts)

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Set lane i to the previous state of lane `lanes[i]`."""
        places = np.arange(self._state[0].shape[1])
        places[: len(lanes)] = lanes
        self._state = tuple(part[:, places] for part in self._state)
