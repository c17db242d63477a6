"""A model card: Markdown, with the header in YAML that hubs read, of what is known of a model.

It is the same for the same run. What is not known is left out, or the card says why. The training
text is named and measured, never quoted; of files, the card names no folder.
"""

import dataclasses
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Final

from charrnn.ambient import as_usual
from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import HUGGING_FACE
from charrnn.data.tokenizer import REPLACEMENT
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.export.markdown import code, fenced, plain, table
from charrnn.option_declaration import options_of
from charrnn.storage.metrics_file import baseline_of
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import name_of, read_found
from charrnn.storage.token_cache import keep_for_now
from charrnn.training.checkpoint import Checkpoint
from charrnn.training.options import TrainingOptions
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import read_evaluated, read_training_corpus
from charrnn.training.schedule import Schedule
from charrnn.training.task import task_definition
from charrnn.training.task_card import CardSource, TaskCard
from charrnn.wording import counted

_LICENCE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_DATA_SET: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

_CELLS: Final = {"rnn": "simple recurrent network", "gru": "GRU", "lstm": "LSTM"}


@as_usual
def model_card(
    model: str | Path | None = None,
    *,
    licence: str | None = None,
    progress: ReadingProgress = no_progress,
) -> str:
    """Return the card of a model. Where its training text is still there, that is read, and the
    model's texts are compared with it, which may take a minute.

    Args:
        model: the name of a run, a run directory or a model directory; None: the newest run.
        licence: the licence as hubs name it, such as `mit` or `cc-by-4.0`; None: the card says that
            it has to be given.
        progress: called while the text is read.

    Raises ModelError; ConfigError for a licence that is no name of one.
    """
    if licence is not None:
        check_licence(licence)
    directory, (read, checkpoint) = read_found(
        None if model is None else str(model), read_evaluated
    )
    request = EvaluationRequest(
        model=read, read=ReadOptions(), directory=directory, checkpoint=checkpoint
    )
    source = CardSource(
        name=shlex.quote(name_of(directory)),
        model=read,
        request=request,
        corpus=_training_corpus(request, progress),
        **_measured(directory, checkpoint),
    )
    kind = task_definition(read.config.task).card() or TaskCard()
    sections = [
        _header(source, kind, licence),
        *_introduction(source, kind),
        *_training_text(source),
        *_training(source),
        *_results(source, kind),
        *_examples(source, kind),
        *_limits(source, kind),
        *_licence(licence),
    ]
    return "\n\n".join(sections) + "\n"


def check_licence(licence: str) -> None:
    """Raise ConfigError for what cannot be the name of a licence."""
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(
            f"licence {licence!a:.80}: give it as hubs name it, such as mit, apache-2.0, cc-by-4.0 "
            "or other"
        )


def _training_corpus(
    request: EvaluationRequest, progress: ReadingProgress
) -> TokenizedCorpus | None:
    """Return the training text; None where it cannot be read, or is another by now."""
    try:
        return read_training_corpus(request, progress, keep_for_now)
    except (CorpusError, ModelError):
        return None


def _measured(directory: Path, checkpoint: Checkpoint | None) -> dict[str, dict[str, float]]:
    """Return what the run of a checkpoint has measured: the loss of simpler models, and the other
    measures of the evaluation at this step."""
    if checkpoint is None:
        return {}
    baselines: dict[str, float] = {}
    measures: dict[str, float] = {}
    losses = ("validation_nats", "validation_bits", "step", "seconds")
    for line in Run(directory.parent).measurements():
        named = {each: baseline_of(each) for each in line}
        baselines |= {name: line[each] for each, name in named.items() if name is not None}
        if line["step"] == checkpoint.position.step and "validation_nats" in line:
            measures = {
                each: value
                for each, value in line.items()
                if each not in losses and isinstance(value, float) and "baseline" not in each
            }
    return {"baselines": baselines, "measures": measures}


