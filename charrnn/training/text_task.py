"""The common part of tasks on running text, over a corpus."""

import dataclasses
import functools
import math
from collections.abc import Callable

from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.tokenizer import CharTokenizer
from charrnn.evaluation.copies import copied_share
from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.training.advice import LARGEST_COUNTED, advise_on_alphabet, describe_held_out
from charrnn.training.checkpoint import TrainingState
from charrnn.training.config import TrainingConfig
from charrnn.training.forecast import share_of_n_gram
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import copy_weights
from charrnn.training.recipe import (
    BATCH_SIZE,
    SEQUENCE_LENGTH,
    choose_batch,
    choose_dropout,
    choose_model,
    choose_readout_scale,
)
from charrnn.training.task import Task
from charrnn.wording import counted


class TextTask(Task):
    """A task on a text, part of which is held out.

    Args:
        corpus: the text.
        validation_fraction, lines, split_seed: see TrainingConfig.

    Attributes:
        lines: whether each line is a document.
        training, validation: the ids (N,) to learn from, and the held-out ids.
        usual_batch: the default batch size and sequence length.
        sequence_name: what a row of a batch is called.
    """

    usual_batch: tuple[int, int] = (BATCH_SIZE, SEQUENCE_LENGTH)
    sequence_name: str = "sequence"

    def __init__(
        self,
        corpus: TokenizedCorpus,
        *,
        validation_fraction: float,
        lines: bool = False,
        split_seed: int | None = None,
    ) -> None:
        self.corpus, self.lines = corpus, lines
        self.training, self.validation = corpus.split(
            validation_fraction, lines=lines, seed=split_seed
        )

    @property
    def training_characters(self) -> int:
        """The number of characters to learn from."""
        return len(self.training)

    @property
    def validation_characters(self) -> int:
        """The number of held-out characters."""
        return len(self.validation)

    @functools.cached_property
    def copied_share(self) -> float | None:
        """The share of the held-out text that is copied from the training text; None where the
        training text is too long to compare before the training begins."""
        if len(self.training) > LARGEST_COUNTED:
            return None
        return copied_share(self.training, self.validation)

    def choose_batch(self, options: TrainingOptions) -> tuple[int, int]:
        """See `charrnn.training.recipe.choose_batch`."""
        return choose_batch(
            options, training_characters=self.training_characters, usual=self.usual_batch
        )

    def notes(
        self, options: TrainingOptions, batch_size: int, sequence_length: int, *, fresh: bool
    ) -> list[str]:
        """Describe what is held out, a batch that is smaller than usual, and what to do about a
        large alphabet."""
        notes = describe_held_out(
            self.training,
            self.validation,
            self.corpus.tokenizer,
            lines=options.lines,
            copied=self.copied_share,
        )
        for name, had in (("batch_size", batch_size), ("sequence_length", sequence_length)):
            wanted = getattr(options, name) or self.usual_batch[name == "sequence_length"]
            if had < wanted:
                notes.append(
                    f"{name.replace('_', ' ')} {had} instead of {wanted}: the text is short "
                    f"({self.training_characters:,} characters)"
                )
        if fresh:
            notes.extend(advise_on_alphabet(self.corpus, batch_size, sequence_length))
        return notes

    def choose_model(
        self,
        options: TrainingOptions,
        sequence_length: int,
        characters: Callable[[ModelConfig], float],
    ) -> ModelConfig:
        """See `charrnn.training.recipe.choose_model`."""
        bidirectional = self.definition.bidirectional
        return choose_model(
            options,
            task=self.name,
            bidirectional=options.bidirectional if bidirectional is None else bidirectional,
            vocabulary_size=self.corpus.tokenizer.vocabulary_size,
            training_characters=self.training_characters,
            characters=characters,
        )

    def regularize(
        self, options: TrainingOptions, config: TrainingConfig, model: ModelConfig, epochs: float
    ) -> tuple[TrainingConfig, ModelConfig]:
        """Choose dropout and the readout scale by how easily the text is memorized."""
        characters = self.training_characters
        scale = choose_readout_scale(options, model, epochs=epochs, training_characters=characters)
        model = choose_dropout(options, model, epochs=epochs, training_characters=characters)
        return dataclasses.replace(config, readout_scale=scale), model

    def copy_weights(self, base: Model, network: RecurrentNetwork) -> list[str]:
        """Copy all weights; characters that the base does not know keep their fresh rows."""
        old, new = base.config.vocabulary_size, self.corpus.tokenizer.vocabulary_size
        copy_weights(base, network, new)
        tokenizer = self.corpus.tokenizer
        if not isinstance(tokenizer, CharTokenizer) or new == old:
            return [f"all {old} characters are known to the model"]
        added = " ".join(map(repr, tokenizer.characters[old:][:40]))
        return [f"{new - old} characters are new to the model and get fresh rows: {added}"]

    def describe_size(self) -> str:
        """See Task."""
        return f"a text of {self.training_characters:,} characters"

    def describe_corpus(self) -> str:
        """See Task."""
        return f"{len(self.corpus.ids):,} characters"

    def describe_batch(self, config: TrainingConfig) -> str:
        """See Task."""
        length = counted(config.sequence_length, "character")
        return f"{counted(config.batch_size, self.sequence_name)} of {length}"

    def headline(self, position: TrainingState, config: TrainingConfig) -> str:
        """Describe the best validation loss."""
        assert position.best_nats is not None
        unit = self.corpus.tokenizer.unit
        read, held_out = config.evaluation_characters, self.validation_characters
        text = "the held-out text"
        if read < held_out:
            text = f"{read:,} of the {held_out:,} {unit}s of {text}"
        bits = position.best_nats / math.log(2)
        return f"best model: {bits:.3f} bits per {unit} on {text} (step {position.best_step:,})"

    def gain_of_epochs(self, config: TrainingConfig, times: float) -> float:
        """See Task; this follows the law of `charrnn.training.forecast`."""
        characters = config.steps * config.batch_size * config.sequence_length
        epochs = characters / self.training_characters
        now, then = (
            share_of_n_gram(factor * epochs, factor * characters) for factor in (1.0, times)
        )
        return 1 - then / now
