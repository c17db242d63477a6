"""POST /api/explain: what it answers, what it refuses, and whom it leaves alone."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Scope

import charrnn
from charrnn.explanation.request import ExplainRequest
from charrnn.serving import explain_endpoint
from charrnn.serving.app import make_app
from charrnn.serving.explain_endpoint import LONGEST_TRAINING, MOST_ACTIVITIES, UNREADABLE
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModel, ServedModels, read_models
from charrnn.serving.service import Service
from charrnn.serving.task_endpoints import LONGEST_TEXT
from tests.serving.application import client_of
from tests.serving.conftest import Models
from tests.serving.test_endpoints import labelled_model

TEXT: Final = "abc, fade bed. A cab had fed a bead.\n" * 4
SURPRISE: Final = {"parts": ["surprise"], "samples": 0}


@pytest.fixture(scope="module")
def client(models: Models) -> Iterator[TestClient]:
    with client_of({**models, "kinds": labelled_model("classify", ("good", "bad"))}) as made:
        yield made


def explained(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/explain", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(answer: Any) -> list[dict[str, Any]]:
    *found, done = answer.text.removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(each.removeprefix("data: ")) for each in found]


def test_it_is_what_explain_says(client: TestClient, models: Models) -> None:
    wanted = charrnn.explain(models["letters"], TEXT, samples=2, shown=30, seed=5).to_json()
    found = explained(client, text=TEXT, samples=2, shown=30, seed=5)
    assert found == json.loads(json.dumps(wanted))
    assert len(found["surprise"]["nats"]) == 30 and found["memory"]["context"]


def test_parts_and_models_are_chosen(client: TestClient, models: Models) -> None:
    found = explained(client, model="many", text="日本a\n" * 9, **SURPRISE)
    assert found["model"]["cell"] == "gru" and found["cells"] is None
    assert found["absent"]["cells"] == "it was not asked for"
    both = explained(client, model="restorer", text=TEXT, parts=["surprise"])
    assert both["surprise"]["nats"] and both["model"]["task"] == "restore"
    kinds = explained(client, model="kinds", text="abc")
    assert [each["place"] for each in kinds["attribution"]["pieces"]] == [0, 1, 2]


def test_stages_come_before_the_explanation(client: TestClient) -> None:
    fields = {"text": TEXT, "samples": 0, "parts": ["surprise", "memory"]}
    answer = client.post("/api/explain", json={**fields, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *stages, last = events(answer)
    said = [each["stage"] for each in stages]
    assert said[:2] == ["reading the text", "measuring the surprise of each character"]
    assert "measuring memory" in said and len(said) == len(set(said))
    assert last["explanation"] == explained(client, **fields)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": "a" * (LONGEST_TEXT + 1)}, "text"),
        ({"shown": 20_001}, "shown"),
        ({"shown": 0}, "shown"),
        ({"samples": 101}, "samples"),
        ({"seed": -1}, "seed"),
        ({"parts": ["soul"]}, "parts"),
        ({"parts": "surprise"}, "parts"),
        ({"text": ["a"]}, "text"),
        ({"stream": "yes"}, "stream"),
        ({"model": "none"}, "model"),
        ({"directory": "/etc"}, "directory"),
        ({"text": "a"}, None),
        ({"text": "日本"}, None),
    ],
)
@pytest.mark.filterwarnings("ignore:the model has never seen")
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests_are_refused(
    client: TestClient, fields: dict[str, Any], param: str | None, stream: bool
) -> None:
    answer = client.post("/api/explain", json={"text": TEXT, "stream": stream, **fields})
    if param is None and stream:  # it has begun to read the text
        error = events(answer)[-1]["error"]
    else:
        assert answer.status_code in (400, 404), answer.text
        error = answer.json()["error"]
    assert error["param"] == param and error["message"]


def test_a_text_that_was_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = tmp_path / "book.txt"
    corpus.write_text(TEXT * 20)
    charrnn.train(corpus, name="book", steps=2, hidden_size=4, progress_bar=False)
    service = Service(read_models(["book"]), ServingConfig())
    with TestClient(make_app(service), base_url="http://localhost") as client:
        found = explained(client, samples=2, parts=["surprise", "copying"])
        assert found["text"]["source"] == "held out of book"
        assert found["text"]["text"] and found["text"]["text"] in TEXT * 20
        assert found["copying"]["figures"][0]["name"] == "samples"
        corpus.unlink()
        with_text = explained(client, text=TEXT, samples=0, parts=["surprise", "copying"])
        assert with_text["copying"] is None and with_text["absent"]["copying"] == UNREADABLE
        error = client.post("/api/explain", json={}).json()["error"]
        assert error["message"] == f"{UNREADABLE}; name a text to explain"
        assert str(tmp_path) not in json.dumps([found, with_text, error])
    service.close()


def test_what_is_read_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ExplainRequest] = []

    def note(request: ExplainRequest) -> Any:
        asked.append(request)
        return charrnn.explain(request.model, TEXT, parts=("surprise",), samples=0)

    monkeypatch.setattr(explain_endpoint, "explain_request", note)
    explained(client)
    (request,) = asked
    assert (request.longest, request.longest_training) == (LONGEST_TEXT, LONGEST_TRAINING)
    assert request.most_activities == MOST_ACTIVITIES
    assert (request.config.shown, request.config.samples) == (20_000, 100)


class Waiting:
    """An explanation that goes on until it is let go, or its client has gone."""

    def __init__(self) -> None:
        self.has_begun, self.may_end, self.has_ended = (threading.Event() for _ in range(3))

    def __call__(self, request: ExplainRequest) -> Any:
        try:
            while not self.may_end.wait(0.01):
                request.stage("waiting")
                self.has_begun.set()
            return charrnn.explain(request.model, TEXT, parts=("surprise",), samples=0)
        finally:
            self.has_ended.set()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    made = Waiting()
    monkeypatch.setattr(explain_endpoint, "explain_request", made)
    yield made
    made.may_end.set()


def test_other_requests_do_not_wait_for_it(client: TestClient, waiting: Waiting) -> None:
    def ask(_: int) -> Any:
        return client.post("/api/explain", json={"text": TEXT})

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, number) for number in range(8)]
        assert waiting.has_begun.wait(30)
        for _ in range(4):
            assert client.post("/api/score", json={"text": "abc"}).status_code == 200
        waiting.may_end.set()
        answers = [each.result() for each in asked]
    statuses = [each.status_code for each in answers]
    assert set(statuses) <= {200, 429} and statuses.count(200) >= 5
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.is_client_error)


@pytest.mark.parametrize("stream", [False, True])
def test_it_ends_when_its_client_goes(models: Models, waiting: Waiting, stream: bool) -> None:
    service = Service(
        ServedModels({"letters": ServedModel("letters", models["letters"])}), ServingConfig()
    )
    app = make_app(service)
    body = json.dumps({"text": TEXT, "stream": stream}).encode()
    sent: list[Message] = []

    async def main() -> None:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            if (message := next(messages, None)) is not None:
                return message
            while not waiting.has_begun.is_set():
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope_of("/api/explain"), receive, send)

    asyncio.run(main())
    assert waiting.has_ended.wait(30) and not waiting.may_end.is_set()
    assert not any(each.get("more_body") is False for each in sent)
    service.close()


def scope_of(path: str) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }


def test_an_error_in_the_middle_is_an_event(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: ExplainRequest) -> Any:
        request.stage("reading the text")
        raise charrnn.ModelError("the model's numbers overflow")

    monkeypatch.setattr(explain_endpoint, "explain_request", fail)
    answer = client.post("/api/explain", json={"text": TEXT, "stream": True})
    stage, error = events(answer)
    assert stage == {"stage": "reading the text"}
    assert error["error"]["code"] == "model_error"