def _header(source: CardSource, kind: TaskCard, licence: str | None) -> str:
    """Return the header in YAML, whose texts are quoted as in JSON, which is YAML too."""
    config, checkpoint = source.model.config, source.request.checkpoint
    entries: dict[str, Any] = {"library_name": "charrnn"}
    if licence is not None:
        entries["license"] = licence
    if kind.pipeline_tag is not None:
        entries["pipeline_tag"] = kind.pipeline_tag
    entries["tags"] = ["charrnn", "character-level", "recurrent-neural-network", config.cell]
    if config.attention is not None:
        entries["tags"].append("attention")
    if kind.metrics:
        entries["metrics"] = list(kind.metrics)
    named = () if checkpoint is None else checkpoint.sources
    data_sets = [
        each.removeprefix(HUGGING_FACE).split(":")[0] for each in named if _is_remote(each)
    ]
    if data_sets := [each for each in data_sets if _DATA_SET.fullmatch(each)]:
        entries["datasets"] = data_sets
    return "\n".join(["---", *_yaml(entries), "---"])


def _is_remote(source: str) -> bool:
    return source.startswith(HUGGING_FACE)


def _yaml(entries: dict[str, Any]) -> Iterator[str]:
    for name, value in entries.items():
        if isinstance(value, list):
            yield f"{name}:"
            yield from (f"- {json.dumps(each)}" for each in value)
        else:
            yield f"{name}: {json.dumps(value)}"


def _introduction(source: CardSource, kind: TaskCard) -> Iterator[str]:
    config, model = source.model.config, source.model
    network = f"{_CELLS[config.cell]} of {counted(config.layers, 'layer')}"
    ways = " in both directions" if config.bidirectional else ""
    attention = "" if config.attention is None else f", attention to {config.attention:,} states"
    yield f"# {plain(name_of_model(source))}"
    yield (
        f"A character-level network ({network} of {config.hidden_size:,} units{ways}{attention}; "
        f"{config.parameters:,} weights), trained with charrnn on "
        f"{code(_corpus_name(source))}. {kind.purpose(source)}"
    )
    usage = task_definition(model.config.task).usage
    commands = [f"charrnn {each.format(run=source.name)}" for each in usage]
    yield fenced("\n".join(commands), "sh")


def name_of_model(source: CardSource) -> str:
    """Return the name of a model as it is read, not quoted for a shell."""
    return shlex.split(source.name)[0]


def _corpus_name(source: CardSource) -> str:
    return _without_folder(source.model.provenance.corpus)


def _without_folder(name: str) -> str:
    """Return the name of a file without a folder that says where somebody's files are."""
    return PurePath(name).name or name if os.path.isabs(name) or name.startswith("~") else name


def _training_text(source: CardSource) -> Iterator[str]:
    model, provenance = source.model, source.model.provenance
    definition = task_definition(model.config.task)
    yield "## What it was trained on"
    rows = [
        ("name", code(_corpus_name(source))),
        (
            "size",
            f"{counted(provenance.corpus_characters, model.tokenizer.unit)}, "
            f"{counted(provenance.corpus_bytes, 'byte')}",
        ),
        ("SHA-256", code(provenance.sha256)),
        ("read as", definition.describe_corpus(provenance)),
        ("held out", definition.describe_held_out(provenance)),
    ]
    if model.labels:
        shown = ", ".join(code(label[:60]) for label in model.labels[:50])
        more = "" if len(model.labels) <= 50 else f" and {len(model.labels) - 50:,} more"
        rows.append(("classes", f"{len(model.labels):,}: {shown}{more}"))
    yield table(("", ""), rows, left=2)


