"""What a run's newest checkpoint says about it, where it has one."""

from dataclasses import dataclass
from pathlib import Path

from charrnn.errors import ModelError
from charrnn.plots.curves import Drawn
from charrnn.plots.history import RunHistory
from charrnn.storage.manifest import read_json
from charrnn.storage.model_directory import TOKENIZER, read_config
from charrnn.storage.run import Run
from charrnn.storage.run_listing import MeasuredRun

_LARGEST_TOKENIZER = 4 << 20


@dataclass(frozen=True)
class RunDescription:
    """What a run is.

    Attributes:
        task: the entry of TASKS; None before its first checkpoint.
        corpus: the name of its text.
        unit: `character` or `byte`; empty where it is not known.
    """

    task: str | None = None
    corpus: str | None = None
    unit: str = ""


def describe_run(directory: Path) -> RunDescription:
    """Return what a run is, as far as its newest readable checkpoint says."""
    for checkpoint in reversed(_checkpoints(directory)):
        try:
            config, provenance = read_config(checkpoint)
            tokenizer = read_json(checkpoint / TOKENIZER, largest=_LARGEST_TOKENIZER)
        except (ModelError, OSError):
            continue
        kind = tokenizer.get("kind") if isinstance(tokenizer, dict) else None
        unit = {"char": "character", "byte": "byte"}.get(str(kind), "")
        return RunDescription(config.task, provenance.corpus, unit)
    return RunDescription()


def read_drawn(run: MeasuredRun) -> Drawn:
    """Read a run to draw. Raises ModelError where its measurements cannot be read."""
    measurements = RunHistory(run.directory).read()
    return Drawn(run.name, measurements, describe_run(run.directory).unit)


def _checkpoints(directory: Path) -> list[Path]:
    try:
        return Run(directory).checkpoints()
    except OSError:
        return []
