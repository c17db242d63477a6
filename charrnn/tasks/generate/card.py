"""What a model card says about a language model."""

import math
from typing import Final

from charrnn.data.tokenizer import Ids
from charrnn.evaluation.baselines import BASELINES
from charrnn.evaluation.copies import LENGTH, longest_copy
from charrnn.evaluation.scoring import held_out
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.training.advice import LARGEST_COUNTED
from charrnn.training.task_card import (
    CardSource,
    Example,
    Results,
    TaskCard,
    describe_alphabet,
    describe_size,
)

SEEDS: Final = (0, 1, 2)
SAMPLE_LENGTH: Final = 300
"""The seeds of the samples, and the characters of each."""

COMPARED: Final = 100
"""The number of samples that are compared with the training text."""


class GenerateCard(TaskCard):
    """See TaskCard."""

    pipeline_tag = "text-generation"
    metrics = ("bits_per_character",)

    def purpose(self, source: CardSource) -> str:
        """See TaskCard."""
        unit = source.model.tokenizer.unit
        if source.model.provenance.lines:
            return f"It writes new lines like those that it was trained on, {unit} by {unit}."
        return f"It continues a text, or writes a new one, {unit} by {unit}."

    def results(self, source: CardSource) -> Results:
        """Return the loss beside that of simpler models, as the training measured them."""
        unit = source.model.tokenizer.unit
        nats = source.model.provenance.validation_nats
        if nats is None:
            return Results(remarks=("The training ended before the first evaluation.",))
        rows = [("this model", nats)]
        rows += [(BASELINES.get(name, name), each) for name, each in source.baselines.items()]
        shown = tuple((name, f"{each / math.log(2):.3f} bits per {unit}") for name, each in rows)
        if source.baselines:
            return Results(rows=shown)
        return Results(
            rows=shown,
            remarks=(
                "The loss of simpler models on the same text is not recorded here; `charrnn "
                "evaluate` computes it where the training text is.",
            ),
        )

    def examples(self, source: CardSource) -> tuple[Example, ...]:
        """Return three samples."""
        sampler = Sampler(source.model)
        return tuple(
            Example(_command(source, seed), sampler.sample(config=_config(source, seed)))
            for seed in SEEDS
        )

    def copies(self, source: CardSource) -> Example:
        """See TaskCard."""
        unit = source.model.tokenizer.unit
        if source.corpus is None:
            return Example(
                "",
                "How long the passages are that samples copy from the training text could not be "
                "measured: the text is not where it was when the model was trained.",
            )
        training, _ = held_out(source.model, source.corpus)
        if len(training) > LARGEST_COUNTED:
            return Example(
                "",
                "How long the passages are that samples copy from the training text was not "
                f"measured: it has more than {LARGEST_COUNTED:,} {unit}s.",
            )
        length, number = longest_copy(training, self._compared(source))
        sentence = (
            f"Of {COMPARED} samples of at most {SAMPLE_LENGTH} characters, none copies more than "
            f"{length:,} {unit}s in a row from the training text."
        )
        if length >= LENGTH:
            sentence += (
                " So the model repeats passages of its text: whoever may not publish the text "
                "should not publish the model."
            )
        index = f" --index {number}" if number else ""
        return Example(_command(source, SEEDS[0]) + index, f"{sentence} The longest copy is in:")

    def _compared(self, source: CardSource) -> list[Ids]:
        """Return the ids (N,) of the samples that are compared."""
        tokenizer = source.model.tokenizer
        samples = Sampler(source.model).samples(
            config=_config(source, SEEDS[0]), indices=range(COMPARED)
        )
        return [tokenizer.encode(each.text) for each in samples]

    def limits(self, source: CardSource) -> list[str]:
        """See TaskCard."""
        return [
            describe_size(source.model),
            "It has learned which characters follow which. It does not know what is true: names, "
            "numbers and facts in its texts are made up.",
            "It answers no questions and follows no instructions.",
            describe_alphabet(source.model),
        ]


def _config(source: CardSource, seed: int) -> SamplingConfig:
    return SamplingConfig(length=SAMPLE_LENGTH, seed=seed, lines=source.model.provenance.lines)


def _command(source: CardSource, seed: int) -> str:
    """Return the command that writes the sample of a seed, without an index."""
    return f"charrnn sample {source.name} --length {SAMPLE_LENGTH} --seed {seed}"
