"""A plan: all that is decided before the first step, from the text, the wishes and the machine."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch

from charrnn.data.corpus import (
    Corpus,
    IdsKey,
    ReadingProgress,
    TokenizedCorpus,
    no_progress,
    tokenize,
)
from charrnn.data.tokenizer import CharTokenizer, Ids
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.model.config import ModelConfig
from charrnn.model.networks import build_network
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.registry import Generation, Restoration, make_task
from charrnn.training.advice import advise_on_alphabet, advise_on_budget, describe_held_out
from charrnn.training.config import TrainingConfig, TrainingOptions
from charrnn.training.learner import threads
from charrnn.training.parallel.group import Group
from charrnn.training.probe import Probe
from charrnn.training.recipe import (
    MOST_EPOCHS,
    choose_batch,
    choose_dropout,
    choose_model,
    choose_readout_scale,
    choose_training,
    planned_seconds,
    wanted_batch,
)


@dataclass(frozen=True)
class Plan:
    """A training that can begin.

    Attributes:
        corpus: what it will learn from.
        network: what will learn, fresh or from another model.
        config: how.
        epochs: how often it will read the training text.
        seconds: what that will take, evaluations and saves included; None where it was not
            measured.
        notes: what a person should be told of the choices, a line each.
    """

    corpus: TokenizedCorpus
    network: RecurrentNetwork
    config: TrainingConfig
    epochs: float
    seconds: float | None
    notes: tuple[str, ...]


def make_plan(
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
    """Reads the corpus, measures the machine, and decides.

    Args:
        kind, min_count: the tokenizer, see `tokenize`; None is `char`, or the base's.
        base: a model to start from; its cell, sizes and alphabet are kept.
        keep, progress: of the reading, see `tokenize`.
        group: the processes that will train together; this one alone when None.

    Raises CorpusError when the text cannot be trained on, ConfigError when options contradict.
    """
    notes = []
    read = partial(tokenize, corpus, min_count=min_count, keep=keep, progress=progress)
    if base is None:
        text = read(kind=kind or "char")
    else:
        check_kind(kind, base)
        text = read(tokenizer=base.tokenizer, unknown="extend")
        options = _inherit(options, base)
    if options.lines:
        _warn_of_cut_texts(corpus)
    group = group or Group()
    group.check_task(options.task)
    options, split_seed, kept = choose_split(
        options, text, base, otherwise=options.seed if options.lines else None
    )
    notes.extend(kept)
    task = make_task(options.task, text, options, split_seed=split_seed)
    if options.lines:
        assert isinstance(task, Generation | Restoration)
        notes.append(describe_held_out(task.training, task.validation, text.tokenizer))
    characters = task.training_characters
    batch_size, sequence_length = choose_batch(options, training_characters=characters)
    names = ("batch size", "sequence length")
    chosen = (batch_size, sequence_length)
    for what, wanted, had in zip(names, wanted_batch(options), chosen, strict=True):
        if had < wanted:
            notes.append(
                f"{what} {had} instead of {wanted}: the text is short ({characters:,} characters)"
            )
    if base is None:
        notes.extend(advise_on_alphabet(text, batch_size, sequence_length))
    probe = Probe(
        options,
        task=task,
        batch_size=batch_size,
        sequence_length=sequence_length,
        group=group,
    )
    notes += probe.notes
    model_config = choose_model(
        options,
        vocabulary_size=text.tokenizer.vocabulary_size,
        training_characters=characters,
        characters=probe.characters,
    )
    machine = probe.measure(model_config)
    chunks = task.steps_per_epoch(batch_size, sequence_length)
    config = choose_training(
        options,
        machine,
        batch_size=batch_size,
        sequence_length=sequence_length,
        hidden_size=model_config.hidden_size,
        chunks_per_epoch=chunks,
        validation_characters=task.validation_characters,
    )
    epochs = config.steps / chunks
    if probe.timed and config.steps == MOST_EPOCHS * chunks:
        notes.append(
            f"{MOST_EPOCHS} epochs are enough for a text of {characters:,} characters, so not all "
            "of the time is used; --epochs asks for more"
        )
    config = dataclasses.replace(
        config,
        split_seed=split_seed,
        readout_scale=choose_readout_scale(
            options, model_config, epochs=epochs, training_characters=characters
        ),
    )
    model_config = choose_dropout(
        options, model_config, epochs=epochs, training_characters=characters
    )
    network = fresh_network(model_config, config)
    seconds = planned_seconds(config, machine) if probe.timed else None
    if seconds is not None:
        notes.extend(advise_on_budget(options, config, seconds))
    if base is not None:
        notes.extend(_copy(base, network, text))
    return Plan(
        corpus=text,
        network=network,
        config=config,
        epochs=epochs,
        seconds=seconds,
        notes=tuple(notes),
    )


def _warn_of_cut_texts(corpus: Corpus) -> None:
    """Says how many texts of a table have several lines, each of which becomes a document of its
    own."""
    for part in corpus.parts:
        if part.column is not None and part.column.several_lines:
            warnings.warn(
                f"{part.name}: {part.column.several_lines:,} of its texts have several lines, "
                "and with "
                "--lines each line is a document of its own; the first is "
                f"{part.column.first_of_several}",
                CharRNNWarning,
                stacklevel=3,
            )


SIZES_OF_LAYERS: Final = ("cell", "layers", "hidden_size", "embedding_size")


def choose_split(
    options: TrainingOptions, text: TokenizedCorpus, base: Model | None, *, otherwise: int | None
) -> tuple[TrainingOptions, int | None, list[str]]:
    """What is held out: the options with the fraction, the seed that draws it (see TrainingConfig),
    and what a person should be told.

    Where the base has learned this very text, it is what was held out of it then: of anything else
    the base has learned most. Else the seed is `otherwise`.
    """
    if base is None or base.provenance.sha256 != text.sha256:
        return options, otherwise, []
    learned = base.provenance
    seed = learned.split_seed
    if seed is None and options.labelled:
        seed = learned.seed
    if (options.validation_fraction, otherwise) == (learned.validation_fraction, seed):
        return options, seed, []
    drawn = "its last part" if seed is None else f"drawn by the seed {seed}"
    note = (
        f"the base has learned this text; what was held out of it then is held out again: "
        f"{learned.validation_fraction:.0%}, {drawn}"
    )
    options = dataclasses.replace(options, validation_fraction=learned.validation_fraction)
    return options, seed, [note]


def check_kind(kind: str | None, base: Model) -> None:
    """Raises ConfigError where another tokenizer is asked for than that of the model to start
    from."""
    if kind not in (None, base.tokenizer.kind):
        raise ConfigError(
            f"the model to start from has a {base.tokenizer.kind} tokenizer, not {kind}; "
            "leave that out"
        )


def keep_sizes(options: TrainingOptions, base: Model, names: Iterable[str]) -> TrainingOptions:
    """The options with these of the base's sizes. Raises ConfigError where they ask for others."""
    for name in names:
        wanted, kept = getattr(options, name), getattr(base.config, name)
        if wanted not in (None, kept):
            raise ConfigError(
                f"the model to start from has {name.replace('_', ' ')} {kept}, not {wanted}; "
                "leave that out"
            )
        options = dataclasses.replace(options, **{name: kept})
    return options


