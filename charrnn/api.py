"""The Python API: one function for each verb.

`verb(model, ...)` does its work and returns; `stream_verb(model, ...)` yields while it works. A
model is the name of a run under `checkpoints/`, a run directory, a model directory, or a result of
`load`. A verb that the model was not trained for raises ModelError, which names the right ones.
"""

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.ambient import as_usual, with_parameters_of
from charrnn.data.read_options import ReadOptions
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import load
from charrnn.training.steps import training_steps

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from charrnn.explanation.explanation import Explanation
    from charrnn.tasks.classify.predict import Prediction
    from charrnn.tasks.infill.corrections import Finding
    from charrnn.tasks.infill.fill import Filling
    from charrnn.tasks.transduce.translate import Translation
    from charrnn.training.progress import Progress

__all__ = [
    "compress",
    "decompress",
    "evaluate",
    "explain",
    "fill",
    "load",
    "predict",
    "proofread",
    "sample",
    "score",
    "stream_sample",
    "stream_train",
    "stream_translate",
    "train",
    "translate",
]


@with_parameters_of(training_steps)
@as_usual
def stream_train(*arguments: Any, **settings: Any) -> "Generator[Progress, None, Run]":
    """Train as `train` does, with the same arguments; yield Progress after each step.

    Training begins when the generator is iterated over. After a `break` or an exception in the
    loop, the training is saved when the generator is closed or garbage-collected. For interrupts,
    see `train`. `resume` continues from there.

    >>> for progress in charrnn.stream_train("fables", budget="1m", name="fables"):
    ...     print(progress.step, progress.train_nats)

    The generator returns the Run. In a process of torchrun other than the first, it yields nothing.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    run = yield from training_steps(*arguments, **settings)
    return run


@with_parameters_of(stream_train)
@as_usual
def train(*arguments: Any, **settings: Any) -> Run:
    """Train a model on text and return its run: `sample(run.name)`, `run.best_model()`.

    >>> run = charrnn.train("fables", budget="1m", name="fables")
    >>> print(charrnn.sample("fables", "The fox"))

    In a script started by torchrun, the processes train together, and each returns the Run.

    An interrupt (Ctrl-C, a notebook's stop button) raises KeyboardInterrupt once the current step
    has been taken and saved. A second one raises it at once, and the steps since the last
    checkpoint are lost. `resume` continues from the last checkpoint.

    Args:
        corpus: files, folders, names in `corpora/`, `hf:owner/name`; Python's help() when empty.
        name: the name of the run under `checkpoints/`; None: a name made from that of the corpus.
        out: the run directory, instead of one under `checkpoints/`.
        resume: the name or directory of a run to resume. Only `corpus`, `read`, `text` and `label`
            (where its text is now), `log` and `progress_bar` may be given with it.
        start_from: a model to fine-tune.
        tokenizer, min_count: how to encode the corpus; see `tokenize`.
        read: how to read the corpus.
        text, label: the columns of a table that hold a text, and the class or number to predict
            from it; `label="folder"` where each class has its own folder. They replace `column` and
            `label` of `read`.
        budget: the time that the training may take, such as "10m", or in seconds.
        log: `"tensorboard"` to write the measurements for TensorBoard as well, in the folder
            `tensorboard` of the run; this needs the extra `charrnn-lm[tensorboard]`.
        progress_bar: whether to show a tqdm progress bar, in a terminal or a notebook.
        options: the other attributes of TrainingOptions; of pairs, also `source`, `target`,
            `features` and `target_separator` of ReadOptions.

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
    model: str | Path | Model,
    prompt: str = "",
    *,
    index: int = 0,
    engine: str | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Yield the text that `sample` returns in pieces, as it is generated; the arguments are the
    same.

    With `length=None`, the text is endless.

    Raises as `sample` does.
    """
    from charrnn.tasks.generate.memory import prepare_sampling

    sampler, config = prepare_sampling(model, engine, **settings)
    return iter(sampler.stream(prompt, config, index=index, score=False))


@as_usual
def sample(
    model: str | Path | Model,
    prompt: str = "",
    *,
    index: int = 0,
    engine: str | None = None,
    **settings: Any,
) -> str:
    """Generate a text with a language model; return it without the prompt.

    >>> charrnn.sample("fables", "The fox", length=200, temperature=0.7)

    Args:
        prompt: the beginning of the text.
        index: the number of the text, from 0, among those of the seed.
        engine: `int8` or `float32`; None is as in `charrnn sample`.
        settings: the attributes of SamplingConfig, and of MixtureConfig (`memory`,
            `memory_matches`). The default seed is 0, which gives the same text again.

    Raises ModelError, UnknownCharacterError; ConfigError also where no setting ends the text;
    CorpusError where a memory is wanted and the training text cannot be read.
    """
    from charrnn.tasks.generate.memory import prepare_sampling

    sampler, config = prepare_sampling(model, engine, **settings)
    return sampler.sample(prompt, config, index=index)


@as_usual
def evaluate(
    model: str | Path | Model,
    text: str | Path | None = None,
    *,
    read: ReadOptions | None = None,
    protocol: str = "stream",
    adapt: bool = False,
    memory: bool = False,
    at_most: int | None = None,
    engine: str | None = None,
) -> dict[str, Any]:
    """Measure how well a model predicts a text, or the labels of documents; return what `charrnn
    evaluate --json` prints.

    >>> charrnn.evaluate("fables")["bits_per_character"]
    >>> charrnn.evaluate("mails")["accuracy"]

    Args:
        text: a file (or anything `open_corpus` opens); None: the held-out part of the run's text.
        read: how to read the file; columns of a table that are None are those of the training.
        protocol: `stream`, or `windows` to compare with nanoGPT; see `evaluation/protocols.py`.
        adapt: whether to learn from the text while reading it. The model itself does not change.
        memory: whether to mix in a memory of the training text and of what was read.
        at_most: how many characters of a longer text to read, in passages spread over it.
        engine: the entry of ENGINES that reads the text; None: `float32`, and `int8` with a memory.
            With `int8` and no memory, the result also has the loss in float32.

    Raises ModelError; CorpusError when the text cannot be read or is too short, and for a model in
    memory where no text is given; ConfigError for settings that contradict each other.
    """
    from charrnn.training.saved_model_evaluation import evaluate_model

    return evaluate_model(
        model,
        None if text is None else str(text),
        read=read or ReadOptions(),
        protocol=protocol,
        adapt=adapt,
        memory=memory,
        at_most=at_most,
        engine=engine,
    )


@as_usual
def score(
    model: str | Path | Model, text: str, *, engine: str = "float32"
) -> "npt.NDArray[np.float64]":
    """Return the log-probability of each character of a text: an array (N,) of nats, 0 or below.

    >>> charrnn.score("fables", "The fox").sum()  # the log-probability of the text

    Each character is predicted from all before it; the first as `sample` does without a prompt, as
    if after a newline. For a byte model, the value of a character is the sum over its bytes.

    Args:
        engine: the entry of ENGINES that runs the model.

    Raises UnknownCharacterError for characters that are not in the vocabulary, ModelError.
    """
    from charrnn.evaluation.log_probabilities import character_log_probabilities

    return character_log_probabilities(load(model), text, engine=engine)


@as_usual
def explain(
    model: str | Path | Model, text: str | Path | None = None, **settings: Any
) -> "Explanation":
    """Find out what a model does with a text; return what `charrnn explain --json` prints.

    >>> charrnn.explain("fables", "The fox met a crow.", parts=("surprise",)).surprise.nats

    Args:
        text: the text, or the path of a file; None: what was held out of the training text.
            Unknown characters are left out, with a CharRNNWarning.
        settings: the attributes of ExplainConfig.

    Raises ModelError, ConfigError, CorpusError.
    """
    from charrnn.training.explaining import explain as explain_text

    return explain_text(model, text, **settings)


@as_usual
def fill(model: str | Path | Model, text: str, **settings: Any) -> "list[Filling]":
    """Fill the gaps of a text with a bidirectional model; return the most probable text first.

    >>> charrnn.fill("restorer", "The f_x and the gr__es")[0].text

    Args:
        text: a text with `_` (or `gap`) for each missing character. Other characters that are not
            in the vocabulary stay in the text, and are read as unknown.
        settings: the attributes of FillConfig: `alternatives` is how many texts to return.

    Raises ModelError, ConfigError, CorpusError for what is no text.
    """
    from charrnn.tasks.infill.config import FillConfig
    from charrnn.tasks.infill.fill import fill as fill_text

    return fill_text(load(model), text, FillConfig(**settings))


@as_usual
def proofread(model: str | Path | Model, text: str, **settings: Any) -> "list[Finding]":
    """Find likely errors in a text with a bidirectional model, in the order of the text.

    >>> findings = charrnn.proofread("restorer", "The fox jmuped.")
    >>> charrnn.apply_corrections("The fox jmuped.", [each.correction for each in findings])

    Characters that are not in the vocabulary are left alone, with a CharRNNWarning where most are.

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
    """Predict the class of each text, or a number, with a model that was trained with `label`.

    >>> charrnn.predict("mails", ["You have won!"])[0].label
    'spam'

    Args:
        texts: several texts; or one text, for which the list has one prediction.
        strict: whether to raise CorpusError for the first of several texts without a prediction;
            otherwise the `problem` of its Prediction says why.

    Raises ModelError; CorpusError for a single text without a character that the model knows.
    """
    from charrnn.tasks.classify.predict import predict as predict_texts

    return predict_texts(load(model), texts, strict=strict)


@as_usual
def translate(
    model: str | Path | Model, texts: str | Iterable[str], **settings: Any
) -> "list[Translation]":
    """Translate each text with a model that was trained on pairs (with `source` and `target`).

    >>> charrnn.translate("phones", ["cello", "ciao"])[0].text
    'tʃɛllo'

    Args:
        texts: several texts; or one text, for which the list has one translation.
        settings: those of `Translator` (`beam`, `n`, `alignment`), and `features`: those of all
            texts, such as "V;PST", or a sequence with those of each.

    Of several texts, one that cannot be translated has a `problem` that says why. Raises
    ModelError, ConfigError; CorpusError for a single text that cannot be translated.
    """
    from charrnn.tasks.transduce.translate import translate as translate_texts

    return translate_texts(load(model), texts, **settings)


@as_usual
def stream_translate(
    model: str | Path | Model, texts: Iterable[str], **settings: Any
) -> "Iterator[Translation]":
    """Yield what `translate` returns, as the texts come; they are read some hundred at a time."""
    from charrnn.tasks.transduce.translate import stream_translate as stream_texts

    return stream_texts(load(model), texts, **settings)


@as_usual
def compress(
    model: str | Path | Model | None, content: bytes | str | Path, *, training_text: bool = True
) -> bytes:
    """Compress a text, or any bytes, without loss; return the archive.

    >>> archive = charrnn.compress("fables", "The fox met a crow.")
    >>> charrnn.decompress("fables", archive).decode()
    'The fox met a crow.'

    Args:
        model: a language model, which must be there to decompress; None compresses with what comes
            before in the content alone.
        content: the bytes, a text (of which UTF-8 is compressed), or the path of a file.
        training_text: whether the model's training text helps, where it can be read; it must then
            be there to decompress as well. A model in memory does not say where its text is.

    Raises ModelError; CorpusError for a file that cannot be read.
    """
    from charrnn.compression.verbs import compress as compress_content

    return compress_content(model, content, training_text=training_text)


@as_usual
def decompress(model: str | Path | Model | None, archive: bytes | Path) -> bytes:
    """Return the content of an archive of `compress`, given the model that it was made with.

    Args:
        archive: the archive, or the path of its file.

    Raises CorpusError for what is no archive or is damaged, and where the training text is missing;
    ModelError for another model.
    """
    from charrnn.compression.verbs import decompress as decompress_archive

    return decompress_archive(model, archive)
