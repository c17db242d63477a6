"""TensorBoardLog: writes the measurements of a run for TensorBoard as well.

It observes the lines of metrics.jsonl, which stay what they are; the trainer does not know it. Of
the package tensorboard it takes the format alone: its own writer has a thread, whose errors come
late.
"""

import os
import time
from typing import Any, BinaryIO, Final

from charrnn.errors import ConfigError, StorageError
from charrnn.storage.metrics_file import SAMPLE, Measurement
from charrnn.storage.run import TENSORBOARD, Run

LOGS: Final = ("tensorboard",)
"""What a training may write its measurements for, besides metrics.jsonl."""

TAGS: Final = {
    "train_nats": "loss/training",
    "validation_nats": "loss/validation",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "characters_per_second": "training/characters_per_second",
    "epoch": "training/epoch",
}
"""The names of curves; others lie in `baseline/` or `validation/` under their own."""

LEFT_OUT: Final = frozenset({"step", "seconds", "steps", "characters", "validation_bits", SAMPLE})
"""What is no curve, or the same as another."""


def check_log(log: str | None) -> None:
    """Raise ConfigError for what is not among LOGS, and where the package for it is missing."""
    if log is None:
        return
    if log not in LOGS:
        raise ConfigError(f"log {log!a}: choose from {', '.join(LOGS)}")
    try:
        import tensorboard.compat.proto.event_pb2
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            'log tensorboard: it needs a package: pip install "charrnn-lm[tensorboard]"'
        ) from error


class TensorBoardLog:
    """An observer of a run, which writes to its folder `tensorboard`; see `Run.observe`.

    Args:
        run: the run.
        after: the last step that was measured before; what the folder has of later steps, from a
            part of the training that was lost, TensorBoard ignores.
    """

    def __init__(self, run: Run, after: int) -> None:
        self._folder, self._after = run.directory / TENSORBOARD, after
        self._file: BinaryIO | None = None

    def __call__(self, measurement: Measurement, /) -> None:
        """Write a measurement. Raises StorageError."""
        curves = {
            TAGS.get(name, _tag(name)): value
            for name, value in measurement.items()
            if name not in LEFT_OUT
        }
        try:
            if self._file is None:
                self._begin()
            self._write(int(measurement["step"]), curves, measurement.get(SAMPLE) or None)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"{self._folder}: cannot be written: {reason}") from error

    def close(self) -> None:
        """End. The next measurement begins a new file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self) -> None:
        """Begin a file, of which TensorBoard knows what it continues."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._folder.mkdir(exist_ok=True)
        now = time.time_ns()
        name = f"events.out.tfevents.{now // 10**9}.{now % 10**9:09}.{os.getpid()}"
        self._file = open(self._folder / name, "xb", buffering=0)  # noqa: SIM115 -- see `close`
        self._record(file_version="brain.Event:2")
        start = SessionLog(status=SessionLog.START)
        self._record(step=self._after + 1, session_log=start)

    def _write(self, step: int, curves: dict[str, float], sample: str | None) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary()
        for tag, value in curves.items():
            summary.value.add(tag=tag, simple_value=value)
        if sample is not None:
            text = summary.value.add(tag=SAMPLE)
            text.metadata.plugin_data.plugin_name = "text"
            text.tensor.dtype = 7  # DT_STRING
            text.tensor.tensor_shape.dim.add(size=1)
            text.tensor.string_val.append(_as_code(sample).encode())
        self._record(step=step, summary=summary)

    def _record(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        event = Event(wall_time=time.time(), **fields)
        RecordWriter(self._file).write(event.SerializeToString())


def _tag(name: str) -> str:
    if name.startswith("baseline_"):
        return f"baseline/{name.removeprefix('baseline_')}"
    return f"validation/{name}"


def _as_code(text: str) -> str:
    """Return Markdown that shows a text as it is, with its lines: a block of code."""
    lines = text.encode("utf-8", "replace").decode().split("\n")
    return "".join(f"    {line}\n" for line in lines)