def fresh_network(model: ModelConfig, config: TrainingConfig) -> RecurrentNetwork:
    """A network of these sizes, to be trained so, its weights drawn by the seed."""
    generator = torch.Generator().manual_seed(config.seed)
    with threads(config.threads):  # on which the last bits of an orthogonal matrix depend
        network = build_network(model, kernel=config.kernel, generator=generator)
    network.scale_readout(config.readout_scale)
    return network


def arrays(network: RecurrentNetwork) -> Tensors:
    """A copy of the network's weights by name, float32, on the CPU; its head's outputs in units of
    1."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float32, copy=True).numpy()
        for name, tensor in network.named_parameters()
    }
    for name in _OF_UNIT if network.unit != 1 else ():
        tensors[name] *= np.float32(network.unit)
    return tensors


@torch.no_grad()
def load(network: RecurrentNetwork, tensors: Tensors) -> None:
    """Copies weights of the same names and shapes into the network; the inverse of `arrays`."""
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(tensors[name]))
        if name in _OF_UNIT and network.unit != 1:
            parameter.div_(network.unit)


_OF_UNIT: Final = ("head.weight", "head.bias")


def _inherit(options: TrainingOptions, base: Model) -> TrainingOptions:
    """The options with the base's sizes; raises ConfigError where they ask for others, ModelError
    where the base is for something else."""
    base.require(*(("restore",) if options.bidirectional else ("generate", "restore")))
    options = dataclasses.replace(options, bidirectional=base.config.task == "restore")
    options = keep_sizes(options, base, (*SIZES_OF_LAYERS, "attention"))
    if options.learning_rate is None:
        # A trained network unlearns at the rate a fresh one learns with.
        options = dataclasses.replace(options, learning_rate=1e-3)
    if options.readout_scale is None:
        options = dataclasses.replace(options, readout_scale=1.0)
    return options


def _copy(base: Model, network: RecurrentNetwork, text: TokenizedCorpus) -> list[str]:
    """Copies the base's weights; characters it does not know keep their fresh rows."""
    old = base.config.vocabulary_size
    tensors = dict(arrays(network))
    for name, tensor in base.tensors.items():
        if name in ("embedding.weight", "head.weight", "head.bias"):
            fresh = tensors[name][old : text.tokenizer.vocabulary_size]
            # The mask's row stays the last.
            tensors[name] = np.concatenate([tensor[:old], fresh, tensor[old:]])
        else:
            tensors[name] = tensor
    load(network, tensors)
    if not isinstance(text.tokenizer, CharTokenizer) or text.tokenizer.vocabulary_size == old:
        return [f"all {old} characters are known to the model"]
    added = " ".join(map(repr, text.tokenizer.characters[old:][:40]))
    count = text.tokenizer.vocabulary_size - old
    return [f"{count} characters are new to the model and get fresh rows: {added}"]
