"""What a training needs to be resumed: its newest checkpoint, its text, and its best model."""

import dataclasses
import warnings
from functools import partial
from pathlib import Path

from charrnn.cores import usable_cores
from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.errors import CharRNNWarning, CorpusError, ModelError, TrainingError
from charrnn.model.kernels import KERNELS, native
from charrnn.model.networks import build_network
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import read_model
from charrnn.storage.run import Run
from charrnn.training.checkpoint import Checkpoint, TrainingState, read_newest
from charrnn.training.config import TrainingConfig
from charrnn.training.early_stopping import should_stop_early
from charrnn.training.probe import DTYPES, choose_device


def read_unfinished(
    run: Run, corpus: Corpus | None, progress: ReadingProgress
) -> tuple[Checkpoint, TokenizedCorpus, RecurrentNetwork]:
    """The newest checkpoint of a run, its text, and a network of its sizes whose weights are not
    loaded yet; see `Trainer.resume` for the arguments and the errors."""
    checkpoint = read_newest(run)
    config = checkpoint.config
    path = run.checkpoint(checkpoint.position.step)
    _check_unfinished(run, checkpoint.position, config)
    text = _read_corpus(run, checkpoint, corpus, progress)
    if config.kernel not in KERNELS:
        raise ModelError(f"{path}: this version has no kernel {config.kernel!a}")
    choose_device(config.device)
    _warn_of_other_rounding(path, config)
    return checkpoint, text, build_network(checkpoint.model.config, kernel=config.kernel)


def _check_unfinished(run: Run, state: TrainingState, config: TrainingConfig) -> None:
    """Raises TrainingError when the training has ended."""
    if state.step >= config.steps and state.evaluated == state.step:
        ended = f"it has finished its {config.steps} steps"
    elif should_stop_early(state, config):
        ended = f"it ended at step {state.step}, for its validation has turned"
    else:
        return
    raise TrainingError(
        f"{run.directory}: {ended}; to train it further: charrnn train CORPUS --from {run.argument}"
    )


def _read_corpus(
    run: Run, checkpoint: Checkpoint, corpus: Corpus | None, progress: ReadingProgress
) -> TokenizedCorpus:
    """The text of a training; the ids of a large one are those that the run keeps."""
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


def _warn_of_other_rounding(path: Path, config: TrainingConfig) -> None:
    """Warns where this machine cannot compute as the training did before."""
    if config.kernel == "native" and native.kind_for(DTYPES[config.precision]) is None:
        message = (
            f"{path}: it was trained with charrnn's own C, which is not to be had here (not "
            "built, of another processor, or CHARRNN_NATIVE is 0); PyTorch goes on, which is "
            "slower and rounds in another way"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)
    if config.threads > usable_cores():
        message = (
            f"{path}: it was trained on {config.threads:,} threads, and this process may use "
            f"{usable_cores():,} cores: it goes on with so many, and may round in another way"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)


def mark_best(run: Run, state: TrainingState) -> TrainingState:
    """Points the run's `best` at its best model; returns the state, in which a best model that is
    damaged or gone is forgotten."""
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
