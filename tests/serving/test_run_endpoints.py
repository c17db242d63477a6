"""The runs under `checkpoints/` over HTTP: cheap to ask for again and again, and nothing else."""

import json
import os
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from charrnn.errors import CharRNNError
from charrnn.serving import watched_runs
from charrnn.serving.api_errors import ApiError
from charrnn.serving.run_endpoints import routes
from charrnn.serving.service import to_api_error
from charrnn.storage.run import Run
from charrnn.storage.untrusted_files import read_last_lines
from tests.plots.runs import evaluation_line, lines_of_a_run, training_line, write_run

T = TypeVar("T")


class Service:
    """Runs work at once, as the server's does in a thread."""

    async def run(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except CharRNNError as error:
            raise to_api_error(error) from error


async def show_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Response(error.to_bytes(), error.status)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


@pytest.fixture
def client(runs: Path) -> Iterator[TestClient]:
    service: Any = Service()
    app = Starlette(routes=routes(service, runs), exception_handlers={ApiError: show_error})
    with TestClient(app) as made:
        yield made


def listed(client: TestClient) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = client.get("/api/runs").json()["runs"]
    return entries


def address(name: str) -> str:
    return f"/api/runs/{urllib.parse.quote(name, safe='')}"


def test_without_runs_the_list_is_empty(client: TestClient, runs: Path) -> None:
    assert listed(client) == []
    runs.rmdir()
    assert listed(client) == []


def test_the_list_says_how_far_each_run_is(client: TestClient, runs: Path) -> None:
    write_run(runs / "done", lines_of_a_run())
    os.utime(runs / "done" / "metrics.jsonl", (1000, 1000))
    live = Run.create(runs / "live")
    live.log(training_line(10))
    first, second = listed(client)
    assert (first["name"], first["live"], first["step"], first["steps"]) == ("live", True, 10, 400)
    assert "validation_bits" not in first
    assert (second["name"], second["live"], second["step"]) == ("done", False, 200)
    assert second["validation_bits"] == pytest.approx(2.344, abs=1e-3)
    live.release()
    assert [each["live"] for each in listed(client)] == [False, False]


def test_a_trained_run_says_its_task_and_text(
    client: TestClient, runs: Path, make_trainer: Callable[..., Any]
) -> None:
    trainer = make_trainer("run", kind="byte")
    list(trainer)
    (entry,) = listed(client)
    assert (entry["task"], entry["corpus"], entry["unit"]) == ("generate", "corpus", "byte")
    details = client.get(address("run")).json()
    assert [len(each["sample"]) > 10 for each in details["evaluations"]] == [True] * 3


def test_a_run_is_told_in_full_and_then_what_was_added(client: TestClient, runs: Path) -> None:
    run = Run.create(runs / "run")
    for line in lines_of_a_run(100):
        run.log(line)
    told = client.get(address("run")).json()
    assert [each["step"] for each in told["training"]] == list(range(10, 101, 10))
    assert [(each["step"], each["sample"]) for each in told["evaluations"]] == [
        *((0, "qzx"), (50, "after 50"), (100, "after 100")),
    ]
    assert told["baselines"] == {"unigram": 3.0, "n_gram": 1.6, "xz": 2.0}
    assert (told["live"], told["steps"]) == (True, 400)
    assert told["seconds_left"] == pytest.approx(30.0)
    seen = {each["step"] for each in told["training"]}
    for step in (110, 120):
        run.log(training_line(step))
    run.log(evaluation_line(120))
    added = client.get(address("run"), params={"after": told["next_after"]}).json()
    steps = [each["step"] for each in added["training"]]
    assert steps == [100, 110, 120]  # 100 again: another line of it might have come
    assert seen | set(steps) == set(range(10, 121, 10))
    assert [each["step"] for each in added["evaluations"]] == [100, 120]
    run.release()


def test_who_has_it_already_is_told_so_without_reading(
    client: TestClient, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(runs / "run", lines_of_a_run())
    addresses = ["/api/runs", address("run"), "/api/curves.svg?run=run"]
    tags = {each: client.get(each).headers["etag"] for each in addresses}
    read: list[bytes] = []

    def parse(line: bytes) -> Any:
        read.append(line)
        return json.loads(line)

    monkeypatch.setattr("charrnn.plots.history.parse_measurement", parse)
    monkeypatch.setattr(watched_runs, "parse_measurement", parse)
    for each in addresses:
        again = client.get(each, headers={"If-None-Match": tags[each]})
        assert (again.status_code, again.content) == (304, b"")
    assert read == []
    with open(runs / "run" / "metrics.jsonl", "a") as file:
        file.write(json.dumps(training_line(210)) + "\n")
    for each in addresses:
        changed = client.get(each, headers={"If-None-Match": tags[each]})
        assert changed.status_code == 200 and changed.headers["etag"] != tags[each]


def test_a_run_that_goes_back_is_another_generation(client: TestClient, runs: Path) -> None:
    run = Run.create(runs / "run")
    for line in lines_of_a_run():
        run.log(line)
    before = client.get(address("run")).json()
    run.rewind(100)
    after = client.get(address("run"), params={"after": before["next_after"]}).json()
    assert after["generation"] == before["generation"] + 1
    run.release()


@pytest.mark.parametrize("x", ["seconds", "characters", "step", "steps"])
def test_curves_are_those_of_charrnn_plot(x: str, client: TestClient, runs: Path) -> None:
    write_run(runs / "a", lines_of_a_run())
    write_run(runs / "b", lines_of_a_run(floor=1.2))
    answer = client.get("/api/curves.svg", params={"run": ["a", "b"], "x": x, "width": 600})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg+xml")
    picture = ET.fromstring(answer.content)
    assert picture.attrib["width"] == "600"
    assert len([each for each in picture.iter() if each.tag.endswith("polyline")]) == 4


HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>",
    "a b&c?d#e%",
    "\x1b[2J\r\n",
    b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "\u202eabc",
    "..x",
    "'\";\\",
]


def test_hostile_names_are_only_text(client: TestClient, runs: Path) -> None:
    for name in HOSTILE_NAMES:
        write_run(runs / name, lines_of_a_run())
    entries = listed(client)
    assert len(entries) == len(HOSTILE_NAMES)
    for entry in entries:
        name = entry["name"]
        name.encode()
        assert client.get(address(name)).json()["name"] == name
        answer = client.get("/api/curves.svg", params={"run": name})
        ET.fromstring(answer.content)
        assert b"<img" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        *("/api/runs/nothing", "/api/runs/..%2f..%2fetc", "/api/runs/%2e%2e", "/api/runs/link"),
        *("/api/runs/%00", "/api/runs/checkpoints%2frun", "/api/curves.svg?run=../run"),
        *("/api/curves.svg?run=%2Fetc", "/api/runs/run%2fmetrics.jsonl"),
    ],
)
def test_no_other_name_reaches_the_disk(path: str, client: TestClient, runs: Path) -> None:
    write_run(runs / "run", lines_of_a_run())
    write_run(runs.parent / "secret", lines_of_a_run())
    (runs / "link").symlink_to(runs.parent / "secret")
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(("run=a&after=x", "after"), ("run=a&after=nan", "after")),
        *(("", "run"), ("&".join(["run=a"] * 9), "run"), ("run=a&x=epochs", "x")),
        *(
            ("run=a&width=1e9", "width"),
            ("run=a&width=99999", "width"),
            ("run=a&height=-1", "height"),
        ),
        *(("run=a&width=239", "width"), ("run=a&width=%C2%B2", "width")),
    ],
)
def test_wrong_queries_are_refused(query: str, param: str, client: TestClient, runs: Path) -> None:
    write_run(runs / "a", lines_of_a_run())
    path = "/api/runs/a" if param == "after" else "/api/curves.svg"
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_runs_that_cannot_be_drawn_are_refused_with_the_reason(
    client: TestClient, runs: Path
) -> None:
    write_run(runs / "a", lines_of_a_run())
    write_run(runs / "b", [evaluation_line(1, accuracy=0.5)])
    write_run(runs / "empty", [])
    for query, reason in (("run=a&run=b", "one at a time"), ("run=empty", "nothing was measured")):
        answer = client.get(f"/api/curves.svg?{query}")
        assert answer.status_code == 400
        assert reason in answer.json()["error"]["message"]


