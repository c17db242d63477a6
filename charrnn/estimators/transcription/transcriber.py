"""RecurrentTranscriber: turns sequences of vectors into strings.

Legend: N sequences, T steps, E numbers of a step, B batch, L characters of a string, K outputs: the
blank and the characters.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.errors import ModelError
from charrnn.estimators.defaults import Settings
from charrnn.estimators.parameters import check_parameters, check_whole
from charrnn.estimators.sequences import Sequences, Targets, read_sequences
from charrnn.estimators.supervised import SequenceEstimator
from charrnn.estimators.transcription.greedy import greedy
from charrnn.estimators.transcription.settings import choose_transcriber_settings
from charrnn.estimators.transcription.strings import (
    BLANK,
    as_strings,
    check_room,
    choose_subsampling,
    encode,
    read_strings,
)
from charrnn.evaluation.metrics import character_error_rate
from charrnn.storage.model_directory import Model

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT: Final = 0.1
MOST_HELD_OUT: Final = 200
"""The share of the sequences that are held out, and the most of them."""

FEWEST_HELD_OUT: Final = 3


class RecurrentTranscriber(SequenceEstimator):
    """A transcriber of sequences of vectors, such as the columns of the picture of a line of text,
    or the spectra of speech: a recurrent network that learns by connectionist temporal
    classification (Graves et al., 2006), without knowing which steps belong to which character."""

    estimator_type = "transcriber"
    few_dropout = 0.0

    characters_: str
    subsampling_: int

    def __init__(
        self,
        *,
        input_size: int | None = None,
        hidden_size: int | None = None,
        cell: str = "lstm",
        layers: int = 2,
        bidirectional: bool = True,
        subsampling: int | None = None,
        dropout: float | None = None,
        optimizer: str = "adamw",
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        clip: float | None = 1.0,
        standardize: bool = True,
        beam_width: int = 1,
        language_model: str | Path | Model | None = None,
        language_model_weight: float | None = None,
        random_state: int | None = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.cell = cell
        self.layers = layers
        self.bidirectional = bidirectional
        self.subsampling = subsampling
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip = clip
        self.standardize = standardize
        self.beam_width = beam_width
        self.language_model = language_model
        self.language_model_weight = language_model_weight
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _check_params(self) -> None:
        check_parameters({**self.get_params(), "pooling": None})
        check_whole("beam_width", self.beam_width, 1)
        if self.subsampling is not None:
            check_whole("subsampling", self.subsampling, 1)

    # Predicting

    @as_usual
    def log_probabilities(self, X: Any) -> list[Float32Array]:
        """Compute the log-probabilities (T, K) of the blank (id 0) and of `characters_` (ids from 1
        on) at each step of each sequence; T is after subsampling."""
        self._check_fitted()
        sequences = read_sequences(X, self.n_features_in_)
        sequences = sequences.scaled(self.input_mean_, self.input_scale_).joined(self.subsampling_)
        return [log_softmax(each) for each in self._engine.answers_of_steps(sequences)]

    @as_usual
    def predict(self, X: Any) -> npt.NDArray[np.str_]:
        """Predict the string (N,) of each sequence."""
        return as_strings([self._text(greedy(each)) for each in self.log_probabilities(X)])

    def _text(self, ids: list[int]) -> str:
        return "".join(self.characters_[number - 1] for number in ids)

    @as_usual
    def score(self, X: Any, y: Any) -> float:
        """Return 1 - the character error rate; see `character_error_rate`."""
        predicted = self.predict(X)
        return 1 - character_error_rate(read_strings(y, len(predicted)), predicted.tolist())

    # Fitting

    def _read_targets(
        self, y: Any, count: int, before: "RecurrentTranscriber | None"
    ) -> tuple[dict[str, Any], Targets]:
        strings = read_strings(y, count)
        characters = "".join(sorted(set("".join(strings))))
        if before is not None:
            characters = before.characters_
        ids = encode(strings, characters)
        return {"characters_": characters}, Targets(ids, self._shuffled((ids != BLANK).sum(1)))

    def _join_steps(
        self,
        sequences: Sequences,
        targets: Targets,
        fitted: dict[str, Any],
        before: Any,
    ) -> Sequences:
        if before is not None:
            joined = before.subsampling_
        elif self.subsampling is not None:
            joined = int(self.subsampling)
        else:
            joined = choose_subsampling(sequences.lengths, targets.values)
        check_room(sequences.lengths, targets.values, joined)
        fitted["subsampling_"] = joined
        return sequences.joined(joined)

    def _held_out(self, targets: Targets) -> Int64Array:
        count = len(targets.order)
        held_out = min(int(HELD_OUT * count), MOST_HELD_OUT)
        if held_out < FEWEST_HELD_OUT:
            return np.empty(0, np.int64)
        return targets.order[:: count // held_out][:held_out]

    def _settings(self, sequences: Sequences, outputs: int, before: Any) -> Settings:
        size = self.hidden_size if before is None else before.network_config_.hidden_size
        return choose_transcriber_settings(
            sequences,
            hidden_size=None if size is None else int(size),
            dropout=None if self.dropout is None else float(self.dropout),
            batch_size=None if self.batch_size is None else int(self.batch_size),
            learning_rate=None if self.learning_rate is None else float(self.learning_rate),
            epochs=None if self.epochs is None else int(self.epochs),
        )

    def _output_size(self, fitted: dict[str, Any]) -> int:
        return 1 + len(fitted["characters_"])

    @staticmethod
    def _losses(outputs: "Tensor", targets: "Tensor", lengths: "Tensor | None") -> "Tensor":
        from charrnn.estimators.transcription.loss import ctc_losses

        return ctc_losses(outputs, targets, lengths)

    def _report(self, losses: Float64Array, fitted: dict[str, Any]) -> float:
        return float(losses.mean())

    # Storage

    def _features_in(self, data: dict[str, Any], where: str) -> int:
        joined = data.get("subsampling")
        size = self.network_config_.input_size
        if type(joined) is not int or joined < 1 or size % joined:
            raise ModelError(f"{where}: subsampling is {joined!a:.100}")
        if self.network_config_.pooling is not None:
            raise ModelError(f"{where}: a transcriber has no pooling")
        return size // joined

    def _targets_to_json(self) -> dict[str, Any]:
        return {"characters": self.characters_, "subsampling": self.subsampling_}

    @staticmethod
    def _targets_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        if data.keys() != {"characters", "subsampling"}:
            raise ModelError(f"{where}: expected the characters and the subsampling")
        characters = data["characters"]
        if not isinstance(characters, str) or len(characters) != outputs - 1:
            raise ModelError(f"{where}: expected {outputs - 1} characters")
        if characters != "".join(sorted(set(characters))):
            raise ModelError(f"{where}: expected the characters sorted, each once")
        return {"characters_": characters, "subsampling_": data["subsampling"]}


def log_softmax(outputs: Float32Array) -> Float32Array:
    """Return the log-probabilities (T, K) of outputs (T, K)."""
    shifted = outputs - outputs.max(1, keepdims=True)
    result: Float32Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result
