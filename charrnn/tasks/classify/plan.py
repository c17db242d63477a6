"""The plan of a training on labelled documents: sizes, dropout, and the weights of a base model.

Legend: D documents, H hidden.
"""

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.errors import ConfigError
from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify.documents import LabelledCorpus, as_number
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import SIZES_OF_LAYERS, arrays, keep_sizes, load
from charrnn.training.recipe import choose_learning_rate

LONGEST_EVALUATED: Final = 4000
"""The most characters of a held-out document that are read during training, from its beginning.
`charrnn predict` and `charrnn evaluate` read all of it."""

BATCH_SIZE: Final = 32
LONGEST: Final = 1000
"""How many documents a step reads, and how many characters of each at most."""

SIZES: Final = (64, 128, 256)
FEW_DOCUMENTS: Final = 1000
MANY_DOCUMENTS: Final = 30_000
"""The hidden sizes to choose from, and the numbers of documents from which the next one is
chosen."""

LEAST_EPOCHS: Final = 5
"""A network is too large for its time if it cannot read all documents this many times."""

DROPOUT: Final = 0.3
FULL_DROPOUT_EPOCHS: Final = 24
"""The dropout at this many epochs, and proportionally less with fewer. Measured on finding out
which of 20 modules a function is from: after 8 epochs 0.69 nats without dropout and 0.78 with all
of it, after 25 epochs 0.553 and 0.539."""

MANY_NUMBERS: Final = 10
"""More classes than this that are all numbers are probably not meant as classes."""

POOLING: Final = "max"
POOLING_OF_LANGUAGE_MODELS: Final = "attention"
"""The best pooling of a fresh network, and of one that reads in one direction and starts from a
language model. The outputs of a language model change with every character, so that the maximum of
each is near 1. Accuracy on 238 snippets of 150 characters, each from one of 20 modules, with 555 to
learn from: a fresh network 0.58 with max and 0.51 with attention; from a language model of those
modules 0.55 and 0.66 (in both directions, with max, 0.64 fresh and 0.69 from it). Freezing the
layers for the first quarter of the steps gives 0.60."""

RARE: Final = 0.2
"""A class with less than this share of an even distribution is called rare."""


def choose_documents(options: TrainingOptions, lengths: Int64Array) -> tuple[int, int]:
    """Choose how many documents (of lengths (D,)) a step reads, and how many characters of each at
    most."""
    longest = LONGEST if options.sequence_length is None else options.sequence_length
    batch_size = BATCH_SIZE if options.batch_size is None else options.batch_size
    return min(batch_size, len(lengths)), min(longest, int(lengths.max()))


def choose_classifier(
    options: TrainingOptions,
    *,
    task: str,
    vocabulary_size: int,
    outputs: int,
    documents: int,
    epochs: Callable[[ModelConfig], float],
) -> ModelConfig:
    """Choose the sizes of the network that the options leave open: one layer, larger for more
    documents, if there is time to read them often enough.

    Args:
        task: see ModelConfig.
        epochs: returns how often a network can read the documents in the given time.
    """

    def network(hidden_size: int) -> ModelConfig:
        return ModelConfig(
            vocabulary_size=vocabulary_size,
            task=task,
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


def choose_dropout(options: TrainingOptions, model: ModelConfig, epochs: float) -> ModelConfig:
    """Return the network with its dropout, where the options leave it open: the more epochs, the
    more dropout."""
    if options.dropout is not None:
        return model
    share = min(epochs / FULL_DROPOUT_EPOCHS, 1)
    return dataclasses.replace(model, dropout=round(DROPOUT * share, 2))


def inherit(options: TrainingOptions, base: Model) -> TrainingOptions:
    """Return the options with the base's sizes. Raises ConfigError where they ask for others,
    ModelError where the base is neither a language model nor a model of labelled documents."""
    base.require("generate", "classify", "regress")
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
        # At a fresh network's learning rate, a trained network forgets.
        rate = choose_learning_rate(options, hidden_size=base.config.hidden_size)
        options = dataclasses.replace(options, learning_rate=min(rate, 2e-3))
    return options


def copy_weights(base: Model, network: RecurrentNetwork, text: LabelledCorpus) -> list[str]:
    """Copy the base's embedding and layers, and its head where it predicts the same. Return notes
    for the user, a sentence each.

    Weights for what is new stay fresh: characters that the base does not know, the second
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
    head = "its head is kept as well" if same else "its head is learned anew"
    notes = [f"the network starts from its embedding and layers; {known}; {head}"]
    if base.config.attention is not None:
        notes.append("its attention is for generating text, and is left out")
    return notes


def describe_documents(options: TrainingOptions, text: LabelledCorpus, longest: int) -> list[str]:
    """Return notes on the documents for the user, a sentence each.

    Args:
        longest: the most characters of a document that a step reads.
    """
    notes = []
    long = int((text.lengths > longest).sum())
    if long:
        notes.append(
            f"{long:,} of {len(text.targets):,} documents are longer than {longest:,} "
            "characters: a step reads a part of that length of each, another one every time "
            f"(--sequence-length); while training, evaluations read their first "
            f"{LONGEST_EVALUATED:,}"
        )
    if len(text.labels) > MANY_NUMBERS and all(as_number(each) is not None for each in text.labels):
        notes.append(
            f"all {len(text.labels):,} classes are numbers; to predict numbers, not classes: "
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
