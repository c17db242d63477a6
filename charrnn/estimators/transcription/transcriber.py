"""RecurrentTranscriber: turns sequences of vectors into strings.

Legend: N sequences, T steps, E numbers of a step, B batch, L characters of a string, K outputs: the
blank and the characters.
"""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.errors import CharRNNWarning, ConfigError, ModelError
from charrnn.estimators.base import RecurrentEstimator
from charrnn.estimators.defaults import Settings
from charrnn.estimators.parameters import check_parameters, check_transcription
from charrnn.estimators.sequences import Sequences, Targets, read_sequences
from charrnn.estimators.storage import LANGUAGE_MODEL, StoredEstimator
from charrnn.estimators.supervised import SequenceEstimator
from charrnn.estimators.transcription.beam import BeamConfig, beam_search
from charrnn.estimators.transcription.greedy import greedy, log_softmax
from charrnn.estimators.transcription.language_prior import LanguagePrior
from charrnn.estimators.transcription.settings import READOUT_SCALE, choose_transcriber_settings
from charrnn.estimators.transcription.strings import (
    BLANK,
    check_room,
    choose_subsampling,
    encode,
    read_strings,
    strings_from_json,
)
from charrnn.estimators.transcription.tuning import tune
from charrnn.evaluation.metrics import character_error_rate
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import load

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT: Final = 0.1
MOST_HELD_OUT: Final = 200
"""The share of the sequences that are held out, and the most of them."""

FEWEST_HELD_OUT: Final = 3


