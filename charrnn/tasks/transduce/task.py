"""PairTask: pairs of strings, and what a transducer learns from them.

Legend: D pairs, B batch.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch

from charrnn.array_types import Int64Array
from charrnn.data.buckets import count_batches
from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.loader import LoaderSettings
from charrnn.errors import CorpusError
from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model, Provenance
from charrnn.storage.run import Run
from charrnn.tasks.transduce.batches import PairLoader, Pairs
from charrnn.tasks.transduce.evaluation import evaluate_translations
from charrnn.tasks.transduce.loss import member_nats
from charrnn.tasks.transduce.network import Transducer
from charrnn.tasks.transduce.pair_rows import Source
from charrnn.tasks.transduce.pairs import PairCorpus
from charrnn.tasks.transduce.plan import (
    choose_regularization,
    choose_transducer,
    copy_weights,
    pairs_at_once,
)
from charrnn.tasks.transduce.similar_symbols import begin_alike, characters_of, share_gradients
from charrnn.tasks.transduce.translate import Translator
from charrnn.training.checkpoint import TrainingState
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import arrays
from charrnn.training.report import NextCommand, TrainingSummary
from charrnn.training.task import Task
from charrnn.wording import counted

EVALUATED_TOGETHER: Final = 64
"""The most held-out pairs that are read side by side."""

WEIGHT_OF_NATS: Final = 1e-4
"""What a nat per target counts beside the share of wrong translations, so that among models with as
many errors the more certain one is the best."""

SHOWN: Final = 3
"""The held-out sources that are shown with their translations."""

LONGEST_EXAMPLE: Final = 40
"""The most characters of a source in a command to try after a training."""


LEAST_OVERLAP: Final = 0.7
"""The least share of the targets' symbols that occur in their sources for the network to copy: that
`a` is pronounced `a` is no copying."""


def overlap(corpus: PairCorpus, rows: Int64Array, copies: Int64Array) -> float:
    """Return the share of the symbols of targets that their sources have, too."""
    own = np.zeros(len(corpus), dtype=np.bool_)
    own[rows] = True
    row_of_id = np.repeat(np.arange(len(corpus)), corpus.source_lengths)
    row_of_symbol = np.repeat(np.arange(len(corpus)), corpus.target_lengths)
    equal = copies[corpus.source_ids]  # the symbol that equals each character; -1 for none
    there, wanted = own[row_of_id] & (equal >= 0), own[row_of_symbol]
    outputs = corpus.tokenizer.outputs
    sources = row_of_id[there] * outputs + equal[there]
    targets = row_of_symbol[wanted] * outputs + corpus.target_ids[wanted]
    return float(np.isin(targets, sources).sum() / max(len(targets), 1))


class PairTask(Task):
    """The task of writing targets for sources.

    The validation loss is the share of held-out sources of which the most probable symbols, one
    after another, are no correct target.

    Args:
        corpus: the pairs.
        validation_fraction, seed: see TrainingOptions.
    """

    name = "transduce"
    corpus: PairCorpus

    def __init__(
        self, corpus: TokenizedCorpus, *, validation_fraction: float, seed: int = 0
    ) -> None:
        if not isinstance(corpus, PairCorpus):
            raise CorpusError(f"{corpus.name}: it has no pairs of sources and targets")
        self.corpus = corpus
        training, validation = corpus.split_pairs(validation_fraction, seed=seed)
        copies = corpus.tokenizer.copies()
        if overlap(corpus, training, copies) < LEAST_OVERLAP:
            copies = np.full_like(copies, -1)
        self.training, self.validation = (
            Pairs([*map(corpus.source, rows)], [*map(corpus.target, rows)], copies)
            for rows in (training, validation)
        )
        self._references = corpus.references(validation)
        self._sources = [corpus.pair(int(row)).source for row in validation]
        self._characters = characters_of(corpus.tokenizer.target)
        self._nats = math.nan
        self._wrong = math.nan

    @property
    def training_characters(self) -> int:
        """See Task."""
        return self.training.characters

    @property
    def validation_characters(self) -> int:
        """See Task."""
        return self.validation.characters

    def make_loader(self, settings: LoaderSettings) -> PairLoader:
        """Return the batches of a training; see Task."""
        return PairLoader(self.training, batch_size=settings.batch_size, seed=settings.seed)

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """Return the number of batches of the pairs."""
        return count_batches(self.training, batch_size)

    @torch.no_grad()
    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """Yield the share of wrong translations, and a little for each nat per target.

        Where not all pairs are read, a fixed random sample of them is.
        """
        assert isinstance(network, Transducer)
        translator = Translator(self._model(network), beam=1)
        nats, count, wrong, characters = 0.0, 0, 0, 0
        order = np.random.default_rng(0).permutation(len(self.validation))
        for start in range(0, len(order), EVALUATED_TOGETHER):
            rows = order[start : start + EVALUATED_TOGETHER]
            for places in self.validation.batches(rows, EVALUATED_TOGETHER):
                batch = self.validation.batch(places)
                nats += float(member_nats(network, batch).mean(dim=0).sum())
                characters += batch.characters
            wrong += self._count_wrong(translator, rows)
            count += len(rows)
            self._nats, self._wrong = nats / count, wrong / count
            yield self._wrong + min(WEIGHT_OF_NATS * self._nats, 1.0), characters
            if characters >= at_most:
                break

    def is_better(self, nats: float, best_nats: float) -> bool:
        """Return whether no more translations are wrong than chance may add, one standard error.

        A few dozen held-out sources do not tell models apart that differ by less, and of those the
        later one, with a lower learning rate and a longer average, is better.
        """
        share = min(best_nats, 1.0)
        return nats <= best_nats + math.sqrt(share * (1 - share) / len(self._sources))

    def _count_wrong(self, translator: Translator, rows: Int64Array) -> int:
        sources = [self._sources[row] for row in rows]
        features = [";".join(each.features) for each in sources]
        translations = translator.translate([each.text for each in sources], features)
        return sum(
            each.text not in self._references[source]
            for source, each in zip(sources, translations, strict=True)
        )

    def _model(self, network: RecurrentNetwork) -> Model:
        """Return a model with the weights of a network, to translate with."""
        origin = Provenance(
            corpus=self.corpus.name,
            sha256=self.corpus.sha256,
            corpus_bytes=self.corpus.bytes,
            corpus_characters=self.corpus.characters,
            validation_fraction=0.0,
            lines=False,
            step=0,
            characters=0,
            seconds=0.0,
            seed=0,
            validation_nats=None,
        )
        return Model(network.config, self.corpus.tokenizer, arrays(network), origin)

    def measures(self) -> dict[str, float]:
        """Return the word error rate, and nats per target."""
        return {"word_error_rate": self._wrong, "nats_per_target": self._nats}

    def sample(self, model: Model, seed: int) -> str:
        """Return some held-out sources with their translations."""
        chosen = np.random.default_rng(seed).permutation(len(self._sources))[:SHOWN]
        sources = [self._sources[place] for place in chosen]
        features = [";".join(each.features) for each in sources]
        translations = Translator(model, beam=1).translate(
            [each.text for each in sources], features
        )
        return "\n".join(
            self._describe(source, each.text)
            for source, each in zip(sources, translations, strict=True)
        )

    def _describe(self, source: Source, translation: str) -> str:
        correct = self._references[source]
        said = "" if translation in correct else f" (correct: {' or '.join(sorted(correct))})"
        tags = f" ({', '.join(source.features)})" if source.features else ""
        return f"{source.text}{tags} -> {translation}{said}"

    def prepare(self, network: RecurrentNetwork) -> None:
        """Let similar symbols learn from each other; see `similar_symbols`."""
        super().prepare(network)
        assert isinstance(network, Transducer)
        if self._characters is not None:
            share_gradients(network, self._characters)

    def initialize(self, network: RecurrentNetwork) -> None:
        """Let similar symbols begin alike."""
        assert isinstance(network, Transducer)
        if self._characters is not None:
            begin_alike(network, self._characters)

    # The plan

    def choose_batch(self, options: TrainingOptions) -> tuple[int, int]:
        """Return how many pairs a step reads, and the most characters of a source."""
        longest = int(self.training.source_lengths.max())
        return pairs_at_once(options, len(self.training)), longest

    def step_characters(self, batch_size: int, sequence_length: int) -> float:
        """See Task."""
        return self.training_characters / self.steps_per_epoch(batch_size, sequence_length)

    def choose_model(
        self,
        options: TrainingOptions,
        sequence_length: int,
        characters: Callable[[ModelConfig], float],
    ) -> ModelConfig:
        """See `choose_transducer`."""
        return choose_transducer(
            options,
            tokenizer=self.corpus.tokenizer,
            pairs=len(self.training),
            epochs=lambda config: characters(config) / self.training_characters,
        )

    def regularize(
        self, options: TrainingOptions, config: TrainingConfig, model: ModelConfig, epochs: float
    ) -> tuple[TrainingConfig, ModelConfig]:
        """Choose the dropout, the learning rate and the patience."""
        return choose_regularization(options, config, model, pairs=len(self.training))

    def copy_weights(self, base: Model, network: RecurrentNetwork) -> list[str]:
        """See `charrnn.tasks.transduce.plan.copy_weights`."""
        return copy_weights(base, network, self.corpus.tokenizer)

    # Texts for people

    def describe_size(self) -> str:
        """See Task."""
        return counted(len(self.training), "pair")

    def describe_corpus(self) -> str:
        """See Task."""
        tokenizer = self.corpus.tokenizer
        return (
            f"{len(self.corpus):,} pairs, {self.corpus.characters:,} characters; "
            f"{counted(len(tokenizer.source), 'different character')} of sources, "
            f"{counted(tokenizer.outputs, 'symbol')} of targets"
        )

    def describe_batch(self, config: TrainingConfig) -> str:
        """See Task."""
        return counted(config.batch_size, "pair")

    def headline(self, position: TrainingState, config: TrainingConfig) -> str:
        """Describe the step of the best model."""
        return (
            f"best model: step {position.best_step:,}, which translates the most held-out sources "
            "correctly"
        )

    def next_commands(self) -> tuple[NextCommand, ...]:
        """See Task; with a held-out source."""
        text = self._sources[0].text
        shown = (
            text if text.isprintable() and "'" not in text and len(text) < LONGEST_EXAMPLE else ""
        )
        evaluate = NextCommand("charrnn evaluate {run}", "measure it on the held-out sources")
        return (
            NextCommand(f"charrnn translate {{run}} '{shown or 'TEXT'}'", "translate a text"),
            evaluate,
            NextCommand("charrnn info {run}", "show what the model is"),
        )

    def summarize(self, run: Run) -> TrainingSummary:
        """Return the error rates of the best model on held-out sources."""
        report = evaluate_translations(run.best_model(), self._references, held_out=True)
        return TrainingSummary(rows=report.rows, table=report.table)
