"""Several processes that train together, on this machine: they meet on its loopback.

Starting them takes longer than all they have to do, so that one pair does most of it.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.storage.model_directory import TENSORS
from charrnn.storage.run import Run
from charrnn.storage.tensor_file import Tensors
from charrnn.storage.token_cache import IDS
from charrnn.training.checkpoint import TRAINING_TENSORS, read_checkpoint
from tests.conftest import PROSE
from tests.training.parallel.in_processes import PLACES
from tests.training.parallel.in_processes import run as run_job

ROOT = Path(__file__).parents[3]

Process = subprocess.Popen[bytes]

SMALL: dict[str, Any] = {
    "steps": 36,
    "hidden_size": 16,
    "embedding_size": 6,
    "batch_size": 6,
    "sequence_length": 12,
    "precision": "fp32",
    "device": "cpu",
    "evaluate_every": 15,
    "checkpoint_every": 1000,
    "learning_rate": 0.01,
}

REVISIONS = [(10, 20), (16, 27), (26, 31)]
"""After which steps plans are revised, and to which end; one of them where a save is due."""

TRAININGS: dict[str, dict[str, Any]] = {
    "lstm with dropout": {"dropout": 0.4, "weight_dropout": 0.3},
    "lines": {"lines": True},
    "lines, from a file": {"lines": True, "large": 100},
    "gru": {"cell": "gru"},
    "uneven lanes": {"batch_size": 5, "dropout": 0.2, "attention": 20},
    "bytes, from a file": {"tokenizer": "byte", "large": 100},
    "bf16": {"precision": "bf16"},
    "fine-tuning": {"start_from": "1/gru"},
    "revised": {"dropout": 0.2, "revise": REVISIONS},
}
"""What two processes train as one would."""

FAILURES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no corpus": ({"corpus": "nowhere.txt"}, "CorpusError", "nowhere.txt"),
    "a bad option": ({"hidden_size": 0}, "ConfigError", "hidden size"),
    "too few lanes": ({"batch_size": 1}, "ConfigError", "2 processes"),
    "it diverges": ({"learning_rate": 1e30}, "DivergedError", "--learning-rate"),
    "a full disk": ({"fault": "disk"}, "StorageError", "full"),
    "the leader breaks": ({"fault": "leader"}, "MemoryError", "no room"),
    "a follower breaks": ({"fault": "follower"}, "MemoryError", "no room"),
    "machines that share no folder": (
        {"fault": "no shared folder", "large": 100},
        "ConfigError",
        "on several machines, put the run on a file system that they share, with --out",
    ),
    "a follower cannot begin": ({"fault": "begin"}, "MemoryError", "no room"),
}

LONGEST = 300.0
"""Seconds after which processes hang, on however busy a machine."""

STOPS = [(0, place) for place in PLACES] + [(1, "before its step"), (1, "after its step")]
"""Which process is asked to stop in the last step, and where."""


BUSY = ("a busy leader", "stopped while busy", "busy again")


@contextlib.contextmanager
def started(*arguments: str, folders: list[Path]) -> Iterator[list[Process]]:
    """Processes that train together, each in a folder, as torchrun starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = []
    for rank, folder in enumerate(folders):
        environment = {name: value for name, value in os.environ.items() if "CHARRNN" not in name}
        environment |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(len(folders)),
            "LOCAL_WORLD_SIZE": str(len(folders)),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def endings(processes: list[Process]) -> list[tuple[int, str]]:
    """The exit code of each, and what it said."""
    said = [process.communicate(timeout=LONGEST) for process in processes]
    return [
        (process.returncode, (out + err).decode())
        for process, (out, err) in zip(processes, said, strict=True)
    ]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the leader works; beside it, an empty folder for the follower."""
    here = tmp_path_factory.mktemp("leader")
    (here / "text.txt").write_text(PROSE * 2)
    return here


@pytest.fixture(scope="module")
def alone(here: Path) -> dict[str, list[float]]:
    """The loss of each step of TRAININGS, in this one process."""
    curves = {}
    with contextlib.chdir(here):
        for name, changes in TRAININGS.items():
            job = {"corpus": "text.txt", "out": f"1/{name}"} | SMALL | changes
            curves[name] = run_job({key: value for key, value in job.items() if key != "large"})[
                "nats"
            ]
    return curves


@pytest.fixture(scope="module")
def pair(
    here: Path, alone: dict[str, list[float]], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What came of all jobs, in each of two processes; by the name of the job.

    The follower works in a folder of its own, where there is nothing: all it needs it is given.
    """
    jobs: dict[str, dict[str, Any]] = {}
    for name, changes in TRAININGS.items():
        jobs[name] = {"corpus": "text.txt", "out": f"2/{name}"} | SMALL | changes
    exact = jobs["uneven lanes"] | {"out": "2/stopped"}
    jobs["stopped"] = exact | {"stop": 11}
    jobs["begun by two"] = jobs["stopped"] | {"out": "2/begun by two"}
    jobs["stopped again"] = {"resume": "2/stopped", "stop": 15}
    jobs["resumed"] = {"resume": "2/stopped"}
    revised = jobs["revised"] | {"out": "2/revised, stopped"}
    jobs["revised, stopped"] = revised | {"stop": 18}
    jobs["revised, resumed"] = {"resume": "2/revised, stopped", "revise": REVISIONS}
    for name, (changes, _, _) in FAILURES.items():
        jobs[name] = {"corpus": "text.txt", "out": f"failed/{name}"} | SMALL | changes
    jobs["a budget"] = {"corpus": "text.txt", "out": "2/budget", "budget": 2.0} | {
        key: value for key, value in SMALL.items() if key not in ("steps", "checkpoint_every")
    }
    for process, place in STOPS:
        name = f"{process} stopped {place}"
        jobs[name] = {"corpus": "text.txt", "out": f"2/{name}", "ask": [process, place]} | SMALL
        jobs[f"{name}, resumed"] = {"resume": f"2/{name}"}
    # It says so at every piece that it reads or evaluates, in steps and behind the last one.
    jobs["a busy leader"] = {"corpus": "text.txt", "out": "2/busy", "busy": 0.0} | SMALL
    again = {"out": "2/busy again", "ask": [0, "before its evaluation"]}
    jobs["stopped while busy"] = {"corpus": "text.txt", "busy": 0.0} | again | SMALL
    jobs["busy again"] = {"resume": "2/busy again", "busy": 0.0}
    jobs["not stopped"] = {"corpus": "text.txt", "out": "2/not stopped"} | SMALL
    jobs["after all that"] = jobs["gru"] | {"out": "2/last"}
    jobs["begun by one"] = {"resume": "1/stopped"}
    begun = SMALL | TRAININGS["uneven lanes"] | {"out": here / "1" / "stopped"}
    for progress in charrnn.stream_train(here / "text.txt", progress_bar=False, **begun):
        if progress.step == 20:
            break

    elsewhere = tmp_path_factory.mktemp("follower")
    results = tmp_path_factory.mktemp("results")
    (results / "jobs.json").write_text(json.dumps(list(jobs.values())))
    command = ["tests.training.parallel.in_processes", str(results / "jobs.json")]
    with started(*command, "results.json", folders=[here, elsewhere]) as processes:
        for code, said in endings(processes):
            assert code == 0, said
    assert [path.name for path in elsewhere.iterdir()] == ["results.json"]
    return [
        dict(zip(jobs, json.loads((folder / "results.json").read_text()), strict=True))
        for folder in (here, elsewhere)
    ]


