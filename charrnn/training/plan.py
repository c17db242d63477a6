"""The plan of a training: all that is decided before the first step, from the text, the options and
the machine."""

import dataclasses
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch

from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.two_pass_reading import KeepIds, ReadingProgress, no_progress
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.model.config import ModelConfig
from charrnn.model.networks import build_network
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks import choose_task
from charrnn.training.advice import advise_on_budget
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import threads
from charrnn.training.options import TrainingOptions
from charrnn.training.parallel.group import Group
from charrnn.training.probe import Probe, most_threads
from charrnn.training.recipe import (
    DEFAULT_BUDGET,
    MOST_EPOCHS,
    Machine,
    choose_training,
    planned_seconds,
)
from charrnn.training.schedule import TimeBudget
from charrnn.training.task import Task, TaskDefinition, task_definition


@dataclass(frozen=True)
class Plan:
    """A training that is ready to begin.

    Attributes:
        corpus: the text to learn from.
        task: the corpus, split into a training part and a held-out part.
        network: the network to train, fresh or from another model.
        config: the settings of the training.
        epochs: how many times the training text will be read.
        seconds: the estimated duration, evaluations and saves included; None where speed was not
            measured.
        notes: remarks on the choices for the user, a line each.
        budget: the time budget; None where epochs or steps were given.
        spent_seconds: how much of the budget was spent when the plan was ready.
    """

    corpus: TokenizedCorpus
    task: Task
    network: RecurrentNetwork
    config: TrainingConfig
    epochs: float
    seconds: float | None
    notes: tuple[str, ...]
    budget: TimeBudget | None = None
    spent_seconds: float = 0.0


def make_plan(
    corpus: Corpus,
    options: TrainingOptions,
    *,
    kind: str | None = None,
    min_count: int = 1,
    base: Model | None = None,
    keep: KeepIds | None = None,
    group: Group | None = None,
    progress: ReadingProgress = no_progress,
) -> Plan:
    """Read the corpus, measure the machine, and decide.

    Args:
        kind, min_count: see `tokenize`; without a kind, the tokenizer is the base's, or `char`.
        base: a model to start from; its cell, sizes and alphabet are kept.
        keep, progress: see `tokenize`.
        group: the processes that will train together; None: this one alone.

    Raises CorpusError when the text cannot be trained on, ConfigError when options contradict,
    ModelError when the training cannot start from the base.
    """
    definition = _choose_definition(corpus, options, base, group)
    read = partial(
        definition.read_corpus, corpus, min_count=min_count, keep=keep, progress=progress
    )
    if base is None:
        text = read(kind=kind or "char")
    else:
        check_kind(kind, base)
        options = definition.inherit(options, base)
        text = read(tokenizer=base.tokenizer, unknown="extend")
    if options.lines:
        _warn_of_cut_texts(corpus)
    options, split_seed, notes = choose_split(definition, options, text, base)
    task = definition.make_task(text, options, split_seed=split_seed)
    batch_size, sequence_length = task.choose_batch(options)
    notes += task.notes(options, batch_size, sequence_length, fresh=base is None)
    probe = Probe(
        options, task=task, batch_size=batch_size, sequence_length=sequence_length, group=group
    )
    notes += probe.notes
    model = task.choose_model(options, sequence_length, probe.characters)
    machine = probe.measure(model)
    steps_per_epoch = task.steps_per_epoch(batch_size, sequence_length)
    config = choose_training(
        options,
        machine,
        batch_size=batch_size,
        sequence_length=sequence_length,
        hidden_size=model.hidden_size,
        chunks_per_epoch=steps_per_epoch,
        validation_characters=task.validation_characters,
    )
    epochs = config.steps / steps_per_epoch
    if probe.timed and config.steps == MOST_EPOCHS * steps_per_epoch:
        notes.append(
            f"{MOST_EPOCHS} epochs are enough for {task.describe_size()}, so not all of the time "
            "is used; --epochs asks for more"
        )
    config = dataclasses.replace(config, split_seed=split_seed)
    config, model = task.regularize(options, config, model, epochs)
    network = fresh_network(model, config)
    task.initialize(network)
    seconds = planned_seconds(config, machine) if probe.timed else None
    if seconds is not None:
        notes += advise_on_budget(options, config, seconds)
    if base is not None:
        notes += task.copy_weights(base, network)
    return Plan(
        corpus=text,
        task=task,
        network=network,
        config=config,
        epochs=epochs,
        seconds=seconds,
        notes=tuple(notes),
        budget=_time_budget(options, config, machine, model.cell, steps_per_epoch),
        spent_seconds=probe.spent_seconds,
    )


def _time_budget(
    options: TrainingOptions,
    config: TrainingConfig,
    machine: Machine,
    cell: str,
    steps_per_epoch: int,
) -> TimeBudget | None:
    """Return the time budget of a plan, with the measurements that it was made from; None where
    epochs or steps were given."""
    if options.steps is not None or options.epochs is not None:
        return None
    evaluation_seconds = config.evaluation_characters / machine.evaluation_speed
    return TimeBudget(
        seconds=options.budget or DEFAULT_BUDGET,
        step_seconds=max(machine.step_seconds, 1e-9),  # a clock may stand still
        evaluation_seconds=evaluation_seconds + machine.sample_seconds,
        save_seconds=machine.save_seconds,
        most_threads=most_threads(config.device, config.kernel, cell)
        if config.device == "cpu"
        else 1,
        most_steps=max(MOST_EPOCHS * steps_per_epoch, config.steps),
        fixed_evaluations=options.evaluate_every is not None,
        fixed_saves=options.checkpoint_every is not None,
    )