class RecurrentTranscriber(SequenceEstimator):
    """A transcriber of sequences of vectors, such as the columns of a picture of a line of text, or
    the spectra of speech: a recurrent network that learns which string a sequence has, without
    knowing which steps belong to which character, by connectionist temporal classification (Graves
    et al., 2006).

    >>> transcriber = charrnn.RecurrentTranscriber(language_model="english", beam_width=16)
    >>> transcriber.fit(X, y).predict(X_new)

    A sequence needs a step for each character of its string, and one more between two equal ones.
    A tenth of the sequences, at most MOST_HELD_OUT, is held out: it is measured after each epoch,
    and chooses the weight of the language model.

    Args:
        subsampling: the neighbouring steps that are joined to one step of the network; None takes
            as many as leave the strings room enough, see `choose_subsampling`.
        beam_width: the strings that a prefix beam search keeps, see `beam_search`; 1 takes the most
            probable character of each step, without the language model.
        language_model: a language model (the name of a run, a directory or a Model) that tells how
            probable strings are. Its own text should not have the held-out strings.
        language_model_weight: the weight of the language model; None is chosen on the sequences
            that are held out.
        epochs: the number of passes over all sequences; None takes as many as make
            `settings.STEPS` training steps. The learning rate falls to zero over them.
        input_size, hidden_size, cell, layers, bidirectional, dropout, optimizer, learning_rate,
            batch_size, clip, standardize, random_state, device, verbose: see RecurrentRegressor.

    `predict` follows `beam_width`, `language_model` and `language_model_weight` also where they are
    set after the fit. The weight of another language model is chosen by `fit_language_model`.

    Attributes:
        characters_: the characters of all strings, sorted.
        subsampling_: the steps that are joined.
        language_model_weight_, insertion_bonus_: the weight of the language model, and the nats
            that are added to its log-probability for each character; None and 0 before they are
            chosen.
        held_out_: the places of the sequences that were held out.
        losses_: the mean nats per character of each epoch, measured during the epoch; every
            sequence counts as much as another one.
        validation_losses_: the same of the sequences that are held out, after each epoch.
        settings_, network_config_, tensors_, network_, n_features_in_, input_mean_, input_scale_:
            see RecurrentRegressor.
    """

    estimator_type = None
    readout_scale = READOUT_SCALE

    characters_: str
    subsampling_: int
    held_out_: Int64Array
    language_model_weight_: float | None
    insertion_bonus_: float

    _prior: LanguagePrior
    _prior_key: Any

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
        check_transcription(self.get_params())

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
        """Predict the string (N,) of each sequence.

        Raises ConfigError where no weight was chosen for the language model.
        """
        scores = self.log_probabilities(X)
        self._check_params()
        if self.beam_width == 1:
            return np.array([self._text(greedy(each)) for each in scores], np.str_)
        weight, prior = 0.0, None
        if self.language_model is not None:
            weight, prior = self._weight(), self._language_prior(self.characters_)
        bonus = self.insertion_bonus_
        config = BeamConfig(width=int(self.beam_width), weight=weight, bonus=bonus)
        found = beam_search(scores, prior if weight else None, config)
        return np.array([self._text(each[0].ids) for each in found], np.str_)

    def _text(self, ids: Iterable[int]) -> str:
        return "".join(self.characters_[number - 1] for number in ids)

    def _weight(self) -> float:
        """Return the weight of the language model. Raises ConfigError where there is none."""
        if self.language_model_weight is not None:
            return float(self.language_model_weight)
        if self.language_model_weight_ is None:
            raise ConfigError(
                "no weight was chosen for the language model: call fit_language_model, or set "
                "language_model_weight"
            )
        return self.language_model_weight_

    def _language_prior(self, characters: str, *, anew: bool = False) -> LanguagePrior:
        """Return the language model, which is read again where it is another one, or `anew`."""
        assert self.language_model is not None
        key = self.language_model, characters
        known = getattr(self, "_prior_key", (None, ""))
        if anew or known[0] is not key[0] or known[1] != key[1]:
            self._prior, self._prior_key = LanguagePrior(load(key[0]), characters), key
        return self._prior

    @as_usual
    def score(self, X: Any, y: Any) -> float:
        """Return 1 - the character error rate; see `character_error_rate`."""
        predicted = self.predict(X)
        return 1 - character_error_rate(read_strings(y, len(predicted)), predicted.tolist())

    # Fitting

    @as_usual
    def fit(
        self, X: Any, y: Any, *, resume_from: "RecurrentEstimator | Path | str | None" = None
    ) -> Self:
        """Fit the network to sequences and their strings, and choose the weight of the language
        model, if there is one, on those that are held out.

        PyTorch's global random state and number of threads do not change.

        Args:
            X: an array (N, T, E), or N arrays (T, E) that may differ in T.
            y: N strings.
            resume_from: a fitted transcriber, or the directory of one. The fit begins with its
                weights, and keeps its sizes, its characters and its scaling.

        Raises:
            ConfigError: when a parameter, a shape or a number is not valid, a sequence has fewer
                steps than its string needs, or too few are held out to choose a weight.
            ModelError: when the language model, or the directory `resume_from`, cannot be used.
            DivergedError: when the loss is no longer finite; the earlier fit, if any, is kept.
        """
        super().fit(X, y, resume_from=resume_from)
        if self.language_model is not None and len(self.held_out_):
            strings = read_strings(y, len(X))
            chosen = self.held_out_.tolist()
            self._tune([X[place] for place in chosen], [strings[place] for place in chosen])
        return self

    @as_usual
    def fit_language_model(self, X: Any, y: Any) -> Self:
        """Choose the weight of `language_model`, and the bonus for each character, on sequences
        that were not learned; the network stays as it is. A given `language_model_weight` is kept.

        Args:
            X, y: sequences and their strings, as those of `fit`.

        Raises ConfigError, ModelError, NotFittedError.
        """
        self._check_fitted()
        self._check_params()
        if self.language_model is None:
            raise ConfigError("language_model is None: set one, with set_params")
        self._language_prior(self.characters_, anew=True)
        self._tune(X, read_strings(y, len(X)))
        return self

    def _tune(self, X: Any, strings: list[str]) -> None:
        """Choose `language_model_weight_` and `insertion_bonus_`."""
        tuned = tune(
            self.log_probabilities(X),
            strings,
            self._language_prior(self.characters_),
            characters=self.characters_,
            width=int(self.beam_width),
            weight=None if self.language_model_weight is None else self._weight(),
        )
        self.language_model_weight_, self.insertion_bonus_ = tuned.weight, tuned.bonus

    def _read_targets(
        self, y: Any, count: int, before: "RecurrentTranscriber | None"
    ) -> tuple[dict[str, Any], Targets]:
        strings = read_strings(y, count)
        characters = "".join(sorted(set("".join(strings))))
        if before is not None:
            characters = before.characters_
        if not characters:
            raise ConfigError("y has empty strings only, and there is nothing to learn")
        ids = encode(strings, characters)
        targets = Targets(ids, self._shuffled((ids != BLANK).sum(1)))
        held_out = self._held_out(targets)
        if self.language_model is not None:
            if self.language_model_weight is None and not len(held_out):
                raise ConfigError(
                    f"{count} sequences are too few to hold some out and choose the weight of the "
                    "language model: set language_model_weight, or give more"
                )
            unknown = self._language_prior(characters, anew=True).unknown
            if unknown:
                shown = ", ".join(map(repr, unknown[:10]))
                message = f"the language model does not know {shown}: they are improbable to it"
                warnings.warn(message, CharRNNWarning, stacklevel=6)
        fitted = {
            "characters_": characters,
            "held_out_": held_out,
            "language_model_weight_": None,
            "insertion_bonus_": 0.0,
        }
        return fitted, targets

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

    def _stored(self) -> StoredEstimator:
        stored = super()._stored()
        if self.language_model is None:
            return stored
        parameters = {**stored.parameters, "language_model": LANGUAGE_MODEL}
        return replace(stored, parameters=parameters, language_model=load(self.language_model))

    @classmethod
    def _of(cls, stored: StoredEstimator, path: Path) -> Self:
        """Return the estimator, whose language model is the one in its directory."""
        named = stored.parameters.get("language_model")
        if named != (None if stored.language_model is None else LANGUAGE_MODEL):
            raise ModelError(
                f"{path}: language_model is {named!a:.100}, which is not in the directory"
            )
        parameters = {**stored.parameters, "language_model": stored.language_model}
        loaded = super()._of(replace(stored, parameters=parameters), path)
        if stored.language_model is not None:
            try:
                loaded._language_prior(loaded.characters_)
            except ConfigError as error:
                raise ModelError(f"{path}: {error}") from error
        return loaded

    def _targets_to_json(self) -> dict[str, Any]:
        return {
            "characters": self.characters_,
            "subsampling": self.subsampling_,
            "held_out": self.held_out_.tolist(),
            "language_model_weight": self.language_model_weight_,
            "insertion_bonus": self.insertion_bonus_,
        }

    @staticmethod
    def _targets_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        return strings_from_json(data, outputs, where)
