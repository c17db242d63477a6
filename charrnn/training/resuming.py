"""What resuming a training needs: the newest checkpoint, the text, the learner's tensors, and the
best model."""

import dataclasses
import warnings
from functools import partial
from pathlib import Path

import torch

from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.errors import CharRNNWarning, CorpusError, ModelError, TrainingError
from charrnn.model.kernels import KERNELS, native
from charrnn.model.networks import build_network
from charrnn.model.recurrent import RecurrentNetwork, State
from charrnn.storage.model_directory import read_model
from charrnn.storage.run import Run
from charrnn.storage.tensor_file import Tensors
from charrnn.training.checkpoint import (
    MOMENTS,
    WEIGHTS,
    Checkpoint,
    TrainingState,
    read_newest,
    state_names,
)
from charrnn.training.early_stopping import should_stop_early
from charrnn.training.learner import Learner
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.rank import usable_threads_each
from charrnn.training.plan import arrays, load
from charrnn.training.probe import DTYPES, choose_device
from charrnn.training.schedule import Schedule


def read_unfinished(
    run: Run, corpus: Corpus | None, progress: ReadingProgress
) -> tuple[Checkpoint, TokenizedCorpus, RecurrentNetwork]:
    """Return the newest checkpoint of a run, its text, and a network of its sizes without the
    weights; see `Trainer.resume` for the arguments and the errors."""
    checkpoint = read_newest(run)
    config = checkpoint.config
    path = run.checkpoint(checkpoint.position.step)
    _check_unfinished(run, checkpoint)
    text = _read_corpus(run, checkpoint, corpus, progress)
    if config.kernel not in KERNELS:
        raise ModelError(f"{path}: this version has no kernel {config.kernel!a}")
    choose_device(config.device)
    _warn_of_other_rounding(path, checkpoint)
    return checkpoint, text, build_network(checkpoint.model.config, kernel=config.kernel)


def _check_unfinished(run: Run, checkpoint: Checkpoint) -> None:
    """Raise TrainingError when the training has ended."""
    if ended := how_it_ended(checkpoint):
        raise TrainingError(
            f"{run.directory}: {ended}; to train it further: "
            f"charrnn train CORPUS --from {run.argument}"
        )


def how_it_ended(checkpoint: Checkpoint) -> str | None:
    """Return how the training of a checkpoint ended, as the end of a sentence; None where it has
    not ended."""
    state, schedule = checkpoint.position, Schedule(checkpoint.config, checkpoint.revisions)
    if state.step >= schedule.steps and state.evaluated == state.step:
        return f"it has finished its {schedule.steps} steps"
    if should_stop_early(state, schedule):
        return f"it ended early at step {state.step}, since its validation loss had risen"
    return None


def _read_corpus(
    run: Run, checkpoint: Checkpoint, corpus: Corpus | None, progress: ReadingProgress
) -> TokenizedCorpus:
    """Read the text of a training; the ids of a large text are those that the run keeps."""
    try:
        return checkpoint.read_corpus(
            corpus,
            find=partial(run.find_ids, progress=progress),
            keep=run.keep_ids,
            progress=progress,
        )
    except CorpusError as error:
        if corpus is not None:
            raise
        advice = f"is it elsewhere? charrnn train --resume {run.argument} CORPUS"
        raise CorpusError(f"{error}; {advice}") from error


def _warn_of_other_rounding(path: Path, checkpoint: Checkpoint) -> None:
    """Warn where this machine cannot compute with the same rounding as before."""
    config, step = checkpoint.config, checkpoint.position.step
    if config.kernel == "native" and native.kind_for(DTYPES[config.precision]) is None:
        message = (
            f"{path}: it was trained with charrnn's own C code, which is not available here (not "
            "built, built for another processor, or CHARRNN_NATIVE is 0); PyTorch continues, more "
            "slowly and with other rounding"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)
    usable = usable_threads_each()
    threads = Schedule(config, checkpoint.revisions).threads_at(step)
    if threads > usable:
        message = (
            f"{path}: it was trained on {threads:,} threads, and this process may use {usable:,}: "
            "it continues on so many, perhaps with other rounding"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)


def training_tensors(learner: Learner, state: State) -> Tensors:
    """Return the tensors of training.safetensors by name: a learner's weights, the optimizer's
    moments, and the state of all lanes."""
    network = learner.network
    tensors = {
        f"{moment}.{name}": learner.optimizer.state[parameter][moment].cpu().numpy()
        for moment in MOMENTS
        for name, parameter in network.named_parameters()
    }
    for name, part in zip(state_names(network.config), state, strict=True):
        tensors[name] = part.cpu().numpy()
    return tensors | {f"{WEIGHTS}.{name}": each for name, each in arrays(network).items()}


def restore_tensors(learner: Learner, checkpoint: Checkpoint, group: Group) -> None:
    """Load what `training_tensors` saved into a learner, which takes its own lanes of the state."""
    config, tensors = checkpoint.model.config, checkpoint.tensors
    weights, *moments_of = (
        {name: tensors[f"{kind}.{name}"] for name in config.tensor_shapes()}
        for kind in (WEIGHTS, *MOMENTS)
    )
    load(learner.network, weights)
    moments = {
        moment: {name: torch.tensor(array) for name, array in named.items()}
        for moment, named in zip(MOMENTS, moments_of, strict=True)
    }
    state = tuple(torch.tensor(tensors[name]) for name in state_names(config))
    learner.restore(checkpoint.position.step, moments, group.scatter_state(state))


def mark_best(run: Run, state: TrainingState) -> TrainingState:
    """Point the run's `best` at its best model; return the state, without the best model where it
    is damaged or gone."""
    step = state.step if state.best_step is None else state.best_step
    try:
        path = run.checkpoint(step)
        if path not in run.checkpoints():
            raise ModelError(f"{path}: it is gone")
        if step != state.step:
            read_model(path)
    except ModelError as error:
        message = f"{error}; it was the best model, and the best from here on takes its place"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
        step = state.step
        measured = state.evaluated == step
        state = dataclasses.replace(
            state,
            best_nats=state.validation_nats if measured else None,
            best_step=step if measured else None,
        )
    run.mark_best(step)
    return state
