"""Labelled documents: texts, each with a class or a number to predict.

    charrnn train mails.csv --text body --label kind       a row is a document (.jsonl, .parquet)
    charrnn train mails --label folder                     mails/spam/1.txt, mails/ham/2.txt, ...

Newlines at the end of a document are left out, so that a line of a file and a cell of a table give
the same text.

Legend: N characters, D documents.
"""

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.documents import EMPTY, Document, problem_of, read_documents
from charrnn.data.splitting import check_validation_fraction
from charrnn.data.table_cells import cell_text
from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import Reading, ReadingProgress, no_progress, read_twice
from charrnn.errors import CorpusError
from charrnn.tasks.classify import MOST_CLASSES

LONGEST_LABEL: Final = 200
LARGEST_LABELS: Final = 1 << 19
"""The most characters of a class name, and the most bytes of all class names."""

LARGEST_NUMBER: Final = 1e30
"""The largest number to learn: the square of a larger one overflows float32."""

_CHUNK: Final = 1 << 20
"""The fewest ids that are read together."""

_SHOWN: Final = 10
"""The most classes that a message names."""


@dataclass(frozen=True)
class LabelledCorpus(TokenizedCorpus):
    """Documents as ids, one after another, each with its label.

    Attributes:
        sha256: the SHA-256 of the texts and labels.
        bytes: the length of the texts as UTF-8.
        bounds: (D + 1,) where each document begins, and where the last one ends.
        targets: (D,) the number of each document's class (int64), or its number (float64).
        labels: the names of the classes, sorted; empty for numbers.
    """

    bounds: Int64Array = field(kw_only=True, repr=False)
    targets: npt.NDArray[Any] = field(kw_only=True, repr=False)
    labels: tuple[str, ...] = field(kw_only=True)

    @property
    def lengths(self) -> Int64Array:
        """The characters of each document (D,)."""
        return np.diff(self.bounds)

    def document(self, number: int) -> Ids:
        """Return the ids of a document."""
        return self.ids[self.bounds[number] : self.bounds[number + 1]]

    def split_documents(
        self, validation_fraction: float, *, seed: int
    ) -> tuple[Int64Array, Int64Array]:
        """Return the numbers of the training documents and of the validation documents, drawn by
        the seed, with the same share of every class.

        Raises CorpusError where a class has only one document, ConfigError for a fraction out of
        range.
        """
        check_validation_fraction(validation_fraction)
        count = len(self.targets)
        classes = self.targets if self.labels else np.zeros(count, dtype=np.int64)
        order = np.random.default_rng(seed).permutation(count)
        held_out = np.zeros(count, dtype=np.bool_)
        for number in range(max(len(self.labels), 1)):
            members = order[classes[order] == number]
            if len(members) < 2:
                raise self._too_few(number)
            share = round(validation_fraction * len(members))
            held_out[members[: min(max(share, 1), len(members) - 1)]] = True
        return order[~held_out[order]], order[held_out[order]]

    def _too_few(self, number: int) -> CorpusError:
        if not self.labels:
            return CorpusError(
                f"{self.name}: one document is too few; one is to learn from, one to be held out"
            )
        hint = ""
        if len(self.labels) > len(self.targets) / 2:
            hint = f"; is {self.options.label!r} the right column?"
            if all(as_number(label) is not None for label in self.labels):
                hint = "; to predict numbers, not classes: --regress"
        return CorpusError(
            f"{self.name}: the class {self.labels[number]!r} has one document, and needs one to "
            f"learn from and one to be held out: add to it, or leave it out{hint}"
        )


def read_labelled(
    corpus: Corpus, *, numbers: bool = False, classes: tuple[str, ...] | None = None, **how: Any
) -> LabelledCorpus:
    """Read the documents of a corpus whose options name a label; twice, as `tokenize` does.

    Args:
        numbers: whether labels are numbers, not classes.
        classes: the classes of an existing model, in its order, empty for a model of numbers. Not
            all of them need occur, and one document is enough, since nothing is learned.
        how: the other arguments of `tokenize`.

    Raises CorpusError where a text or a label is missing or cannot be used.
    """
    text = read_twice(partial(_DocumentReading, corpus, numbers), **how)
    first = text.first
    found = first.labels
    if bool in first.types and not first.types.isdisjoint(_NUMBERS):
        found = [_BOOLEANS.get(label, label) for label in found]
    if classes is not None:
        found = _as_known(found, classes)
        _check_known(corpus, found, classes)
        labels = classes
    else:
        labels = () if numbers else _classes(corpus, found)
        if numbers:
            _check_various(corpus, found)
    return LabelledCorpus(
        corpus.name,
        corpus.sources,
        corpus.options,
        first.digest.hexdigest(),
        first.bytes,
        text.tokenizer,
        text.ids,
        text.skipped,
        folders=corpus.folders,
        bounds=np.concatenate([[0], np.cumsum(np.frombuffer(first.lengths, np.int64))]),
        targets=_targets(found, labels),
        labels=labels,
    )


