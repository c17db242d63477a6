"""TRANSDUCE: the definition of translating one string into another. No torch."""

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.tasks.transduce import MOST_SYMBOLS
from charrnn.training.loss import Loss
from charrnn.training.report import LossUnit
from charrnn.training.task import TaskDefinition

if TYPE_CHECKING:
    from charrnn.data.corpus import Corpus
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.request import ExplainRequest
    from charrnn.model.config import ModelConfig
    from charrnn.storage.model_directory import Model, Provenance
    from charrnn.tasks.transduce.card import PairCard
    from charrnn.tasks.transduce.network import Transducer
    from charrnn.tasks.transduce.pairs import PairCorpus
    from charrnn.tasks.transduce.task import PairTask
    from charrnn.tasks.transduce.tokenizer import PairTokenizer
    from charrnn.training.config import TrainingConfig
    from charrnn.training.options import TrainingOptions
    from charrnn.training.report import Evaluate, EvaluationRequest, Rows

SYMBOLS_SHOWN: Final = 40
"""The most characters of sources, symbols of targets and features that `charrnn info` shows."""


class TransduceDefinition(TaskDefinition):
    """The definition of a recurrent neural transducer, which translates a string into another."""

    name = "transduce"
    usage = ("translate {run} TEXT", "translate {run} FILE")
    pairs = True
    held_out_items = "sources"
    validation_fraction = 0.05  # a few hundred pairs are missed where they are held out
    several_models = True
    fields = frozenset({"outputs", "members"})
    bidirectional = True
    betas = (0.9, 0.99)  # a training on pairs is short: 0.999 remembers about half of it

    # The network

    def network(self) -> "Callable[..., Transducer]":
        """Return Transducer."""
        from charrnn.tasks.transduce.network import Transducer

        return Transducer

    def loss(self) -> Loss:
        """See `pair_loss`."""
        from charrnn.tasks.transduce.loss import pair_loss

        return pair_loss

    def check_model(self, config: "ModelConfig") -> None:
        """See TaskDefinition."""
        super().check_model(config)
        if type(config.outputs) is not int or not 1 <= config.outputs <= MOST_SYMBOLS:
            raise ConfigError(
                f"outputs {config.outputs!r}: a network to {self.name} has 1 to {MOST_SYMBOLS:,}"
            )

    def tensor_shapes(self, config: "ModelConfig") -> dict[str, tuple[int, ...]]:
        """See `charrnn.tasks.transduce.shapes`."""
        from charrnn.tasks.transduce.shapes import tensor_shapes

        return tensor_shapes(config)

    def tokenizer_from_json(self, data: object) -> "PairTokenizer":
        """See TaskDefinition."""
        from charrnn.tasks.transduce.tokenizer import PairTokenizer

        return PairTokenizer.from_json(data)

    def check_tokenizer(self, config: "ModelConfig", tokenizer: "Tokenizer") -> None:
        """See TaskDefinition."""
        from charrnn.tasks.transduce.tokenizer import PairTokenizer

        super().check_tokenizer(config, tokenizer)
        assert isinstance(tokenizer, PairTokenizer)
        if tokenizer.outputs != config.outputs:
            raise ModelError(
                f"its tokenizer has {tokenizer.outputs} symbols of targets, its config "
                f"{config.outputs} outputs"
            )

    # The corpus and the plan

    def check_options(self, options: "TrainingOptions") -> None:
        """See TaskDefinition."""
        if options.lines:
            raise ConfigError("--lines: each row of a table is a pair already; leave that out")
        if options.attention is not None:
            raise ConfigError("--attention is for generating text; leave that out for pairs")
        if options.sequence_length is not None:
            raise ConfigError("--sequence-length: sources are read whole; leave that out for pairs")
        if options.bidirectional:
            raise ConfigError(
                "--bidirectional: sources are read in both directions already; leave that out"
            )
        if options.for_labels:
            raise ConfigError(f"{options.for_labels}: pairs have no labels; leave that out")

    def inherit(self, options: "TrainingOptions", base: "Model") -> "TrainingOptions":
        """See TaskDefinition."""
        from charrnn.tasks.transduce.plan import inherit

        return inherit(options, base)

    def read_corpus(self, corpus: "Corpus", **how: Any) -> "PairCorpus":
        """Read the pairs of a corpus; see `read_pairs`."""
        from charrnn.tasks.transduce.pairs import read_pairs

        if corpus.options.source is None:
            raise CorpusError(f"{corpus.name}: it has no pairs; name --source and --target")
        return read_pairs(corpus, **how)

    def make_task(
        self, corpus: Any, settings: "TrainingConfig | TrainingOptions", *, split_seed: int | None
    ) -> "PairTask":
        """See TaskDefinition."""
        from charrnn.tasks.transduce.task import PairTask

        return PairTask(
            corpus,
            validation_fraction=self.held_out_share(settings),
            seed=settings.seed if split_seed is None else split_seed,
        )

    # Texts and units for people

    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """Return the word error rate: the share of sources whose translation is wrong. A training
        step has nats per target."""
        return LossUnit(
            "word error rate",
            "wrong",
            lambda loss: f"{100 * loss:.1f} %",
            lambda nats: f"{nats / math.log(2):.3f} bits per target",
        )

    def describe_loss(self, tokenizer: "Tokenizer", loss: float) -> str:
        """See TaskDefinition."""
        unit = self.loss_unit(tokenizer)
        return f"{unit.name} {unit.show(loss)}"

    def describe_corpus(self, provenance: "Provenance") -> str:
        """See TaskDefinition."""
        return "pairs of a source and a target"

    def model_rows(self, model: "Model") -> "Rows":
        """Return the symbols of sources and targets, and the separator."""
        from charrnn.tasks.transduce.tokenizer import PairTokenizer

        assert isinstance(model.tokenizer, PairTokenizer)
        members = ("members", str(model.config.members))
        return (members, *model.tokenizer.rows(SYMBOLS_SHOWN))

    def card(self) -> "PairCard":
        """See TaskDefinition."""
        from charrnn.tasks.transduce.card import PairCard

        return PairCard()

    # Evaluation

    def evaluation_read_options(
        self, file: str, read: "ReadOptions", trained_on: "ReadOptions | None"
    ) -> "ReadOptions":
        """Return the options with the columns of the training, unless they name others."""
        if read.source is None and trained_on is not None:
            read = dataclasses.replace(
                read,
                source=trained_on.source,
                target=trained_on.target,
                features=trained_on.features,
                target_separator=trained_on.target_separator,
            )
        if read.source is None:
            raise ConfigError(
                f"{file}: say which columns hold the pairs with --source NAME --target NAME"
            )
        return read

    def prepare_evaluation(
        self, request: "EvaluationRequest", progress: "ReadingProgress"
    ) -> "Evaluate":
        """See `charrnn.tasks.transduce.evaluation`."""
        from charrnn.tasks.transduce.evaluation import prepare_evaluation

        return prepare_evaluation(request, progress)

    def explain(self, request: "ExplainRequest") -> "Explanation":
        """See `charrnn.tasks.transduce.explanation`."""
        from charrnn.tasks.transduce.explanation import explain

        return explain(request)


TRANSDUCE: Final = TransduceDefinition()
