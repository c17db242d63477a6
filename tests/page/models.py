"""Small trained models of every task, for the tests of the page."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

import charrnn
from tests.labelled import rows, write_rows

PROSE: Final = "The fox met the hen. The hen met the fox. Was it a fox? It was a hen!\n" * 40
"""What the models `prose` and `both` were trained on: they know it by heart."""

TOWNS: Final = Path(__file__).parents[2] / "corpora" / "towns.txt"
LINES_OF_TOWNS: Final = 400

LABELLED: Final = 300

MODELS: Final[dict[str, dict[str, Any]]] = {
    "prose": {"corpus": "prose.txt", "steps": 60, "hidden_size": 24},
    "towns": {"corpus": "towns.txt", "steps": 120, "hidden_size": 32, "lines": True},
    "both": {"corpus": "prose.txt", "steps": 120, "hidden_size": 32, "bidirectional": True},
    "moods": {"corpus": "rows.jsonl", "steps": 80, "hidden_size": 16, "label": "kind"},
    "years": {
        "corpus": "rows.jsonl",
        "steps": 80,
        "hidden_size": 16,
        "label": "number",
        "regress": True,
    },
}
"""How each run is trained: five seconds for all of them."""


def train_models(temporary: pytest.TempPathFactory) -> Path:
    """Returns a directory with the corpora, and with the runs in `checkpoints/`.

    All processes of a test run share it: the first one trains them, while the others wait.
    """
    own = temporary.getbasetemp()
    directory = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "page"
    with open(f"{directory}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "checkpoints").exists():
            shutil.rmtree(directory, ignore_errors=True)
            _train(directory)
    return directory


def _train(directory: Path) -> None:
    directory.mkdir()
    (directory / "prose.txt").write_text(PROSE)
    towns = TOWNS.read_text(encoding="utf-8").splitlines(keepends=True)
    (directory / "towns.txt").write_text("".join(towns[:LINES_OF_TOWNS]), encoding="utf-8")
    write_rows(directory / "rows.jsonl", rows(LABELLED))
    making = directory / "unfinished"
    for name, settings in MODELS.items():
        settings = dict(settings)
        if "label" in settings:
            settings["text"] = "text"
        charrnn.train(
            directory / settings.pop("corpus"),
            out=making / name,
            precision="fp32",
            progress_bar=False,
            **settings,
        )
    making.rename(directory / "checkpoints")