def logged(run: Path) -> list[dict[str, float]]:
    """The measurements but for the clock and the samples, which a rounding may change."""
    left_out = {"seconds", "characters_per_second", "sample"}
    return [
        {key: value for key, value in line.items() if key not in left_out}
        for line in Run(run).metrics()
    ]


def tensors(run: Path) -> Tensors:
    """All that a training came to: weights, moments and the hidden state."""
    checkpoint = read_checkpoint(Run(run).last)
    return {**checkpoint.model.tensors, **checkpoint.tensors}


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_train_as_one_does_with_all_lanes(
    name: str, here: Path, alone: dict[str, list[float]], pair: list[dict[str, Any]]
) -> None:
    tolerance = 1e-2 if name == "bf16" else 2e-5
    np.testing.assert_allclose(pair[0][name]["nats"], alone[name], rtol=tolerance)
    one, two = logged(here / "1" / name), logged(here / "2" / name)
    assert [line["step"] for line in one] == [line["step"] for line in two]
    for expected, line in zip(one, two, strict=True):
        assert line == pytest.approx(expected, rel=max(tolerance, 1e-3))
        assert line.get("characters") == expected.get("characters")
    if name != "bf16":
        for key, tensor in tensors(here / "1" / name).items():
            np.testing.assert_allclose(
                tensors(here / "2" / name)[key], tensor, rtol=1e-2, atol=1e-4, err_msg=key
            )