def test_samples_of_any_bytes_arrive(client: TestClient, runs: Path) -> None:
    sample = "\udc80\ud800\0</script>\u2028\N{GRINNING FACE}"
    write_run(runs / "run", [evaluation_line(1, sample=sample)])
    assert client.get(address("run")).json()["evaluations"][0]["sample"] == sample


def test_many_and_long_runs_are_listed_quickly(client: TestClient, runs: Path) -> None:
    """A list of runs does not read them all."""
    write_run(runs / "long", lines_of_a_run(100_000))
    read: list[int] = []
    original = read_last_lines

    def count(path: Path, most: int) -> list[bytes]:
        lines = original(path, most)
        read.append(sum(map(len, lines)))
        return lines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched_runs, "read_last_lines", count)
        assert listed(client)[0]["step"] == 100_000
        listed(client)
    assert len(read) == 1 and read[0] <= watched_runs.TAIL


def test_what_is_kept_in_memory_is_bounded(client: TestClient, runs: Path) -> None:
    for number in range(watched_runs.MOST_HISTORIES + 5):
        write_run(runs / f"r{number}", lines_of_a_run(20))
    watched = watched_runs.WatchedRuns(runs)
    for entry in watched.summaries():
        watched.details(entry["name"], -1)
        watched.curves([entry["name"]], "seconds", 800, 450)
    assert len(watched._histories) == watched_runs.MOST_HISTORIES
    assert len(watched._pictures) == watched_runs.MOST_PICTURES
