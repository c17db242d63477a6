"""The plan of a training on labelled documents: what `plan.py` is for a running text.

Legend: D documents, H hidden.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
import torch

from charrnn.data.corpus import Corpus, IdsKey, ReadingProgress, no_progress
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError
from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify.documents import Indices, LabelledCorpus, as_number, read_labelled
from charrnn.tasks.classify.task import LONGEST_EVALUATED, LabelledTask
from charrnn.tasks.registry import make_task
from charrnn.training.advice import advise_on_budget
from charrnn.training.config import TrainingOptions
from charrnn.training.parallel.group import Group
from charrnn.training.plan import (
    SIZES_OF_LAYERS,
    Plan,
    arrays,
    check_kind,
    choose_split,
    fresh_network,
    keep_sizes,
    load,
    make_plan,
)
from charrnn.training.probe import Probe
from charrnn.training.recipe import (
    MOST_EPOCHS,
    choose_learning_rate,
    choose_training,
    planned_seconds,
)

BATCH_SIZE: Final = 32
LONGEST: Final = 1000
"""Documents of a step, and characters of one that a step reads at most."""

SIZES: Final = (64, 128, 256)
FEW_DOCUMENTS: Final = 1000
MANY_DOCUMENTS: Final = 30_000
"""Hidden sizes, and how many documents ask for more than the first and than the second."""

LEAST_EPOCHS: Final = 5
"""A network that cannot read all documents so often in its time is too large for it."""

DROPOUT: Final = 0.3
FULL_DROPOUT_EPOCHS: Final = 24
"""What is dropped of each layer's output where documents are read so often, and proportionally less
where they are read less. Telling functions from which of 20 modules they are: after 8 epochs 0.69
nats without against 0.78 with all of it, after 25 epochs 0.553 against 0.539."""

MANY_NUMBERS: Final = 10
"""Classes that are all numbers, which more than so many are unlikely to be meant as."""

POOLING: Final = "max"
POOLING_OF_LANGUAGE_MODELS: Final = "attention"
"""What is best of a fresh network, and of one that reads one way and begins as a language model,
whose outputs jump with every character, so that all of them are near 1 once. Of 238 snippets of 150
characters, each from one of 20 modules, with 555 to learn from, a fresh network tells 0.58 with max
and 0.51 with attention; from a language model of those modules it is 0.55 and 0.66 (in both
directions, with max, 0.64 fresh and 0.69 from it). Layers that learn only after a quarter of the
steps make
that
0.60."""

RARE: Final = 0.2
"""The share of an even one below which a class is called rare."""


def make_labelled_plan(
    corpus: Corpus,
    options: TrainingOptions,
    *,
    kind: str | None = None,
    min_count: int = 1,
    base: Model | None = None,
    keep: Callable[[IdsKey, Iterator[Ids]], Ids] | None = None,
    progress: ReadingProgress = no_progress,
) -> Plan:
    """Reads labelled documents, measures the machine, and decides; see `make_plan`.

    `base` is a language model, whose embedding and layers are where a fresh network begins, or
    another model of labelled documents.
    """
    options = dataclasses.replace(options, labelled=True)
    if options.lines:
        raise ConfigError("--lines: a row, or a file, is a document already; leave that out")
    if options.attention is not None:
        raise ConfigError(
            "--attention is for text that is written on; to attend to what a label follows from: "
            "--pooling attention"
        )
    if options.regress and options.class_weights != "none":
        raise ConfigError("--class-weights: numbers have no classes; leave that out")
    read = partial(
        read_labelled,
        corpus,
        numbers=options.regress,
        min_count=min_count,
        keep=keep,
        progress=progress,
    )
    if base is None:
        text = read(kind=kind or "char")
    else:
        base.require("generate", "classify", "regress")
        check_kind(kind, base)
        text = read(tokenizer=base.tokenizer, unknown="extend")
        options = _inherit(options, base)
    options, split_seed, kept = choose_split(options, text, base, otherwise=options.seed)
    task = make_task(options.task, text, options, split_seed=split_seed)
    assert isinstance(task, LabelledTask)
    batch_size, longest = choose_documents(options, task.training.lengths)
    characters = task.training.characters(longest)
    chunks = task.steps_per_epoch(batch_size, longest)
    probe = Probe(
        options,
        task=task,
        batch_size=batch_size,
        sequence_length=longest,
        step_characters=characters / chunks,
    )
    model_config = choose_classifier(
        options,
        vocabulary_size=text.tokenizer.vocabulary_size,
        outputs=task.outputs,
        documents=len(task.training),
        epochs=lambda config: probe.characters(config) / characters,
    )
    machine = probe.measure(model_config)
    config = choose_training(
        options,
        machine,
        batch_size=batch_size,
        sequence_length=longest,
        hidden_size=model_config.hidden_size,
        chunks_per_epoch=chunks,
        validation_characters=task.validation_characters,
    )
    config = dataclasses.replace(config, class_weights=options.class_weights, split_seed=split_seed)
    epochs = config.steps / chunks
    if options.dropout is None:
        share = min(epochs / FULL_DROPOUT_EPOCHS, 1)
        model_config = dataclasses.replace(model_config, dropout=round(DROPOUT * share, 2))
    notes = [*kept, *_notes(options, text, task, longest), *probe.notes]
    if probe.timed and config.steps == MOST_EPOCHS * chunks:
        notes.append(
            f"{MOST_EPOCHS} epochs are enough for {len(task.training):,} documents, so not all of "
            "the time is used; --epochs asks for more"
        )
    network = fresh_network(model_config, config)
    network.unit = task.unit
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(task.initial_bias()))
    seconds = planned_seconds(config, machine) if probe.timed else None
    if seconds is not None:
        notes += advise_on_budget(options, config, seconds)
    if base is not None:
        notes += _copy(base, network, text)
    return Plan(
        corpus=text,
        network=network,
        config=config,
        epochs=epochs,
        seconds=seconds,
        notes=tuple(notes),
    )


def make_any_plan(
    corpus: Corpus,
    options: TrainingOptions,
    *,
    kind: str | None = None,
    min_count: int = 1,
    base: Model | None = None,
    keep: Callable[[IdsKey, Iterator[Ids]], Ids] | None = None,
    group: Group | None = None,
    progress: ReadingProgress = no_progress,
) -> Plan:
    """`make_labelled_plan` of documents whose options name a label, `make_plan` of any other
    text."""
    if corpus.options.label is None:
        _refuse_without_labels(options)
        return make_plan(
            corpus,
            options,
            kind=kind,
            min_count=min_count,
            base=base,
            keep=keep,
            group=group,
            progress=progress,
        )
    group = group or Group()
    group.check_task(dataclasses.replace(options, labelled=True).task)
    return make_labelled_plan(
        corpus, options, kind=kind, min_count=min_count, base=base, keep=keep, progress=progress
    )


def _refuse_without_labels(options: TrainingOptions) -> None:
    """Raises ConfigError for what is of use with labels only."""
    for name, off in (("regress", False), ("pooling", None), ("class_weights", "none")):
        if getattr(options, name) != off:
            option = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{option}: there are no labels to learn; name their column with --label, or leave "
                f"{option} out"
            )


def choose_documents(options: TrainingOptions, lengths: Indices) -> tuple[int, int]:
    """How many documents (of lengths (D,)) a step reads, and how much of one at most."""
    longest = LONGEST if options.sequence_length is None else options.sequence_length
    batch_size = BATCH_SIZE if options.batch_size is None else options.batch_size
    return min(batch_size, len(lengths)), min(longest, int(lengths.max()))


def choose_classifier(
    options: TrainingOptions,
    *,
    vocabulary_size: int,
    outputs: int,
    documents: int,
    epochs: Callable[[ModelConfig], float],
) -> ModelConfig:
    """The sizes of the network, where the options leave them open: one layer, the larger the more
    documents there are, if there is time to read them often enough.

    Args:
        epochs: how often a network can read the documents in the time there is.
    """

    def network(hidden_size: int) -> ModelConfig:
        return ModelConfig(
            vocabulary_size=vocabulary_size,
            task=options.task,
            bidirectional=options.bidirectional,
            pooling=options.pooling or POOLING,
            outputs=outputs,
            cell=options.cell or "lstm",
            embedding_size=options.embedding_size or min(64, hidden_size),
            hidden_size=hidden_size,
            layers=options.layers or 1,
            dropout=options.dropout or 0.0,
            weight_dropout=options.weight_dropout or 0.0,
        )

    if options.hidden_size is not None:
        return network(options.hidden_size)
    most = 1 + (documents >= FEW_DOCUMENTS) + (documents >= MANY_DOCUMENTS)
    chosen = network(SIZES[0])
    for larger in map(network, SIZES[1:most]):
        if epochs(larger) < LEAST_EPOCHS:
            break
        chosen = larger
    return chosen


def _inherit(options: TrainingOptions, base: Model) -> TrainingOptions:
    """The options with the base's sizes; raises ConfigError where they ask for others."""
    names = list(SIZES_OF_LAYERS)
    if base.config.task != "generate":
        names.append("pooling")
        if options.bidirectional and not base.config.bidirectional:
            raise ConfigError("the model to start from reads one way; leave out --bidirectional")
        options = dataclasses.replace(options, bidirectional=base.config.bidirectional)
    options = keep_sizes(options, base, names)
    if base.config.task == "generate":
        if options.pooling is None and not options.bidirectional:
            options = dataclasses.replace(options, pooling=POOLING_OF_LANGUAGE_MODELS)
    elif options.learning_rate is None:
        # A trained network unlearns at the rate a fresh one learns with.
        rate = choose_learning_rate(options, hidden_size=base.config.hidden_size)
        options = dataclasses.replace(options, learning_rate=min(rate, 2e-3))
    return options