def test_the_leader_alone_gives_progress_and_both_the_run(
    here: Path, pair: list[dict[str, Any]]
) -> None:
    leader, follower = pair
    for name in TRAININGS:
        steps = 31 if name == "revised" else SMALL["steps"]
        assert len(leader[name]["nats"]) == steps
        assert follower[name] == {"nats": [], "run": leader[name]["run"]}
        assert leader[name]["run"] == str(here / "2" / name)


def test_a_large_corpus_is_read_from_the_file_in_the_run(
    here: Path, pair: list[dict[str, Any]]
) -> None:
    assert pair[0]["bytes, from a file"]["nats"]
    assert Run(here / "2" / "bytes, from a file").ids_folder.joinpath(IDS).is_file()


def test_a_budget_is_measured_with_all_processes(here: Path, pair: list[dict[str, Any]]) -> None:
    assert len(pair[0]["a budget"]["nats"]) > 10
    trained = Run(here / "2" / "budget").metrics()[-1]["seconds"]
    assert 0 < trained < 3.5  # evaluations and saves have their part, on a busy machine most of it


def test_two_processes_revise_their_plan_together(here: Path, pair: list[dict[str, Any]]) -> None:
    # Both know of it before the next step, and where they were stopped in between, afterwards.
    for name in ("revised", "revised, stopped"):
        checkpoint = read_checkpoint(Run(here / "2" / name).last)
        assert [(each.step, each.steps) for each in checkpoint.revisions] == REVISIONS
        assert checkpoint.position.step == checkpoint.position.evaluated == 31
    assert len(pair[0]["revised, stopped"]["nats"]) == 18
    assert len(pair[0]["revised, resumed"]["nats"]) == 13
    for file in (TENSORS, TRAINING_TENSORS):
        runs = [Run(here / "2" / name).last / file for name in ("revised", "revised, stopped")]
        assert runs[0].read_bytes() == runs[1].read_bytes()
    assert logged(here / "2" / "revised, stopped") == logged(here / "2" / "revised")


def test_two_processes_resume_exactly(here: Path, pair: list[dict[str, Any]]) -> None:
    leader, _ = pair
    straight = leader["uneven lanes"]["nats"]
    parts = [leader[name]["nats"] for name in ("stopped", "stopped again", "resumed")]
    assert [len(part) for part in parts] == [11, 4, 21]
    assert list(itertools.chain(*parts)) == straight
    for file in (TENSORS, TRAINING_TENSORS):
        runs = [Run(here / "2" / name).last / file for name in ("uneven lanes", "stopped")]
        assert runs[0].read_bytes() == runs[1].read_bytes()
    assert logged(here / "2" / "stopped") == logged(here / "2" / "uneven lanes")


def test_any_number_of_processes_goes_on_with_what_another_began(
    here: Path, alone: dict[str, list[float]], pair: list[dict[str, Any]]
) -> None:
    curve = alone["uneven lanes"]
    np.testing.assert_allclose(pair[0]["begun by one"]["nats"], curve[20:], rtol=2e-5)
    resumed = charrnn.stream_train(resume=str(here / "2" / "begun by two"), progress_bar=False)
    nats = [progress.train_nats for progress in resumed]
    np.testing.assert_allclose(nats, curve[11:], rtol=2e-5)


@pytest.mark.parametrize(("process", "place"), STOPS)
def test_two_processes_stopped_anywhere_in_the_last_step_are_resumed(
    process: int, place: str, here: Path, pair: list[dict[str, Any]]
) -> None:
    """Stopped in its last evaluation and resumed, one waited for a step, the other for a word: for
    a day."""
    name = f"{process} stopped {place}"
    for result in pair:
        assert "error" not in result[name]
        resumed = result[f"{name}, resumed"]
        assert resumed.get("nats") == [] or "has finished its 36 steps" in resumed["message"]
    straight, stopped = here / "2" / "not stopped", here / "2" / name
    assert logged(stopped) == logged(straight)
    for file in (TENSORS, TRAINING_TENSORS):
        assert (Run(stopped).last / file).read_bytes() == (Run(straight).last / file).read_bytes()


