"""Runs that were never trained: their measurements are made up."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charrnn.plots.curves import Drawn
from charrnn.plots.history import Measurements

BASELINES = {"baseline_unigram_nats": 3.0, "baseline_n_gram_nats": 1.6, "baseline_xz_nats": 2.0}


def training_line(step: int, nats: float = 2.0, **more: Any) -> dict[str, Any]:
    line = {"step": step, "characters": 100 * step, "epoch": 0, "seconds": step / 10}
    line |= {"train_nats": nats, "learning_rate": 0.01, "gradient_norm": 0.5}
    return line | {"characters_per_second": 1000, "steps": 400} | more


def evaluation_line(step: int, nats: float = 2.0, **more: Any) -> dict[str, Any]:
    line = {"step": step, "seconds": step / 10, "validation_nats": nats}
    return line | {"validation_bits": nats / math.log(2), "sample": f"after {step}"} | more


def lines_of_a_run(steps: int = 200, floor: float = 1.5) -> list[dict[str, Any]]:
    """A loss that falls as 1/step, an evaluation every 50 steps."""
    lines: list[dict[str, Any]] = [{"step": 0, "seconds": 0.0, "sample": "qzx"}]
    for step in range(10, steps + 1, 10):
        lines.append(training_line(step, floor + 20 / step))
        if step == 50:
            lines.append({"step": 50, "seconds": 5.0, **BASELINES})
        if step % 50 == 0:
            lines.append(evaluation_line(step, floor + 25 / step))
    return lines


def drawn(name: str, lines: Iterable[dict[str, Any]], unit: str = "character") -> Drawn:
    measurements = Measurements()
    for line in lines:
        measurements.add(line)
    return Drawn(name, measurements, unit)


def write_run(directory: Path, lines: Iterable[dict[str, Any]]) -> Path:
    """A run directory with these measurements and no checkpoint."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "metrics.jsonl").write_text(text)
    return directory