class _DocumentReading(Reading):
    """One pass over labelled documents, which keeps their labels and lengths.

    Attributes:
        digest: the hash of the texts and labels.
        labels: the label of each document.
        types: the types of the labels.
        lengths: the length of each document in ids, int64.
    """

    nothing = "there are no documents in it"

    def __init__(
        self,
        corpus: Corpus,
        numbers: bool,
        *,
        as_bytes: bool,
        at_most: int | None = None,
        progress: ReadingProgress = no_progress,
    ) -> None:
        super().__init__(corpus.name, at_most)
        self._corpus, self._as_bytes, self._progress = corpus, as_bytes, progress
        self._parse: Callable[[str, Any], str | float] = _number if numbers else _class
        self._classes: dict[str | float, str | float] = {}
        self.labels: list[str | float] = []
        self.types: set[type] = set()
        self.lengths = array("q")

    def chunks(self, prepare: Callable[[str], str]) -> Iterator[str]:
        """Yield the texts, many joined: counting the characters of one takes as long as of a
        page."""
        pending: list[str] = []
        size = 0
        for name in self._corpus.sources:
            for document in read_documents(name, self._corpus.options, as_bytes=self._as_bytes):
                pending.append(self._take(document, prepare))
                size += self.lengths[-1]
                if size >= _CHUNK:
                    yield "".join(pending)
                    pending, size = [], 0
                    self._progress("reading", self.bytes, None)
        if pending:
            yield "".join(pending)

    def _take(self, document: Document, prepare: Callable[[str], str]) -> str:
        """Check, hash and count a document and its label; return its text."""
        if document.problem is not None:
            advice = "; leave it out, or give it one" * (document.problem == EMPTY)
            raise CorpusError(f"{document.where}: {document.problem}{advice}")
        label = self._parse(document.where, document.label)
        text = prepare(document.text)
        if not text:
            raise CorpusError(
                f"{document.where}: it has no character that the model knows; leave it out"
            )
        encoded = text.encode("utf-8", "surrogateescape")
        length = len(encoded) if self._as_bytes else len(text)
        # Neither separator ever occurs in UTF-8.
        content = b"\xfe%b\xff%b" % (encoded, str(label).encode())
        self.add(content, size=len(encoded), count=length)
        self.lengths.append(length)
        # All documents of a class share one object.
        self.labels.append(self._classes.setdefault(label, label))
        self.types.add(type(document.label))
        return text


def _class(where: str, label: object) -> str:
    name = _label_text(where, label)
    if len(name) > LONGEST_LABEL:
        raise CorpusError(
            f"{where}: its label has {len(name):,} characters ({LONGEST_LABEL} at most); "
            "is that the right column?"
        )
    if (problem := problem_of(name)) is not None:
        raise CorpusError(f"{where}: in its label, {problem}")
    return name.rstrip("\r\n")


def _number(where: str, label: object) -> float:
    text = _label_text(where, label)
    number = as_number(label)
    if number is None:
        raise CorpusError(f"{where}: its label {text!r:.50} is not a number, as --regress needs")
    if abs(number) > LARGEST_NUMBER:
        raise CorpusError(f"{where}: its label {number:g} is too large; scale all of them down")
    return number


def _label_text(where: str, label: object) -> str:
    """Return a label as text. Raises CorpusError where it is missing, or is not text."""
    try:
        text = cell_text(label)
    except ValueError as error:
        raise CorpusError(f"{where}: its label is {error}") from error
    if text is None or not text.strip():
        raise CorpusError(f"{where}: it has no label; leave it out, or give it one")
    return text


def as_number(label: object) -> float | None:
    """Return a label as a finite number; None where it is not one."""
    if isinstance(label, bool):
        return None
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    try:
        number = float(label)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _classes(corpus: Corpus, labels: list[str | float]) -> tuple[str, ...]:
    names = tuple(sorted({str(label) for label in labels}))
    if len(names) == 1:
        raise CorpusError(
            f"{corpus.name}: all documents are of the class {names[0]!r}; there is nothing to "
            "tell apart"
        )
    if len(names) > MOST_CLASSES or sum(len(name.encode()) + 8 for name in names) > LARGEST_LABELS:
        raise CorpusError(
            f"{corpus.name}: {len(names):,} classes are too many; is {corpus.options.label!r} the "
            "right column?"
        )
    return names


_NUMBERS: Final = (int, float, Decimal)

_BOOLEANS: Final[dict[str | float, str | float]] = {"True": "1", "False": "0"}
"""The numbers that booleans equal, in a column that also has numbers."""


def _as_known(labels: list[str | float], known: tuple[str, ...]) -> list[str | float]:
    """Return the labels in a model's spelling: a label that the model does not know may equal a
    number that it knows, such as 1.0 in a table of text."""
    numbers = {as_number(_BOOLEANS.get(name, name)): name for name in known}

    def same(label: str | float) -> str | float:
        number = as_number(_BOOLEANS.get(label, label))
        return numbers.get(number, label) if number is not None else label

    known_as_it_is = {*known}
    return [label if label in known_as_it_is else same(label) for label in labels]


def _check_known(corpus: Corpus, labels: list[str | float], known: tuple[str, ...]) -> None:
    """Raise CorpusError where a document is of a class that a model does not know."""
    strange = sorted({str(label) for label in labels} - {*known}) if known else []
    if strange:
        count = sum(label in strange for label in labels)
        shown = ", ".join(f"{name!r:.50}" for name in strange[:_SHOWN])
        more = f" and {len(strange) - _SHOWN:,} more" if len(strange) > _SHOWN else ""
        raise CorpusError(
            f"{corpus.name}: {count:,} of its {len(labels):,} documents have a class that the "
            f"model does not know: {shown}{more}; leave them out"
        )


def _check_various(corpus: Corpus, numbers: list[str | float]) -> None:
    """Raise CorpusError where all numbers are the same."""
    if len({*numbers}) == 1:
        raise CorpusError(
            f"{corpus.name}: all numbers are {numbers[0]:g}; there is nothing to learn"
        )


def _targets(labels: list[str | float], names: tuple[str, ...]) -> Int64Array | Float64Array:
    if not names:
        return np.array(labels, dtype=np.float64)
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[str(label)] for label in labels], dtype=np.int64)
