"""Hostile runs on the command line: the time and memory of each command that reads a run.

Several fields are changed at a time, the sources of the text among them: `evaluate`,
`sample --novel` and `train --from` read the files that a stranger's model names.
"""

import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.training.checkpoint import TRAINING
from tests.stress.corruptions import corrupt_tree, encode_json, fill, parse
from tests.stress.hostile_runs import KINDS, RUN_STEP, make_run
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import Trial, check_command, summarize, supervise

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "generate": (
        *(("evaluate", "RUN", "--json"), ("sample", "RUN", "--novel", "-n", "1", "-l", "9")),
        *(("info", "RUN"), ("sample", "RUN", "-l", "9")),
        *(("train", "TEXT", "--from", "RUN", "--steps", "2"), ("evaluate", "RUN", "TEXT")),
    ),
    "restore": (("evaluate", "RUN"), ("info", "RUN", "--json"), ("fill", "RUN", "The _ox")),
    "classify": (("evaluate", "RUN"), ("info", "RUN"), ("predict", "RUN", "The fox")),
}
"""What reads a run, by its task."""

SOURCES: tuple[list[Any], ...] = (
    *(["/dev/zero"], ["/dev/urandom"], ["/proc/self/pagemap"], ["/proc/self/mem"], ["/proc/kmsg"]),
    *(["/proc"], ["/sys"], ["/usr"], ["/"], ["FIFO"], ["LINK"], ["LARGE"], ["LARGE"] * 50),
    *([], ["-"], [""], ["."], ["TEXT", "TEXT"], ["nowhere"] * 1_000, ["hf:nobody/nothing"], [None]),
)
"""Where a text may be said to be. FIFO never ends, LINK leads to a device, LARGE has a gigabyte."""


def command_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of trials: a run that was changed in up to four places, and a command."""
    import torch

    torch.set_num_threads(1)
    folder = Path(work)
    # Twice of bytes: to them, nothing is unknown, and so no reading ends early.
    runs = [make_run(folder, kind) for kind in (*KINDS, "bytes")]
    directory = folder / "here" / "run"
    names = {name: str(folder / name.lower()) for name in ("FIFO", "LINK", "LARGE")}
    names |= {"TEXT": str(folder / "text.txt"), "RUN": str(directory)}
    os.mkfifo(names["FIFO"])
    os.symlink("/dev/zero", names["LINK"])
    with open(names["LARGE"], "wb") as file:
        file.truncate(1 << 30)

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        sound = chance.choice(runs)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(sound, directory, symlinks=True)
        newest = directory / f"step-{RUN_STEP:08d}"
        files = {path.name: path.read_bytes() for path in newest.iterdir()}
        task = json.loads(files["config.json"])["model"]["task"]
        training, what = _changed(files[TRAINING], names, chance)
        files.pop(MANIFEST)
        for each in directory.glob("step-*"):
            if each != newest:  # nothing to fall back on
                shutil.rmtree(each)
        size = fill(newest, with_manifest({**files, TRAINING: training}))
        command = _named(chance.choice(COMMANDS[task]), names)
        if command[0] == "train":
            command += ["--out", str(folder / "here" / "new"), "--hidden-size", "4"]
            shutil.rmtree(folder / "here" / "new", ignore_errors=True)
        label = f"run {index} of seed {seed}, {sound.name}, {what}: charrnn {' '.join(command)}"
        return Trial(
            label, lambda: check_command(command, 0, 3, 4), size=size, seconds=5, limited=False
        )

    return make


def _changed(content: bytes, names: dict[str, str], chance: random.Random) -> tuple[bytes, str]:
    """training.json with other sources, or damaged in several places, or both; and what was
    done."""
    what = []
    if chance.random() < 0.6:
        training = copy.deepcopy(json.loads(content))
        sources = chance.choice(SOURCES)
        training["corpus"]["sources"] = [names.get(str(each), each) for each in sources]
        training["corpus"]["options"]["glob"] = chance.choice(("*.txt", "*", "**/*", "?"))
        if chance.random() < 0.3:
            training["corpus"]["options"]["encoding"] = chance.choice(("latin-1", "utf-16", "idna"))
        content = json.dumps(training).encode()
        what.append(f"sources {sources!a:.40}")
    if not what or chance.random() < 0.3:
        times = chance.randint(1, 4)
        value = parse(content)
        for _ in range(times):
            value = corrupt_tree(value, chance)
        content = encode_json(value)
        what.append(f"{times} fields")
    return content, " and ".join(what)


def _named(command: Sequence[str], names: dict[str, str]) -> list[str]:
    return [names.get(word, word) for word in command]


def run_commands(count: int, work: Path, seed: int = 0, deadline: Deadline | None = None) -> Report:
    """Runs commands on `count` hostile runs.

    Each must end with exit code 0, or with 3 or 4 and one line; in five seconds of the processor,
    and 200 MB beside the files of the run.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.stress.hostile_commands:command_trials", settings, count, deadline)
    return summarize(Report("hostile runs on the command line"), results)
