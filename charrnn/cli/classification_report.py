"""How well a model tells classes or numbers, on screen: for `train` and `evaluate`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from charrnn.data.corpus import ReadingProgress
    from charrnn.data.sources import ReadOptions
    from charrnn.storage.model_directory import Model
    from charrnn.tasks.classify.documents import Indices, LabelledCorpus
    from charrnn.tasks.classify.report import Float64Array
    from charrnn.training.checkpoint import Checkpoint

LARGEST_AT_THE_END: Final = 2_000_000
"""Characters that are read at the end of a training at most; `charrnn evaluate` reads all."""

_LARGEST_MATRIX: Final = 10
_CONFUSIONS: Final = 8
_LONGEST_NAME: Final = 24
"""Classes whose matrix is shown; of more, the most frequent confusions; and characters of a
name."""


def show(
    console: "Console",
    predictions: "Float64Array",
    targets: Any,
    learned: Any,
    labels: Sequence[str],
    *,
    held_out: bool = True,
) -> None:
    """Prints how good predictions (N, C) are, beside the simplest guess, and which classes are
    taken for which.

    Args:
        targets: (N,) what is right.
        learned: (M,) the targets that were learned from; None where they are not known.
    """
    import numpy as np

    from charrnn.cli.display import key_value_table, printable
    from charrnn.evaluation.metrics import confusion_matrix
    from charrnn.tasks.classify.report import NAMES, measures

    known = measures(predictions, targets, learned, classes=len(labels))
    rows = [("held-out texts" if held_out else "texts", f"{len(targets):,}")]
    digits, guess = ".3f" if labels else ".4g", ""
    if learned is not None:
        guess = (
            repr(labels[int(np.bincount(learned).argmax())]) if labels else f"{learned.mean():.4g}"
        )
    for name, title in NAMES.items():
        if name in known:
            text = f"{known[name]:{digits}}"
            if f"baseline_{name}" in known:
                text += f"; {guess:.60} for all: {known[f'baseline_{name}']:{digits}}"
            rows.append((title, text))
    console.print(key_value_table(rows))
    if labels:
        names = [printable(label.replace("\n", " "))[:_LONGEST_NAME] for label in labels]
        matrix = confusion_matrix(targets, predictions.argmax(axis=1), len(labels))
        console.print(
            _matrix(names, matrix) if len(names) <= _LARGEST_MATRIX else _worst(names, matrix)
        )


def evaluate_labelled(
    model: "Model",
    checkpoint: "Checkpoint | None",
    directory: "Path",
    file: str | None,
    read: "ReadOptions",
    *,
    as_json: bool,
    progress: "ReadingProgress",
) -> None:
    """`charrnn evaluate` of a model to classify or regress: on what was held out of the documents
    it learned from, or on the labelled documents of a file.

    Raises CorpusError, ConfigError.
    """
    import numpy as np

    from charrnn.cli.display import results
    from charrnn.errors import CorpusError
    from charrnn.evaluation.metrics import confusion_matrix
    from charrnn.tasks.classify.report import measures, predict_documents

    if file is None:
        if checkpoint is None:
            raise CorpusError(
                f"{directory}: it does not say where the documents are that it learned from; "
                "name a "
                "FILE of labelled documents to read"
            )
        corpus, learned, numbers = _own_documents(checkpoint, directory, progress)
        targets_learned: Any = corpus.targets[learned]
    else:
        corpus = _documents(model, checkpoint, file, read, progress)
        numbers = np.arange(len(corpus.targets))
        targets_learned = _learned(checkpoint, directory, progress)
    predictions, targets = predict_documents(model, corpus, numbers)
    if as_json:
        record: dict[str, Any] = {"texts": len(targets)}
        record |= measures(predictions, targets, targets_learned, classes=len(model.labels))
        if model.labels:
            told = predictions.argmax(axis=1)
            record["labels"] = list(model.labels)
            record["confusion"] = confusion_matrix(targets, told, len(model.labels)).tolist()
        print(dumps(record, indent=2))
        return
    show(results(), predictions, targets, targets_learned, model.labels, held_out=file is None)


def _own_documents(
    checkpoint: "Checkpoint", directory: "Path", progress: "ReadingProgress"
) -> "tuple[LabelledCorpus, Indices, Indices]":
    """The documents of a training, and the numbers of those that were learned from and held out.
    Raises CorpusError."""
    from functools import partial

    from charrnn.storage.token_cache import IDS_FOLDER, find_ids
    from charrnn.tasks.classify.documents import LabelledCorpus

    find = partial(find_ids, directory.parent / IDS_FOLDER, progress=progress)
    corpus = checkpoint.read_corpus(find=find, progress=progress)
    assert isinstance(corpus, LabelledCorpus)
    provenance = checkpoint.model.provenance
    seed = provenance.seed if provenance.split_seed is None else provenance.split_seed
    return corpus, *corpus.split_documents(provenance.validation_fraction, seed=seed)


def _learned(
    checkpoint: "Checkpoint | None", directory: "Path", progress: "ReadingProgress"
) -> "Any":
    """The targets that a model learned from, for the baselines; None, and a warning, where they
    cannot be had."""
    from charrnn.cli.display import warn
    from charrnn.errors import CorpusError

    reason = f"{directory}: it does not say where they are"
    if checkpoint is not None:
        try:
            corpus, learned, _ = _own_documents(checkpoint, directory, progress)
            return corpus.targets[learned]
        except CorpusError as error:
            reason = str(error)
    warn(f"no baselines, which need the documents that it learned from: {reason}")
    return None


def _documents(
    model: "Model",
    checkpoint: "Checkpoint | None",
    file: str,
    read: "ReadOptions",
    progress: "ReadingProgress",
) -> "LabelledCorpus":
    """The documents of a file, their classes numbered as the model numbers them. The columns are
    those of the training, unless others are named. Raises CorpusError, ConfigError."""
    from dataclasses import replace

    from charrnn.cli.folders import say_what_is_read
    from charrnn.data.corpus import open_corpus
    from charrnn.data.documents import FOLDER
    from charrnn.data.sources import find_corpus
    from charrnn.errors import ConfigError
    from charrnn.tasks.classify.documents import read_labelled

    path = find_corpus(file)
    if path is not None and path.is_dir():
        read = replace(read, label=read.label or FOLDER)
    elif checkpoint is not None:
        stored = checkpoint.options
        read = replace(read, column=read.column or stored.column, label=read.label or stored.label)
    if read.label is None:
        raise ConfigError(f"{file}: say which column holds the labels with --label NAME")
    say_what_is_read([file], read)
    return read_labelled(
        open_corpus([file], read),
        numbers=not model.labels,
        tokenizer=model.tokenizer,
        unknown="skip",
        classes=model.labels,
        progress=progress,
    )


def _matrix(names: list[str], matrix: Any) -> "Table":
    """How often a class (row) was told to be each (column)."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="what is (rows), and what it was told to be", title_justify="left")
    table.add_column("")
    for name in names:
        table.add_column(Text(name), justify="right")
    for number, name in enumerate(names):
        cells = [
            Text(f"{count:,}" if count else ".", style="bold" if number == column else "")
            for column, count in enumerate(matrix[number])
        ]
        table.add_row(Text(name), *cells)
    return table


def _worst(names: list[str], matrix: Any) -> "Table":
    """The most frequent confusions."""
    import numpy as np
    from rich.table import Table
    from rich.text import Text

    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    table = Table(title="most often confused", title_justify="left")
    for name in ("is", "was told to be", "times", "of"):
        table.add_column(name, justify="left" if name in ("is", "was told to be") else "right")
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    for true, told in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, told]:
            count, total = wrong[true, told], matrix[true].sum()
            table.add_row(Text(names[true]), Text(names[told]), f"{count:,}", f"{total:,}")
    return table
