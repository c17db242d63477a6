"""The verbs of charrnn in Python, in one shape.

`verb(model, ...)` does its work and returns; `stream_verb(model, ...)` yields while it works. A
model is the name of a run under `checkpoints/`, a run directory, a model directory, or what `load`
returned. A verb that the model was not trained for raises ModelError, which names the right ones.
"""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from charrnn.ambient import as_usual
from charrnn.data.read_options import ReadOptions
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import load, read_found
from charrnn.training.options import TrainingOptions, parse_duration
from charrnn.training.parallel.torchrun import join_group
from charrnn.training.progress_bar import reading_bar, with_bar
from charrnn.training.session import resume_training, start_training

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from charrnn.data.corpus import TokenizedCorpus
    from charrnn.tasks.classify.predict import Prediction
    from charrnn.tasks.infill.corrections import Finding
    from charrnn.tasks.infill.fill import Filling
    from charrnn.training.checkpoint import Checkpoint
    from charrnn.training.progress import Progress

__all__ = [
    "evaluate",
    "fill",
    "load",
    "predict",
    "proofread",
    "sample",
    "score",
    "stream_sample",
    "stream_train",
    "train",
]

P = ParamSpec("P")
R = TypeVar("R")


def _with_parameters_of(verb: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Gives the function that it decorates, which passes all its arguments on to a verb, the
    parameters of that verb in its signature, for `help` and for type checkers."""

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        returned = inspect.signature(function).return_annotation
        signature = inspect.signature(verb).replace(return_annotation=returned)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return decorate


@as_usual
def stream_train(
    corpus: str | Path | Sequence[str | Path] = (),
    *,
    name: str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    start_from: str | Path | Model | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    text: str | None = None,
    label: str | None = None,
    budget: str | float | None = None,
    progress_bar: bool = True,
    **options: Any,
) -> "Generator[Progress, None, Run]":
    """Trains as `train` does and takes the same arguments; yields Progress after each step.

    Nothing happens until the generator is iterated over. A `break`, or an exception in the loop,
    saves what was learned, as soon as the generator is closed or nothing refers to it any more; an
    interrupt does so as `train` says. `resume` goes on from there.

    >>> for progress in charrnn.stream_train("fables", budget="1m", name="fables"):
    ...     print(progress.step, progress.train_nats)

    The generator returns the Run. In a process of torchrun other than the first, it yields nothing.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    names = [str(item) for item in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    if text is not None or label is not None:
        read = replace(read or ReadOptions(), column=text, label=label)
    group = join_group()
    if group.rank > 0:
        group.follow()
        assert group.run_directory is not None
        return Run(group.run_directory)
    with group.failures_reported(), reading_bar(progress_bar) as reading:
        if resume is not None:
            others = (name, out, start_from, tokenizer, budget, read if not names else None)
            if options or min_count != 1 or any(each is not None for each in others):
                raise ConfigError(
                    "resume keeps the run's own settings; leave out all but the corpus"
                )
            trainer = resume_training(str(resume), names, read, group=group, progress=reading)
        else:
            seconds = parse_duration(budget) if isinstance(budget, str) else budget
            trainer, _ = start_training(
                names,
                TrainingOptions(budget=seconds, **options),
                name=name,
                out=Path(out) if out is not None else None,
                start_from=start_from,
                tokenizer=tokenizer,
                min_count=min_count,
                read=read,
                group=group,
                progress=reading,
            )
    with contextlib.closing(trainer):
        if names:
            with group.failures_reported():
                _warn_of_folders(trainer.corpus)
        yield from with_bar(trainer) if progress_bar else trainer
    return trainer.run


@_with_parameters_of(stream_train)
@as_usual
def train(*arguments: Any, **settings: Any) -> Run:
    """Trains a model on text and returns its run: `sample(run.name)`, `run.best_model()`.

    >>> run = charrnn.train("fables", budget="1m", name="fables")
    >>> print(charrnn.sample("fables", "The fox"))

    In a script that torchrun has started, its processes train together, and each returns the Run.

    An interrupt (Ctrl-C, a notebook's stop button) in the middle of a step raises KeyboardInterrupt
    once that step has been taken and saved; a second one at once, and what was learned since the
    last checkpoint is lost then. `resume` goes on from there.

    Args:
        corpus: files, folders, names in `corpora/`, `hf:owner/name`; Python's manual when empty.
        name: of the run under `checkpoints/`; None: made from the name of the corpus.
        out: the run directory, instead of one under `checkpoints/`.
        resume: the name or directory of a run to resume; of all other arguments, only `corpus`,
            `read`, `text` and `label` (where its text is now) and `progress_bar` go with it.
        start_from: a model to fine-tune.
        tokenizer, min_count: how to encode the corpus; see `tokenize`.
        read: how to read the corpus.
        text, label: the columns of a table that hold a text, and the class or number to predict
            from it; `label="folder"` where each class has a folder of its own. They take the place
            of `column` and `label` of `read`.
        budget: the time it may take, like "10m", or in seconds.
        progress_bar: shows a bar of tqdm, which suits terminals and notebooks.
        options: the other attributes of TrainingOptions.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    with contextlib.closing(stream_train(*arguments, **settings)) as steps:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                run: Run = end.value
                return run


@as_usual
def stream_sample(
    model: str | Path | Model, prompt: str = "", *, index: int = 0, **settings: Any
) -> Iterator[str]:
    """Yields the text that `sample` returns in pieces, as it is written; takes the same arguments.

    Here, the text need not have an end: with `length=None` it goes on for as long as you read.

    Raises ModelError, ConfigError, UnknownCharacterError.
    """
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler

    config = SamplingConfig(**settings)
    return iter(Sampler(load(model)).stream(prompt, config, index=index, score=False))


@as_usual
def sample(model: str | Path | Model, prompt: str = "", *, index: int = 0, **settings: Any) -> str:
    """Writes a text with a language model; returns it without the prompt.

    >>> charrnn.sample("fables", "The fox", length=200, temperature=0.7)

    Args:
        prompt: what the text begins with.
        index: which of the texts of the seed.
        settings: the attributes of SamplingConfig. Without a seed, it is 0: the same text again.

    Raises ModelError, UnknownCharacterError; ConfigError also where nothing says how the text ends.
    """
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler

    return Sampler(load(model)).sample(prompt, SamplingConfig(**settings), index=index)


@as_usual
def evaluate(
    model: str | Path | Model,
    text: str | Path | None = None,
    *,
    read: ReadOptions | None = None,
    protocol: str = "stream",
    adapt: bool = False,
    at_most: int | None = None,
) -> dict[str, Any]:
    """Measures how well a model predicts a text, or the labels of documents; returns what
    `charrnn evaluate --json` prints.

    >>> charrnn.evaluate("fables")["bits_per_character"]
    >>> charrnn.evaluate("mails")["accuracy"]

    Args:
        text: a file (or anything `open_corpus` opens); None: what was held out of the text that the
            run was trained on.
        read: how to read the file; of a table, the columns of the training where they are None.
        protocol: `stream`, or `windows` to compare with nanoGPT; see `evaluation/scoring.py`.
        adapt: go on learning from the text while reading it. The model itself stays as it is.
        at_most: how many characters (or bytes) of a longer text to read, in passages from all over
            it; None: all.

    Raises ModelError; CorpusError when the text cannot be read or is too short, and for a model in
    memory where no text is given; ConfigError for settings that contradict each other.
    """
    from charrnn.training.report import EvaluationRequest
    from charrnn.training.saved_model_evaluation import (
        checked_request,
        prepare_evaluation,
        read_evaluated,
    )

    directory: Path | None = None
    checkpoint: Checkpoint | None = None
    if isinstance(model, Model):
        evaluated = model
    else:
        directory, (evaluated, checkpoint) = read_found(str(model), read_evaluated)
    request = EvaluationRequest(
        model=evaluated,
        read=read or ReadOptions(),
        directory=directory,
        checkpoint=checkpoint,
        file=None if text is None else str(text),
        protocol=protocol,
        adapt=adapt,
        at_most=at_most,
    )
    return prepare_evaluation(checked_request(request))(None).to_json()


@as_usual
def score(
    model: str | Path | Model, text: str, *, engine: str | None = None
) -> "npt.NDArray[np.float64]":
    """The log-probability of each character of a text: an array (N,) of nats, 0 or below.

    >>> charrnn.score("fables", "The fox").sum()  # the log-probability of the text

    Each is given all characters before it; the first is predicted as `sample` draws it without a
    prompt, as if after a newline. Of a byte model, a character's is the sum over its bytes.

    Args:
        engine: the entry of ENGINES that runs the model; None: the fastest that needs no PyTorch.

    Raises UnknownCharacterError for characters that are not in the vocabulary, ModelError.
    """
    from charrnn.evaluation.log_probabilities import character_log_probabilities

    return character_log_probabilities(load(model), text, engine=engine)


@as_usual
def fill(model: str | Path | Model, text: str, **settings: Any) -> "list[Filling]":
    """Fills the gaps of a text with a bidirectional model; returns the most probable text first.

    >>> charrnn.fill("restorer", "The f_x and the gr__es")[0].text

    Args:
        text: with `_` (or `gap`) for each missing character. Other characters that are not in the
            vocabulary stay in the text, and are read as unknown.
        settings: the attributes of FillConfig: `alternatives` is how many texts to return.

    Raises ModelError, ConfigError, CorpusError for what is no text.
    """
    from charrnn.tasks.infill.config import FillConfig
    from charrnn.tasks.infill.fill import fill as fill_text

    return fill_text(load(model), text, FillConfig(**settings))


@as_usual
def proofread(model: str | Path | Model, text: str, **settings: Any) -> "list[Finding]":
    """Finds likely errors in a text with a bidirectional model, in the text's order.

    >>> findings = charrnn.proofread("restorer", "The fox jmuped.")
    >>> charrnn.apply_corrections("The fox jmuped.", [each.correction for each in findings])

    Characters that are not in the vocabulary are left alone; a CharRNNWarning says so where most
    are.

    Args:
        settings: the attributes of ProofreadConfig: a lower `threshold` (in nats) finds more.

    Raises ModelError, ConfigError, CorpusError for what is no text.
    """
    from charrnn.tasks.infill.config import ProofreadConfig
    from charrnn.tasks.infill.proofread import proofread as proofread_text

    return proofread_text(load(model), text, ProofreadConfig(**settings))


@as_usual
def predict(
    model: str | Path | Model, texts: str | Iterable[str], *, strict: bool = False
) -> "list[Prediction]":
    """Predicts the class of each text, or a number, with a model that was trained with `label`.

    >>> charrnn.predict("mails", ["You have won!"])[0].label
    'spam'

    Args:
        texts: several; or one, for which the list has one prediction.
        strict: raises CorpusError also for the first of several texts that has no prediction,
            whose Prediction says why in `problem` otherwise.

    Raises ModelError; CorpusError for a single text without a character that the model knows.
    """
    from charrnn.tasks.classify.predict import predict as predict_texts

    return predict_texts(load(model), texts, strict=strict)


def _warn_of_folders(corpus: "TokenizedCorpus") -> None:
    """Warns of what is left out of a corpus's folders, where that may not be meant."""
    for found in corpus.folders:
        for surprise in found.surprises(classes=corpus.options.label is not None):
            warnings.warn(surprise, CharRNNWarning, stacklevel=3)
