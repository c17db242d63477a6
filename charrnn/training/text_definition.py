"""The definition of tasks on running text: no labels, one loss for each character."""

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from charrnn.training.report import LossUnit, bits_per
from charrnn.training.task import TaskDefinition

if TYPE_CHECKING:
    from charrnn.data.corpus import TokenizedCorpus
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.storage.model_directory import Model, Provenance
    from charrnn.training.config import TrainingConfig
    from charrnn.training.options import TrainingOptions
    from charrnn.training.text_task import TextTask

FINE_TUNING_RATE: Final = 1e-3
"""The learning rate for fine-tuning: at a fresh network's rate, a trained network forgets."""


class TextTaskDefinition(TaskDefinition):
    """The definition of a task on running text."""

    def inherit(self, options: "TrainingOptions", base: "Model") -> "TrainingOptions":
        """See TaskDefinition. Fine-tuning has a lower learning rate than a fresh training."""
        from charrnn.training.plan import SIZES_OF_LAYERS, keep_sizes

        base.require(self.name)
        options = keep_sizes(options, base, (*SIZES_OF_LAYERS, "attention"))
        if options.learning_rate is None:
            options = dataclasses.replace(options, learning_rate=FINE_TUNING_RATE)
        if options.readout_scale is None:
            options = dataclasses.replace(options, readout_scale=1.0)
        return options

    @abstractmethod
    def task_class(self) -> "type[TextTask]":
        """Return the class of tasks."""

    def make_task(
        self,
        corpus: "TokenizedCorpus",
        settings: "TrainingConfig | TrainingOptions",
        *,
        split_seed: int | None,
    ) -> "TextTask":
        """See TaskDefinition."""
        return self.task_class()(
            corpus,
            validation_fraction=self.held_out_share(settings),
            lines=settings.lines,
            split_seed=split_seed,
        )

    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """Return bits per character, or per byte."""
        return bits_per(tokenizer.unit)

    def describe_loss(self, tokenizer: "Tokenizer", loss: float) -> str:
        """Describe a loss in bits and in nats."""
        return f"{super().describe_loss(tokenizer, loss)} ({loss:.4f} nats)"

    def describe_corpus(self, provenance: "Provenance") -> str:
        """See TaskDefinition."""
        return "each line a document" if provenance.lines else "one running text"

    def describe_held_out(self, provenance: "Provenance") -> str:
        """See TaskDefinition."""
        share = f"{100 * provenance.validation_fraction:.3g} %"
        seed = self.held_out_seed(provenance)
        return (
            f"its last {share}"
            if seed is None
            else f"{share} of the lines, drawn by the seed {seed}"
        )
