"""Trainer: takes the steps of truncated backpropagation, evaluates and saves.

A training is a pure function of (corpus, ModelConfig, TrainingConfig) and, with a time budget, of
the recorded revisions of its plan. The clock, the display, interruptions and resumptions change
nothing else.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.ambient import as_usual, stepwise
from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import ConfigError, DivergedError, ModelError, StorageError, TrainingError
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model, Provenance
from charrnn.storage.run import Run
from charrnn.training.baseline_log import BaselineLog
from charrnn.training.checkpoint import Checkpoint, TrainingState
from charrnn.training.config import TrainingConfig
from charrnn.training.early_stopping import should_stop_early
from charrnn.training.interruption import interrupts_wait
from charrnn.training.learner import Learner, autocast, set_threads, threads
from charrnn.training.malloc import freed_memory_kept
from charrnn.training.pacing import Pacer
from charrnn.training.parallel.group import Group
from charrnn.training.plan import arrays, load
from charrnn.training.progress import MetricsLog, Progress, describe_revision, recorded_revisions
from charrnn.training.resuming import mark_best, read_unfinished, restore_tensors, training_tensors
from charrnn.training.schedule import Schedule, TimeBudget
from charrnn.training.task import task_definition
from charrnn.training.weight_average import WeightAverage


class Trainer:
    """One training. Iterating over the Trainer trains, and yields Progress after each step.

    Args:
        corpus: the text to learn from.
        network: the network to train.
        config: the settings of the training.
        run: the run that checkpoints and metrics are saved in.
        group: the processes that train together, led by this one; None: this one alone.
        budget: the time budget, for which the plan is revised on the way; None: it takes the steps
            of the config, however long they take.
        spent_seconds: how much of the budget was spent before.
    """

    @as_usual
    def __init__(
        self,
        corpus: TokenizedCorpus,
        network: RecurrentNetwork,
        config: TrainingConfig,
        run: Run,
        group: Group | None = None,
        *,
        budget: TimeBudget | None = None,
        spent_seconds: float = 0.0,
    ) -> None:
        self.corpus, self.config, self.run = corpus, config, run
        self.group = group or Group()
        self.learner = Learner(network, config, self.group)
        definition = task_definition(network.config.task)
        self.task = definition.make_task(corpus, config, split_seed=config.split_seed)
        self.task.prepare(network)
        self.loader = self.task.loader(
            batch_size=config.batch_size,
            sequence_length=config.sequence_length,
            seed=config.seed,
            rank=self.group.rank,
            world_size=self.group.size,
        )
        self.average = WeightAverage(self.learner.network)
        self.position = TrainingState.initial(self.loader.batch_size)
        self._log = MetricsLog(run, self.position)
        self._baselines = BaselineLog(run, self.task, budget)
        self._pacer = Pacer(budget, spent_seconds)

    @classmethod
    @as_usual
    def resume(
        cls,
        run: Run,
        corpus: Corpus | None = None,
        *,
        group: Group | None = None,
        progress: ReadingProgress = no_progress,
    ) -> "Trainer":
        """Return the Trainer of a run, restored from its last checkpoint.

        Args:
            corpus: the text of the run; None: it is read from where it was.
            group: see Trainer; its size may differ from before.
            progress: called with how much of the text has been read.

        Raises ModelError when no checkpoint can be used, CorpusError when the text is not the one
        that the run was trained on, ConfigError when its device is not available, TrainingError
        when the run has finished or another process is training it.
        """
        run.claim()
        try:
            return cls._resume(run, corpus, group, progress)
        except BaseException:
            run.release()
            raise

    @classmethod
    def _resume(
        cls, run: Run, corpus: Corpus | None, group: Group | None, progress: ReadingProgress
    ) -> "Trainer":
        run.tidy()
        checkpoint, text, network = read_unfinished(run, corpus, progress)
        trainer = cls(
            text,
            network,
            checkpoint.config,
            run,
            group,
            budget=checkpoint.budget,
            spent_seconds=checkpoint.spent_seconds,
        )
        path = run.checkpoint(checkpoint.position.step)
        try:
            trainer._restore(checkpoint)
        except ConfigError as error:
            raise ModelError(f"{path}: {error}") from error
        run.rewind(trainer.position.step, evaluated=trainer.position.evaluated)
        trainer._baselines.forget_known()
        if checkpoint.budget is not None:  # what was revised after the checkpoint is so again
            trainer.learner.schedule = recorded_revisions(
                run, trainer.schedule, trainer.position.step
            )
        trainer.position = mark_best(run, trainer.position)
        run.prune(trainer.config.keep, path)
        return trainer

    def request_stop(self, signal: int = 0) -> None:
        """Make the iteration save after the current step and end. Safe in a signal handler.

        `signal` is the number of the signal that asks to stop; 0 for any other request.
        """
        self.group.request_stop(signal)

    @property
    def schedule(self) -> Schedule:
        """The learning rates, evaluations and last step, as revised so far."""
        return self.learner.schedule

    @property
    def turned(self) -> bool:
        """Whether the training has stopped early, or will now; see `should_stop_early`."""
        return should_stop_early(self.position, self.schedule)

    @property
    def stopped_by(self) -> int | None:
        """The number of the signal that stopped this process or another of the group; 0 for a
        request without a signal, None without a request."""
        return self.group.stopped_by

    @property
    def _stopped(self) -> bool:
        return self.group.stopped_by is not None

    @as_usual
    def __iter__(self) -> Generator[Progress, None, None]:
        """Train to the end. Raises DivergedError, StorageError; TrainingError when another process
        of the group fails.

        An interrupt (Ctrl-C, a notebook's stop button) raises KeyboardInterrupt once the current
        step is taken and saved; a second one at once. After a `break` or an error in the loop over
        the Trainer, the training is saved when the iterator is closed or garbage-collected.
        """
        self.run.claim()
        try:
            with (
                freed_memory_kept(),
                self.group.lead(self.learner, self.loader, self.run.ids_folder, self.position.step),
            ):
                yield from stepwise(self._train(), self._computing)
        except DivergedError:
            raise
        except (StorageError, TrainingError) as error:
            saved = self.run.checkpoints()
            after = f"; {saved[-1]} is intact: continue from it with --resume" if saved else ""
            raise type(error)(f"{error}{after}") from error
        finally:
            self.close()

    def close(self) -> None:
        """Unlock the run for other trainings; delete it if no step was taken. Iteration does this
        at its end."""
        if self.position.step == 0:
            self.run.discard()
        self.run.release()

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        """Set the number of threads, and make interrupts wait for the end of a step."""
        with (
            threads(self.schedule.threads_at(self.position.step)),
            interrupts_wait(self.request_stop),
        ):
            yield

    def _train(self) -> Iterator[Progress]:
        self._pacer.begin(self.position.characters)
        saved = self.position.step
        with self._pacer.working_aside():
            untrained = "" if saved else self._sample()
        if saved and self._evaluation_due():  # stopped before this step was evaluated
            self._evaluate()
            self.save()
        try:
            while self.position.step < self.schedule.steps and not (self._stopped or self.turned):
                progress = self._revise(self._step())
                if self.position.step == 1:
                    self._log.log_untrained(untrained)
                if self._evaluation_due():
                    progress = dataclasses.replace(progress, **self._evaluate())
                step = self.position.step
                due = self.schedule.save_due(step)
                if due or self.position.best_step == step or self._stopped or self.turned:
                    progress = dataclasses.replace(progress, checkpoint=self.save())
                    saved = step
                yield progress
        except GeneratorExit:  # a `break` or an error in the loop over the Trainer
            if saved != self.position.step and not self._stopped and self.run.is_ours:
                self.save()
            raise
        if saved != self.position.step:  # a stop was requested between two steps
            self.save()
        if self.position.step >= self.schedule.steps or self.turned:
            self._baselines.log_rest(self.position, self.group)

    @as_usual
    def save(self) -> Path:
        """Write a checkpoint of the current step; return its folder. Raises StorageError."""
        with self._pacer.saving():
            return self._save()

    def _save(self) -> Path:
        tensors = training_tensors(self.learner, self.group.gather_state(self.learner.state))
        position = dataclasses.replace(self.position, **self.loader.state_dict())
        model = self.model()
        written = (*tensors.values(), *model.tensors.values())
        if not all(np.isfinite(array).all() for array in written):
            raise self._diverged(f"step {position.step}: a weight has overflowed")
        checkpoint = Checkpoint(
            model=model,
            config=self.config,
            sources=self.corpus.sources,
            options=self.corpus.options,
            position=position,
            tensors=tensors,
            budget=self._pacer.budget,
            spent_seconds=round(self._pacer.spent_seconds, 3),
            revisions=self.schedule.revisions_until(position.step),
        )
        best = position.best_step in (None, position.step)
        return self.run.save(position.step, checkpoint.files(), best=best, keep=self.config.keep)

    def model(self) -> Model:
        """Return a copy of the network as it is now, with averaged weights."""
        network, position = self.average.network, self.position
        return Model(
            config=network.config,
            tokenizer=self.corpus.tokenizer,
            tensors=arrays(network),
            provenance=Provenance(
                corpus=self.corpus.name,
                sha256=self.corpus.sha256,
                corpus_bytes=self.corpus.bytes,
                corpus_characters=self.corpus.characters,
                validation_fraction=self.config.validation_fraction,
                lines=self.config.lines,
                step=position.step,
                characters=position.characters,
                seconds=round(position.seconds, 3),
                seed=self.config.seed,
                split_seed=self.config.split_seed,
                validation_nats=position.validation_nats
                if position.evaluated == position.step
                else None,
            ),
            labels=self.task.labels,
        )

    def _step(self) -> Progress:
        """Take one training step, and log it to metrics.jsonl when a line is due."""
        began = time.perf_counter()
        chunk = next(self.loader)
        epoch = self.loader.epoch
        try:
            result = self.learner.step(chunk, self.position.step)
        except DivergedError as error:
            raise self._diverged(str(error)) from error
        self.group.finish_step(self.learner.state, self.schedule, self.position.step + 1)
        self.average.add(self.learner.network, self.position.step + 1)
        old = self.position
        position = dataclasses.replace(
            old,
            step=old.step + 1,
            characters=old.characters + result.characters,
            seconds=old.seconds + time.perf_counter() - began,
            nats=old.nats + result.nats,
            measured=old.measured + 1,
        )
        self.position = self._log.log_step(position, result, epoch, self.schedule)
        return self._log.progress(position, result, epoch, self.schedule)

    def _revise(self, progress: Progress) -> Progress:
        """Revise the plan after a step, where the time budget requires it."""
        before = self.schedule
        revision = self._pacer.after_step(progress.step, progress.characters, before)
        if revision is not None and not self._stopped:
            # It is on the disk before the first step that depends on it: see Trainer.resume.
            self._log.log_revision(self.position, revision, before)
            self.group.revise(revision)
            self.learner.schedule = before.revised(revision)
            progress = dataclasses.replace(progress, steps=revision.steps)
            if revision.steps != before.steps:
                assert self._pacer.budget is not None
                seconds, unit = self._pacer.budget.seconds, self.corpus.tokenizer.unit
                said = describe_revision(revision, before.steps, seconds, unit)
                progress = dataclasses.replace(progress, revision=said)
        set_threads(self.schedule.threads_at(progress.step))
        return progress

    def _diverged(self, what: str) -> DivergedError:
        kept = f"; {self.run.last} is sound" if self.run.last.exists() else ""
        rate = f"{self.config.learning_rate / 3:.2g}"
        return DivergedError(f"{what}; try --learning-rate {rate}{kept}")

    def _evaluation_due(self) -> bool:
        position = self.position
        due = self.schedule.evaluation_due(position.step)
        return due and position.evaluated != position.step and not self._stopped

    def _evaluate(self) -> dict[str, Any]:
        """Evaluate the network; return the fields for Progress, none when asked to stop."""
        with self._pacer.working_aside():
            self._baselines.log_quick(self.position, self.group)
        with self._pacer.evaluating():
            return self._evaluate_network()

    def _evaluate_network(self) -> dict[str, Any]:
        nats = float("nan")
        with autocast(self.config.device, self.config.precision):
            for nats, _ in self.task.evaluate(
                self.average.network,
                at_most=self.config.evaluation_characters,
                at_once=self.config.batch_size * self.config.sequence_length,
            ):
                if self._stopped:  # a long evaluation must not keep a Ctrl-C waiting
                    return {}
                self.group.say_busy()
        position = self.position
        if not math.isfinite(nats):
            raise self._diverged(f"step {position.step}: the validation loss is {nats}")
        text = self._sample()
        self._log.log_evaluation(position, nats, self.task.measures(), text)
        best = position.best_nats is None or self.task.is_better(nats, position.best_nats)
        self.position = dataclasses.replace(
            position,
            evaluated=position.step,
            validation_nats=nats,
            best_nats=nats if best else position.best_nats,
            best_step=position.step if best else position.best_step,
        )
        return {"validation_nats": nats, "best_nats": self.position.best_nats, "sample": text}

    def _sample(self) -> str:
        try:
            return self.task.sample(self.model(), self.config.seed)
        except ModelError as error:
            raise self._diverged(f"step {self.position.step}: {error}") from error

    def _restore(self, checkpoint: Checkpoint) -> None:
        position = checkpoint.position
        if position.lanes != self.loader.batch_size:
            raise ConfigError(f"{position.lanes} lanes saved, {self.loader.batch_size} configured")
        self.position = position
        self.learner.schedule = Schedule(self.config, checkpoint.revisions)
        self._log = MetricsLog(self.run, position)
        self.loader.load_state_dict({"epoch": position.epoch, "chunk": position.chunk})
        load(self.average.network, checkpoint.model.tensors)
        restore_tensors(self.learner, checkpoint, self.group)
