"""CorpusDefinition: what follows from the name of a task for its corpus and its tokenizer. No
torch."""

from typing import TYPE_CHECKING, Any

from charrnn.data.read_options import PAIRS
from charrnn.data.tokenizer import tokenizer_from_json
from charrnn.errors import ModelError
from charrnn.training.options import VALIDATION_FRACTION

if TYPE_CHECKING:
    from charrnn.data.corpus import Corpus, TokenizedCorpus
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.model.config import ModelConfig
    from charrnn.storage.model_directory import Provenance
    from charrnn.training.config import TrainingConfig
    from charrnn.training.options import TrainingOptions


class CorpusDefinition:
    """The corpus and the tokenizer of a task: texts, labelled documents, or pairs of strings.

    Attributes:
        labelled: whether each document has a label to learn.
        pairs: whether the corpus is pairs of strings.
        held_out_items: what is drawn to be held out, such as `documents`; None: the last part of a
            text is held out, or lines.
        validation_fraction: the share that is held out by default.
    """

    labelled: bool = False
    pairs: bool = False
    held_out_items: str | None = None
    validation_fraction: float = VALIDATION_FRACTION

    def held_out_share(self, settings: "TrainingConfig | TrainingOptions") -> float:
        """Return the share that is held out: the given one, or the usual one."""
        given = settings.validation_fraction
        return self.validation_fraction if given is None else given

    @property
    def unused_read_options(self) -> frozenset[str]:
        """The ReadOptions on what only other tasks learn from."""
        if self.pairs:
            return frozenset({"column", "label"})
        return frozenset(PAIRS) if self.labelled else frozenset({"label", *PAIRS})

    def learns_from(self, options: "ReadOptions") -> bool:
        """Return whether options read what this task learns from: texts, labelled documents or
        pairs."""
        read = (options.label is not None, options.source is not None)
        return read == (self.labelled, self.pairs)

    def tokenizer_from_json(self, data: object) -> "Tokenizer":
        """Return the tokenizer of the content of tokenizer.json. Raises ModelError."""
        return tokenizer_from_json(data)

    def check_tokenizer(self, config: "ModelConfig", tokenizer: "Tokenizer") -> None:
        """Raise ModelError where a tokenizer does not belong to a network of this task."""
        if tokenizer.vocabulary_size != config.vocabulary_size:
            raise ModelError(
                f"its tokenizer has {tokenizer.vocabulary_size} characters, its config "
                f"{config.vocabulary_size}"
            )

    def read_corpus(self, corpus: "Corpus", **how: Any) -> "TokenizedCorpus":
        """Return the corpus as ids; for `how`, see `tokenize`. Raises CorpusError."""
        from charrnn.data.corpus import tokenize

        return tokenize(corpus, **how)

    def held_out_seed(self, settings: "TrainingConfig | Provenance") -> int | None:
        """Return the seed that drew the held-out part; None: it is the last part of the text."""
        if settings.split_seed is None and self.held_out_items is not None:
            return settings.seed
        return settings.split_seed

    def new_held_out_seed(self, options: "TrainingOptions") -> int | None:
        """Return the seed that draws the held-out part of a new training; None: its last part."""
        return options.seed if options.lines or self.held_out_items is not None else None