def _copy(base: Model, network: RecurrentNetwork, text: LabelledCorpus) -> list[str]:
    """Copies the base's weights: its embedding and layers, and where it tells the same, all else.

    What reads what is new keeps its fresh weights: characters the base does not know, the second
    direction, and the half of a weight that reads the second direction of the layer below.
    """
    tensors, hidden = dict(arrays(network)), base.config.hidden_size
    same = (base.config.task, base.labels) == (network.config.task, text.labels)
    for name, tensor in base.tensors.items():
        if name not in tensors or (name.startswith("head.") and not same):
            continue
        if tensors[name].shape == tensor.shape:
            tensors[name] = tensor
        elif name == "embedding.weight":
            tensors[name][: len(tensor)] = tensor
        else:
            tensors[name][:, :hidden] = tensor
    load(network, tensors)
    new = text.tokenizer.vocabulary_size - base.config.vocabulary_size
    known = f"{new} characters are new to the model" if new else "the model knows all characters"
    head = "what it tells is kept as well" if same else "what it tells is learned anew"
    notes = [f"its embedding and layers are where this one begins; {known}; {head}"]
    if base.config.attention is not None:
        notes.append("its attention is for text that is written on, and is left out")
    return notes


def _notes(
    options: TrainingOptions, text: LabelledCorpus, task: LabelledTask, longest: int
) -> list[str]:
    notes = []
    long = int((text.lengths > longest).sum())
    if long:
        notes.append(
            f"{long:,} of {len(text.targets):,} documents are longer than {longest:,} "
            "characters: of "
            f"each a step reads a part of that length, another one every time (--sequence-length); "
            f"while training, their first {LONGEST_EVALUATED:,} are what it is evaluated on"
        )
    if len(text.labels) > MANY_NUMBERS and all(as_number(each) is not None for each in text.labels):
        notes.append(
            f"all {len(text.labels):,} classes are numbers: to have numbers told, not classes: "
            "--regress"
        )
    if text.labels and options.class_weights == "none":
        counts = np.bincount(text.targets, minlength=len(text.labels))
        rarest = int(counts.argmin())
        if counts[rarest] < RARE * len(text.targets) / len(text.labels):
            notes.append(
                f"the class {text.labels[rarest]!r} is rare: {counts[rarest]:,} of "
                f"{len(text.targets):,} documents; --class-weights balanced makes each class count "
                "the same"
            )
    return notes
