"""Hostile runs: training state, manifests and metrics that a stranger may send."""

import contextlib
import copy
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import (
    ConfigError,
    CorpusError,
    DivergedError,
    ModelError,
    TrainingError,
)
from charrnn.storage.files import TEMPORARY_PREFIX
from charrnn.storage.json_file import LARGEST_BYTES
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import CONFIG, TENSORS
from charrnn.training.checkpoint import TRAINING, TRAINING_TENSORS
from tests.stress.corruptions import (
    DIGITS,
    Change,
    Files,
    Pairs,
    Put,
    corrupt_bytes,
    corrupt_tensors,
    corrupt_tree,
    encode_json,
    fill,
    heavy_json,
    join_tensors,
    parse,
    place,
    specials,
    split_tensors,
    symlink,
)
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import (
    Broken,
    Trial,
    check_message,
    summarize,
    supervise,
)

RUN_TEXT = "The fox met the hen. The hen met the fox. Was it a fox? It was a hen!\n" * 8
METRICS = "../metrics.jsonl"
"""It stands beside the checkpoint, as everything does whose name begins like this."""

RUN_STEP, RUN_STEPS = 9, 12
"""Where the run was stopped: the next step writes a line of metrics, the last is evaluated."""


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "attention": {"attention": 3},
    "bytes": {"tokenizer": "byte"},
    "restore": {"bidirectional": True},
    "classify": {"text": "text", "label": "animal"},
}
"""What runs are made with, beside their sizes."""


def make_run(work: Path, kind: str = "plain") -> Path:
    """A tiny run that was stopped on its way; made once."""
    import charrnn

    run = work / kind
    if not run.exists():
        text = work / "text.txt"
        text.write_text(RUN_TEXT)
        if kind == "classify":
            text = work / "text.csv"
            rows = [f"The {animal} ran.,{animal}\n" for animal in ("fox", "hen")] * 12
            text.write_text("text,animal\n" + "".join(rows))
        training = charrnn.stream_train(
            text,
            out=run,
            steps=RUN_STEPS,
            checkpoint_every=3,
            evaluate_every=6,
            hidden_size=4,
            embedding_size=3,
            batch_size=2,
            sequence_length=8,
            precision="fp32",
            device="cpu",
            progress_bar=False,
            **KINDS[kind],
        )
        for progress in training:
            if progress.step == RUN_STEP:
                break
        training.close()
    return run


