"""From what a person says to a training: names and options in, a Trainer out."""

import contextlib
import math
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.data.corpus import open_corpus
from charrnn.data.sources import ReadOptions
from charrnn.errors import ConfigError, TrainingError
from charrnn.storage.run import find_run, load, run_directory
from charrnn.training.config import TrainingOptions, parse_duration

if TYPE_CHECKING:
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Progress, Trainer


def begin(
    corpus: Sequence[str],
    options: TrainingOptions,
    *,
    name: str | None = None,
    out: Path | None = None,
    start_from: str | Path | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
) -> "tuple[Trainer, Plan]":
    """A new training, planned, in a run directory of its own; see `train`.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    text = open_corpus(corpus, read)
    directory = run_directory(text.name, name=name, out=out)
    base = load(start_from) if start_from is not None else None
    with _signals_held_back():
        # Only from here on is PyTorch needed: what is misspelt is told at once.
        from charrnn.training.plan import make_plan
        from charrnn.training.trainer import start

    plan = make_plan(text, options, kind=tokenizer, min_count=min_count, base=base)
    while True:
        try:
            return start(plan, directory), plan
        except (ConfigError, TrainingError):
            taken, directory = directory, run_directory(text.name, name=name, out=out)
            if directory == taken:  # else another training took the name while this one was planned
                raise


def go_on(run: str, corpus: Sequence[str] = (), read: ReadOptions | None = None) -> "Trainer":
    """The training of a run, as it was at its newest checkpoint; see `Trainer.resume`.

    `corpus` is where its text is now, when it was moved.
    """
    found = find_run(run)
    text = open_corpus(corpus, read) if corpus else None
    with _signals_held_back():
        from charrnn.training.trainer import Trainer

    return Trainer.resume(found, text)


def train(
    corpus: str | Path | Sequence[str | Path] = (),
    *,
    name: str | None = None,
    out: str | Path | None = None,
    resume: str | None = None,
    start_from: str | Path | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    budget: str | float | None = None,
    progress_bar: bool = True,
    **options: Any,
) -> "Iterator[Progress]":
    """Trains a model on text; gives Progress after each step.

    >>> for progress in charrnn.train("fables", budget="1m", name="fables"):
    ...     pass
    >>> print(charrnn.sample("fables", "The fox"))

    Args:
        corpus: files, folders, names in `corpora/`, `hf:owner/name`; Python's manual when empty.
        name: of the run under `checkpoints/`; made up from the corpus's when None.
        out: the run directory, instead.
        resume: the name of a run to go on with; all else but `corpus` must be left out.
        start_from: a model to fine-tune.
        tokenizer, min_count, read: how to read the corpus; see `tokenize` and ReadOptions.
        budget: like "10m", or seconds.
        progress_bar: show one (tqdm's, which suits a notebook).
        options: the other attributes of TrainingOptions.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    names = [str(item) for item in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    if resume is not None:
        others = (name, out, start_from, tokenizer, budget, read if not names else None)
        if options or min_count != 1 or any(each is not None for each in others):
            raise ConfigError("resume keeps the run's own settings; leave out all but the corpus")
        trainer = go_on(resume, names, read)
    else:
        seconds = parse_duration(budget) if isinstance(budget, str) else budget
        trainer, _ = begin(
            names,
            TrainingOptions(budget=seconds, **options),
            name=name,
            out=Path(out) if out is not None else None,
            start_from=start_from,
            tokenizer=tokenizer,
            min_count=min_count,
            read=read,
        )
    if not progress_bar:
        yield from trainer
        return
    from tqdm.auto import tqdm

    with tqdm(total=trainer.config.steps, initial=trainer.position.step, unit="step") as bar:
        for progress in trainer:
            bar.update()
            if progress.validation_nats is not None:
                bits = progress.validation_nats / math.log(2)
                bar.set_postfix(bits_per_character=f"{bits:.3f}", refresh=False)
            yield progress


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Has a Ctrl-C wait until PyTorch is loaded: in the middle of that, it can end in an abort."""
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