def _choose_definition(
    corpus: Corpus, options: TrainingOptions, base: Model | None, group: Group | None
) -> TaskDefinition:
    """Return the definition of the task. Raises ConfigError where options do not fit it."""
    read = corpus.options
    labelled, pairs = read.label is not None, read.source is not None
    name = options.task or choose_task(
        labelled=labelled,
        pairs=pairs,
        regress=options.regress,
        bidirectional=options.bidirectional,
        base=base.config.task if base is not None else None,
    )
    definition = task_definition(name)
    if labelled != definition.labelled:
        needs = "needs" if definition.labelled else "cannot use"
        raise ConfigError(f"a network to {name} {needs} labels (--label)")
    if pairs != definition.pairs:
        needs = "needs" if definition.pairs else "cannot use"
        raise ConfigError(f"a network to {name} {needs} pairs (--source and --target)")
    definition.check_options(options)
    definition.check_processes((group or Group()).size)
    return definition


def _warn_of_cut_texts(corpus: Corpus) -> None:
    """Warn about texts of a table that have several lines, each of which becomes a document."""
    for part in corpus.parts:
        if part.column is not None and part.column.several_lines:
            warnings.warn(
                f"{part.name}: {part.column.several_lines:,} of its texts have several lines, and "
                "with --lines each line is a document of its own; the first is "
                f"{part.column.first_of_several}",
                CharRNNWarning,
                stacklevel=3,
            )


SIZES_OF_LAYERS: Final = ("cell", "layers", "hidden_size", "embedding_size")


def choose_split(
    definition: TaskDefinition, options: TrainingOptions, text: TokenizedCorpus, base: Model | None
) -> tuple[TrainingOptions, int | None, list[str]]:
    """Decide what is held out. Return the options with the fraction, the seed that draws the
    held-out lines (see TrainingConfig), and notes for the user.

    Where the base was trained on the same text, the same part is held out again: the base has
    learned most of the rest.
    """
    share = definition.held_out_share(options)
    options = dataclasses.replace(options, validation_fraction=share)
    new = definition.new_held_out_seed(options)
    if new is not None and options.split_seed is not None:
        new = options.split_seed
    if base is None or base.provenance.sha256 != text.sha256:
        return options, new, []
    learned = base.provenance
    seed = definition.held_out_seed(learned)
    if (options.validation_fraction, new) == (learned.validation_fraction, seed):
        return options, seed, []
    drawn = "its last part" if seed is None else f"drawn by the seed {seed}"
    note = (
        f"the base model was trained on this text, so the same part is held out again: "
        f"{learned.validation_fraction:.0%}, {drawn}"
    )
    options = dataclasses.replace(options, validation_fraction=learned.validation_fraction)
    return options, seed, [note]


def check_kind(kind: str | None, base: Model) -> None:
    """Raise ConfigError where `kind` is not the tokenizer of the model to start from."""
    if kind not in (None, base.tokenizer.kind):
        raise ConfigError(
            f"the model to start from has a {base.tokenizer.kind} tokenizer, not {kind}; "
            "leave that out"
        )


def keep_sizes(options: TrainingOptions, base: Model, names: Iterable[str]) -> TrainingOptions:
    """Return the options with these sizes of the base. Raises ConfigError where they ask for
    others."""
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
    """Return a network of these sizes, prepared for the training, with weights drawn by the
    seed."""
    generator = torch.Generator().manual_seed(config.seed)
    with threads(config.threads):  # an orthogonal matrix's last bits depend on it
        network = build_network(model, kernel=config.kernel, generator=generator)
    network.scale_readout(config.readout_scale)
    return network


def arrays(network: RecurrentNetwork) -> Tensors:
    """Return a copy of the weights by name, float32, on the CPU, the head's outputs in units of
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
    """Copy weights of the same names and shapes into the network; the inverse of `arrays`."""
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(tensors[name]))
        if name in _OF_UNIT and network.unit != 1:
            parameter.div_(network.unit)


_OF_UNIT: Final = ("head.weight", "head.bias")


def copy_weights(base: Model, network: RecurrentNetwork, vocabulary_size: int) -> None:
    """Copy all weights of a model into a fresh network of the same sizes with a larger alphabet,
    which begins with the model's. The rows of new characters stay fresh."""
    old = base.config.vocabulary_size
    tensors = dict(arrays(network))
    for name, tensor in base.tensors.items():
        if name in ("embedding.weight", "head.weight", "head.bias"):
            fresh = tensors[name][old:vocabulary_size]
            # Rows of an embedding that stand for no character, such as the mask's, stay last.
            tensors[name] = np.concatenate([tensor[:old], fresh, tensor[old:]])
        else:
            tensors[name] = tensor
    load(network, tensors)