def _run_files(run: Path) -> dict[str, bytes]:
    """The newest checkpoint of a run, by name."""
    folder = run / f"step-{RUN_STEP:08d}"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _run_cases(files: Files) -> list[tuple[str, Change]]:
    """Lists changes, made by hand, of a sound run."""
    # Longer than most functions: it is a list of cases.
    training = json.loads(files[TRAINING])

    def edited(section: str, **values: Any) -> bytes:
        changed = copy.deepcopy(training)
        place = changed["corpus"]["options"] if section == "options" else changed[section]
        place |= values
        return encode_json(_paired(changed))

    cases: list[tuple[str, Change]] = [("sound", {})]
    settings: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("config", "steps", (1, 9, 10, 2**53, 2**60)),
        ("config", "batch_size", (1, 3, 10**9, 2**53)),
        ("config", "sequence_length", (1, 10**9, 2**53)),
        ("config", "learning_rate", (1e-300, 1e30, 1e308, 0, -1)),
        ("config", "warmup_steps", (0, 2**53, 2**62)),
        ("config", "clip", (0, 1e-300, 1e308)),
        ("config", "seed", (2**62, 2**63 - 1, -1)),
        ("config", "threads", (2, 1024, 1025, 0)),
        ("config", "device", ("cuda", "cuda:7", "cuda:999", "auto", "meta", "mps", "\x1b[2J\n")),
        ("config", "precision", ("bf16", "fp8", "")),
        ("config", "kernel", ("", "nothing", "../../x", "\x1b[2J\n", "cuda", "x" * 10_000)),
        ("config", "validation_fraction", (0.5, 1e-9, 1e-300, 0, 1)),
        ("config", "lines", (True,)),
        ("config", "keep", (1, 2**53)),
        ("config", "evaluate_every", (1, 2**53)),
        ("config", "checkpoint_every", (1, 2**53)),
        ("position", "step", (0, 6, 10, 12, 2**60)),
        ("position", "epoch", (1, 2**31, 2**62)),
        ("position", "chunk", (0, 10**6, 2**62)),
        ("position", "lanes", (0, 1, 10**9, 2**62)),
        ("position", "characters", (0, 2**62)),
        ("position", "seconds", (0, 1e-300, 1e18, 1e308)),
        ("position", "nats", (1e308, -1e308)),
        ("position", "measured", (0, 2**62)),
        ("position", "evaluated", (-(2**62), 9, 2**62)),
        ("position", "validation_nats", (-1e308, 1e308)),
        ("position", "best_nats", (-1e308, 1e308)),
        ("position", "best_step", (-1, 0, 3, 6, 9, 2**62)),
        (
            "options",
            "encoding",
            ("utf-7", "idna", "rot13", "undefined", "nothing", "a\0b", "x" * 10_000),
        ),
        ("options", "encoding", ("\x1b[2J\n", "../../x", "zlib", "punycode", "unicode_escape", "")),
        ("options", "column", ("", "text", "\x1b[2J\n")),
        ("options", "glob", ("", "*", "[" * 10_000, "**/" * 1_000, "\n")),
    )
    for section, name, values in settings:
        for value in values:
            content = edited(section, **{name: value})
            cases.append((f"{TRAINING}: {name} {value!a:.20}", {TRAINING: content}))
    for sources in (
        *([], ["-"], ["/dev/zero"], ["/dev/null"], ["/etc/passwd"], ["/proc/self/mem"], ["a\0b"]),
        *(["hf:nobody/nothing"], ["python-docs"], [""], ["\x1b[2J\n"], ["\ud800"], ["x" * 100_000]),
        *(["/proc"], ["/usr"], ["."], ["/work/nowhere"] * 10_000),
    ):
        changed = copy.deepcopy(training)
        changed["corpus"]["sources"] = sources
        cases.append(
            (f"{TRAINING}: sources {sources!a:.30}", {TRAINING: encode_json(_paired(changed))})
        )
    for label, content in heavy_json(TRAINING, LARGEST_BYTES):
        cases.append((label, {TRAINING: content}))
    header, numbers = split_tensors(files[TRAINING_TENSORS])
    for number in (3e38, -3e38, 1e-45, -1.0, float("nan"), float("inf")):
        for part in ("weights.", "exp_avg.", "exp_avg_sq.", "state."):
            weights = np.frombuffer(numbers, "<f4").copy()
            for name, entry in header:
                if name.startswith(part):
                    first, last = dict(entry)["data_offsets"]
                    weights[first // 4 : last // 4] = number
            cases.append(
                (
                    f"{part}* all {number}",
                    {TRAINING_TENSORS: join_tensors(header, weights.tobytes())},
                )
            )
    lines = (
        *(
            "",
            "\n",
            "\0\n",
            "[]\n",
            "{}\n",
            "null\n",
            '{"step": 1}\n',
            '{"step": "1"}\n',
            "[" * 9_000,
        ),
        *('{"step": NaN}\n', '{"step": 1e400}\n', f'{{"step": {DIGITS}}}\n', '{"step": true}\n'),
        *('{"step": 1, "step": 2}\n', '{"step": null}\n', '{"step": []}\n', "[" * 9_000 + "\n"),
        *(f'{{"step": {"1" * 5_000}}}\n', '{"step": 1e308}\n', '{"step": -1, "\x1b[2J": 1}\n'),
        *('{"step": 1, "a": "\\ud800"}\n', '{"step": 1, "\\ud800": 1}\n', '{"step": -1}\r\n' * 999),
    )
    cases += [
        (f"{METRICS}: {line!a:.30}", {METRICS: line.encode("utf-8", "surrogatepass")})
        for line in lines
    ]
    cases.append((f"{METRICS}: UTF-16", {METRICS: '{"step": 1}\n'.encode("utf-16")}))
    for name in (TRAINING, TRAINING_TENSORS, MANIFEST, METRICS):
        cases += specials(name, files)
    cases.append((f"{METRICS}: a link out of the run", {METRICS: symlink("../sibling/file")}))
    litter = (".replaced-", ".replaced-.", ".replaced-..", ".replaced-x", ".partial-", ".partial-x")
    for name in (
        *litter,
        "best",
        "last",
        "step-00000099",
        ".partial-metrics.jsonl",
        ".partial-last",
    ):
        for target in ("../sibling", "../sibling/file", "nowhere"):
            cases.append((f"{name}: a link to {target}", {f"../{name}": symlink(target)}))
        cases.append((f"{name}: a folder", {f"../{name}": lambda path: path.mkdir()}))
        cases.append((f"{name}: a file", {f"../{name}": b"nothing"}))
        cases.append((f"{name}: a FIFO", {f"../{name}": os.mkfifo}))
    return cases


def _paired(value: Any) -> Any:
    """Plain values with their objects as Pairs."""
    return (
        Pairs((key, _paired(each)) for key, each in value.items())
        if isinstance(value, dict)
        else value
    )


def run_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of run trials; the runs made by hand are taken in an order that the seed gives."""
    import torch

    torch.set_num_threads(1)
    runs = [make_run(Path(work), kind) for kind in KINDS]
    crafted = _run_cases(_run_files(runs[0]))
    random.Random(seed).shuffle(crafted)
    directory = Path(work) / "here" / "run"
    sibling = Path(work) / "here" / "sibling"
    sibling.mkdir(parents=True, exist_ok=True)
    (sibling / "file").write_text("whole")

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        sealed = chance.random() < 0.5
        sound = runs[0] if index % 2 == 0 else chance.choice(runs)
        files = _run_files(sound)
        metrics = (sound / METRICS.removeprefix("../")).read_bytes()
        if index % 2 == 0 and index // 2 < len(crafted):
            label, change = crafted[index // 2]
            sealed = sealed or chance.random() < 0.7  # else only its checksum is ever looked at
        else:
            label, change = _random_run({**files, METRICS: metrics}, chance)
            label = f"corruption {index} of seed {seed}, {sound.name}, {label}"
        inner: dict[str, bytes | Put | None] = {
            name: content for name, content in {**files, **change}.items() if "/" not in name
        }
        if sealed and MANIFEST not in change:
            there = {k: v for k, v in inner.items() if isinstance(v, bytes) and k != MANIFEST}
            inner |= with_manifest(there)
            label += ", sealed"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(sound, directory, symlinks=True)
        if chance.random() < 0.7:  # nothing to fall back on
            for folder in directory.glob("step-*"):
                if int(folder.name[5:]) != RUN_STEP:
                    shutil.rmtree(folder)
            label += ", alone"
        for name in change.keys() - inner.keys():
            path = directory / name.removeprefix("../")
            path.unlink(missing_ok=True)
            place(path, change[name])
        size = fill(directory / f"step-{RUN_STEP:08d}", inner)
        return Trial(label, lambda: _resume(directory), size=size, seconds=5, limited=False)

    return make


def _random_run(files: Files, chance: random.Random) -> tuple[str, Change]:
    name = chance.choice((TRAINING, TRAINING, TRAINING_TENSORS, MANIFEST, METRICS, CONFIG))
    content = files[name]
    if name == METRICS and chance.random() < 0.7:
        lines = content.splitlines()
        number = chance.randrange(len(lines))
        lines[number] = encode_json(corrupt_tree(parse(lines[number]), chance))
        return f"{name}, JSON", {name: b"\n".join(lines) + b"\n"}
    if name == METRICS or chance.random() < 0.2:
        return f"{name}, bytes", {name: corrupt_bytes(content, files[TENSORS], chance)}
    if name == TRAINING_TENSORS:
        return f"{name}, tensors", {name: corrupt_tensors(content, chance)}
    return f"{name}, JSON", {name: encode_json(corrupt_tree(parse(content), chance))}


def _resume(directory: Path) -> str:
    """Goes on with the run in the folder, for as many steps as it has, three at most."""
    from charrnn.storage.run import Run
    from charrnn.training.trainer import Trainer

    # Where it could not be told from the run that was mutilated: that it wrote outside of it.
    before = _listing(directory)
    outcome = "resumed"
    try:
        trainer = Trainer.resume(Run(directory))
        steps = iter(trainer)
        with contextlib.closing(steps):
            for number, _ in enumerate(steps):
                if number == 2:
                    break
    except DivergedError as error:
        outcome = check_message(error, directory).replace("refused", "diverged")
    except TrainingError as error:
        check_message(error, directory)
        if "finished" not in str(error):
            raise
        outcome = "finished"
    except ConfigError as error:
        if not str(error).startswith("device"):  # the one that `resume` promises
            raise
        outcome = check_message(error, directory)
    except CorpusError as error:
        outcome = check_message(error, directory).replace("refused", "another text")
    except ModelError as error:
        outcome = check_message(error, directory)
    if _listing(directory) != before:
        raise Broken("files beside the run were touched")
    litter = [path.name for path in directory.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]
    if litter and outcome == "resumed":
        raise Broken(f"it left something unfinished: {litter}")
    return outcome


def _listing(run: Path) -> list[tuple[str, int, int]]:
    """Everything in the work folder that is not in the run: names, sizes and times."""
    found = []
    for parent, folders, names in os.walk(run.parents[1]):
        folders[:] = [name for name in folders if Path(parent, name) != run]
        for name in names:
            if name == "stderr.txt":
                continue
            status = os.lstat(os.path.join(parent, name))
            found.append((os.path.join(parent, name), status.st_size, status.st_mtime_ns))
    return sorted(found)


def check_resuming(
    count: int, work: Path, seed: int = 0, deadline: Deadline | None = None
) -> Report:
    """Goes on with `count` hostile runs: their position, optimizer, manifest and measurements.

    Each must be refused with one line of the error that fits, diverge, or go on; within five
    seconds, and without touching what lies beside it.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.stress.hostile_runs:run_trials", settings, count, deadline)
    return summarize(Report("hostile runs"), results)