def test_a_busy_leader_is_waited_for_and_changes_nothing(
    here: Path, pair: list[dict[str, Any]]
) -> None:
    """All waits are bounded, by half an hour without a word; an evaluation may take longer."""
    assert all("error" not in result[name] for name in BUSY for result in pair)
    for run in ("busy", "busy again"):
        assert logged(here / "2" / run) == logged(here / "2" / "not stopped")


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_one_ends_all_with_the_same_error(
    name: str, here: Path, pair: list[dict[str, Any]]
) -> None:
    _, error, says = FAILURES[name]
    found = {result[name]["error"] for result in pair}
    # What is not ours is raised where it happened, and told as ours to the others.
    assert found == ({error} if error != "MemoryError" else {"MemoryError", "TrainingError"})
    for result in pair:
        assert says in result[name]["message"]
    assert Run(here / "failed" / name).checkpoints() == []


def test_after_failures_they_train_as_before(pair: list[dict[str, Any]]) -> None:
    assert pair[0]["after all that"]["nats"] == pair[0]["gru"]["nats"]


# On the command line

TRAIN = (
    *("charrnn", "train", "text.txt", "--name", "new", "--hidden-size", "8", "--batch-size", "4"),
    *("--precision", "fp32", "--device", "cpu"),
)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """The folders that two processes start in: the same, as torchrun has it."""
    (tmp_path / "text.txt").write_text(PROSE * 2)
    return [tmp_path, tmp_path]


def wait_for_steps(run: Path, processes: list[Process]) -> None:
    until = time.monotonic() + 60
    while not (run.exists() and Run(run).metrics()):
        assert time.monotonic() < until and all(process.poll() is None for process in processes)
        time.sleep(0.02)


LONG = ("--steps", "1000000", "--evaluate-every", "1000000", "--checkpoint-every", "1000000")


@pytest.mark.parametrize(
    ("number", "whom"),
    [(signal.SIGTERM, [1]), pytest.param(signal.SIGINT, [0, 1], marks=pytest.mark.slow)],
    ids=["SIGTERM to one", "Ctrl-C"],
)
def test_a_signal_saves_and_ends_all(
    number: signal.Signals, whom: list[int], folders: list[Path]
) -> None:
    run = folders[0] / "checkpoints" / "new"
    with started(*TRAIN, *LONG, folders=folders) as processes:
        wait_for_steps(run, processes)
        for rank in whom:
            processes[rank].send_signal(number)
        (first, said), (second, nothing) = endings(processes)
    assert (first, second) == (128 + number, 128 + number)
    assert "--resume new" in said and "Traceback" not in said
    assert nothing == ""
    checkpoint = read_checkpoint(Run(run).last)
    assert checkpoint.position.lanes == 4
    assert checkpoint.position.step == checkpoint.model.provenance.step > 0


@pytest.mark.parametrize("dying", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_process_that_dies_leaves_none_waiting(dying: int, folders: list[Path]) -> None:
    with started(*TRAIN, *LONG, folders=folders) as processes:
        wait_for_steps(folders[0] / "checkpoints" / "new", processes)
        processes[dying].kill()
        ended = endings(processes)
    assert ended[dying][0] == -signal.SIGKILL
    code, said = ended[1 - dying]
    assert code == 1
    if dying == 1:  # else torchrun says so
        assert said.count("error: ") == 1 and "another process" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_torchrun(folders: list[Path]) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", *TRAIN),
            *("--steps", "12"),
        ],
        cwd=folders[0],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^processes +2 *$", result.stderr, re.MULTILINE)) == 1
    assert result.stderr.count("charrnn sample new") == 1
    assert Run(folders[0] / "checkpoints" / "new").last.resolve().name == "step-00000012"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("charrnn", "train", "nowhere.txt", "--steps", "3"), 4, "nowhere.txt"),
        (("charrnn", "train", "--cell", "perceptron"), 2, "perceptron"),
        (("charrnn", "corpora"), 0, "python-docs"),
    ],
    ids=["error", "usage", "another command"],
)
def test_the_first_speaks_for_all(
    arguments: tuple[str, ...], code: int, says: str, folders: list[Path]
) -> None:
    with started(*arguments, folders=folders) as processes:
        (first, said), (second, nothing) = endings(processes)
    assert (first, second) == (code, code)
    assert says in said and nothing == ""