def _training(source: CardSource) -> Iterator[str]:
    model, checkpoint = source.model, source.request.checkpoint
    provenance = model.provenance
    yield "## How it was trained"
    read = f"{counted(provenance.characters, model.tokenizer.unit)} read in all epochs together"
    where = ""
    if checkpoint is not None:
        config = checkpoint.config
        threads = f", {counted(config.threads, 'thread')}" if config.device == "cpu" else ""
        where = f", on {config.device.upper()}{threads}, in {config.precision}"
    yield (
        f"{counted(provenance.step, 'step')}, {read}, {_duration(provenance.seconds)}{where}. "
        "Seed "
        f"{provenance.seed}."
    )
    if checkpoint is None:
        yield (
            "The command and the settings of the training are in the run; this was written from "
            "the model alone."
        )
        settings: dict[str, Any] = dataclasses.asdict(model.config)
    else:
        yield from _command(source, checkpoint)
        settings = dataclasses.asdict(model.config) | dataclasses.asdict(checkpoint.config)
    yield "Every setting:" if checkpoint is not None else "The settings of the network:"
    rows = [(name, code(str(value))) for name, value in settings.items() if value is not None]
    yield table(("setting", "value"), rows, left=2)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _command(source: CardSource, checkpoint: Checkpoint) -> Iterator[str]:
    """Return the command of a training, with every setting that is not the default."""
    schedule = Schedule(checkpoint.config, checkpoint.revisions)
    definition = task_definition(source.model.config.task)
    decided = dataclasses.asdict(source.model.config) | dataclasses.asdict(checkpoint.config)
    decided |= {"steps": schedule.steps, "tokenizer": source.model.tokenizer.kind}
    decided["regress"] = definition.labelled and not definition.has_classes
    decided["bidirectional"] &= not definition.pairs
    words = ["charrnn", "train", *map(_without_folder, checkpoint.sources)]
    for kind, values in (
        (ReadOptions, dataclasses.asdict(checkpoint.options)),
        (TrainingOptions, decided),
    ):
        defaults = {each.name: each.default for each in dataclasses.fields(kind)}
        for name in options_of(kind):
            value = values.get(name)
            if value is None or value is False or value == defaults[name]:
                continue
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
    if source.model.tokenizer.kind == "byte":
        words += ["--tokenizer", "byte"]
    yield fenced(shlex.join(words), "sh")
    if checkpoint.budget is not None:
        yield (
            f"The training had a budget of {_duration(checkpoint.budget.seconds)}, from which "
            "these settings follow; "
            + (
                f"its plan was revised {counted(len(checkpoint.revisions), 'time')} to keep it, so "
                "that the command gives a similar model, not the same."
                if checkpoint.revisions
                else "the command makes the same training on a machine of the same kind."
            )
        )
    if not source.model.tokenizer.unknown(REPLACEMENT) and source.model.tokenizer.kind == "char":
        yield (
            "Rare characters may have been read as U+FFFD (`--min-count`): from how many on is not "
            "recorded."
        )


def _results(source: CardSource, kind: TaskCard) -> Iterator[str]:
    results = kind.results(source)
    if not (results.rows or results.table or results.remarks):
        return
    yield "## How good it is"
    if results.rows:
        rows = [(plain(name), plain(value)) for name, value in results.rows]
        yield table(("on the held-out part", ""), rows, left=1)
    if results.table is not None:
        shown = results.table
        yield f"{plain(shown.title).capitalize()}:"
        cells = [[plain(cell) for cell in row] for row in shown.rows]
        yield table([plain(cell) for cell in shown.header], cells, left=shown.left)
    yield from results.remarks


def _examples(source: CardSource, kind: TaskCard) -> Iterator[str]:
    examples, copies = kind.examples(source), kind.copies(source)
    if examples:
        yield "## What it writes"
        yield "Samples that were not chosen, each with the command that writes it again:"
    for example in examples:
        yield fenced(example.command, "sh")
        yield fenced(example.text)
    if copies is not None:
        yield copies.text
        if copies.command:
            yield fenced(copies.command, "sh")


def _limits(source: CardSource, kind: TaskCard) -> Iterator[str]:
    if limits := kind.limits(source):
        yield "## What it is not good for"
        yield "\n".join(f"- {each}" for each in limits)


def _licence(licence: str | None) -> Iterator[str]:
    yield "## Licence"
    if licence is not None:
        yield f"{code(licence)}, as its author says."
        return
    yield (
        "Its author has not named one, and without one nobody may use it: `charrnn card --licence "
        "ID` writes it here."
    )
