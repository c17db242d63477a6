"""The endpoints, without sockets: what they answer, and with which errors."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

import charrnn
from charrnn.data.tokenizer import REPLACEMENT, CharTokenizer
from charrnn.model.config import ModelConfig
from charrnn.serving.api_errors import ApiError
from charrnn.serving.app import make_app
from charrnn.serving.completion_fields import BODY
from charrnn.serving.jobs import Check, Jobs
from charrnn.serving.metrics import Histogram
from charrnn.serving.options import ServingConfig
from charrnn.serving.service import Service
from charrnn.storage.model_directory import Model
from tests.provenance import make_provenance
from tests.serving.application import client_of
from tests.serving.conftest import LETTERS, Models


def labelled_model(task: str, labels: tuple[str, ...] = ()) -> Model:
    """A model of random weights that predicts classes or a number."""
    config = ModelConfig(
        task=task,
        vocabulary_size=len(LETTERS),
        hidden_size=8,
        pooling="mean",
        outputs=len(labels) or 1,
    )
    random = np.random.default_rng(4)
    tensors = {
        name: random.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    return Model(config, CharTokenizer(LETTERS), tensors, make_provenance(), labels)


@pytest.fixture(scope="module")
def client(models: Models) -> Iterator[TestClient]:
    """A client of models of all tasks."""
    labelled = {
        "kinds": labelled_model("classify", ("good", "bad", "new")),
        "numbers": labelled_model("regress"),
    }
    with client_of({**models, **labelled}, max_queue=100) as made:
        yield made


def complete(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/completions", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_models_say_what_they_are(client: TestClient) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    first = listed["data"][0]
    assert first == client.get("/v1/models/letters").json()
    assert first["charrnn"]["default"] and first["charrnn"]["task"] == "generate"
    assert first["charrnn"]["characters"] == LETTERS
    assert sum(each["charrnn"]["default"] for each in listed["data"]) == 1
    by_name = {each["id"]: each["charrnn"] for each in listed["data"]}
    assert by_name["bytes"]["characters"] is None and by_name["bytes"]["tokenizer"] == "byte"
    assert len(by_name["kinds"]["labels"]) > 1
    answer = client.get("/v1/models/none")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "z"}, "prompt"),
        ({"prompt": [99]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[1], "a"]}, "prompt"),
        ({"prompt": [1, True]}, "prompt"),
        ({"prompt": [1, -1]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["a"] * 400}, "prompt"),
        ({"n": 400}, "n"),
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"max_tokens": 100_001}, "max_tokens"),
        ({"max_tokens": 100_000, "n": 100}, "max_tokens"),
        ({"max_tokens": 100_000, "n": 10, "logprobs": 5, "stream": True}, "max_tokens"),
        ({"logprobs": 21}, "logprobs"),
        ({"stop": [""] * 65}, "stop"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"01": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {"99": 1}}, "logit_bias"),
        ({"logit_bias": [[1, 1]]}, "logit_bias"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"only": "ab", "ban": "ab"}, None),
        ({"min_length": 20, "max_tokens": 10}, "min_length"),
        ({"suffix": "a"}, None),
        ({"model": "restorer"}, "model"),
        ({"model": "restorer", "suffix": "a", "max_tokens": 65}, "max_tokens"),
        ({"model": "restorer", "suffix": "a", "top_k": 3}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"temperature": -0.1}, "temperature"),
        ({"stream_options": {"usage": True}}, "usage"),
        ({"echo": "yes"}, "echo"),
        ({"prompt": ["a"] * 2048, "n": 1024, "max_tokens": 0}, "n"),
        ({"prompt": "a" * 900_000, "n": 100, "echo": True, "stream": True}, "echo"),
        ({"prompt": "a" * 900_000, "echo": True, "logprobs": 20, "max_tokens": 0}, "echo"),
        ({"prompts": "a"}, "prompts"),
    ],
)
def test_wrong_requests_are_refused_with_the_field(
    client: TestClient, fields: dict[str, Any], param: str | None
) -> None:
    body = {"model": "letters", "prompt": "a", **fields}
    answer = client.post("/v1/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert error["message"]
    if param is not None:
        assert error["param"] == param, error


def test_unknown_characters_are_named_or_skipped(client: TestClient) -> None:
    answer = client.post("/v1/completions", json={"prompt": "aöb", "max_tokens": 3})
    assert answer.status_code == 400 and "ö" in answer.json()["error"]["message"]
    skipped = complete(client, prompt="aöb", max_tokens=9, seed=1, skip_unknown=True, echo=True)
    assert skipped["choices"][0]["text"].startswith("ab")
    plain = complete(client, prompt="ab", max_tokens=9, seed=1, echo=True)
    assert skipped["choices"][0]["text"] == plain["choices"][0]["text"]


def test_settings_without_effect_are_said(client: TestClient) -> None:
    made = complete(client, prompt="a", max_tokens=3, stop=["öx"], ban="ü")
    said = made["charrnn"]["warnings"]
    assert any("ö" in each for each in said) and any("ü" in each for each in said)
    assert "warnings" not in complete(client, prompt="a", max_tokens=3)["charrnn"]


def test_a_random_seed_is_said_and_gives_the_text_again(client: TestClient) -> None:
    made = complete(client, prompt="a", max_tokens=30)
    seed = made["charrnn"]["seed"]
    again = complete(client, prompt="a", max_tokens=30, seed=seed)
    assert again["choices"][0]["text"] == made["choices"][0]["text"]
    assert made["id"] != again["id"]


def test_the_best_of_several_is_that_of_sample(client: TestClient, models: Models) -> None:
    made = complete(client, prompt="ab", max_tokens=20, seed=2, best_of=6, n=2)
    first, second = made["choices"]
    mean = [each["charrnn"]["log_probability"] / 20 for each in made["choices"]]
    assert mean[0] >= mean[1] and first["index"] == 0 and second["index"] == 1
    written = [
        charrnn.sample(models["letters"], "ab", length=20, seed=2, index=k, temperature=1.0)
        for k in range(6)
    ]
    assert [each["text"] for each in made["choices"]] == [
        written[each["charrnn"]["index"]] for each in made["choices"]
    ]
    alone = complete(client, prompt="ab", max_tokens=20, seed=2, best_of=6)
    assert alone["choices"][0]["text"] == first["text"]
    assert alone["usage"]["completion_tokens"] == 120  # also those that are not returned


def test_biases_and_penalties_are_those_of_sample(client: TestClient, models: Models) -> None:
    fields: dict[str, Any] = {"seed": 3, "presence_penalty": 1.5, "frequency_penalty": -0.5}
    made = complete(client, prompt="ab", max_tokens=40, logit_bias={"3": -100, "5": 2}, **fields)
    wanted = charrnn.sample(
        models["letters"],
        "ab",
        length=40,
        temperature=1.0,
        logit_bias=((3, -100.0), (5, 2.0)),
        **fields,
    )
    assert made["choices"][0]["text"] == wanted and LETTERS[3] not in wanted


def test_a_text_of_no_characters_is_the_prompt(client: TestClient) -> None:
    for stream in (False, True):
        answer = client.post(
            "/v1/completions",
            json={"prompt": "abc", "max_tokens": 0, "echo": True, "stream": stream},
        )
        assert answer.status_code == 200
        text = answer.text.split("\n\n")[0].removeprefix("data: ")
        (choice,) = json.loads(text)["choices"]
        assert (choice["text"], choice["finish_reason"]) == ("abc", "length")


def test_the_answer_with_scores_is_bounded(client: TestClient) -> None:
    answer = client.post("/api/score", json={"text": "a" * 50_000, "alternatives": 20})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "alternatives")


@pytest.mark.parametrize("unit", ["character", "word"])
def test_suggestions_that_are_not_utf8_are_valid_json(client: TestClient, unit: str) -> None:
    body = {"model": "bytes", "prompt": "a", "unit": unit, "count": 20}
    answer = client.post("/api/suggest", json=body)
    texts = [each["text"] for each in answer.json()["suggestions"]]
    assert REPLACEMENT in "".join(texts).encode().decode()


def test_a_stream_with_an_echo_ends_once(client: TestClient) -> None:
    fields = {"prompt": "ab", "max_tokens": 5, "seed": 1, "n": 2, "logprobs": 1}
    answer = client.post("/v1/completions", json={**fields, "echo": True, "stream": True})
    *events, done = answer.text.removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    texts, reasons, tokens = ["", ""], [[], []], [[], []]  # type: ignore[var-annotated]
    for event in events:
        (choice,) = json.loads(event.removeprefix("data: "))["choices"]
        place = choice["index"]
        texts[place] += choice["text"]
        tokens[place] += choice["logprobs"]["tokens"]
        if choice["finish_reason"] is not None:
            reasons[place].append(choice["finish_reason"])
    assert reasons == [["length"], ["length"]]
    whole = complete(client, **fields, echo=True)
    assert texts == [each["text"] for each in whole["choices"]]
    assert tokens == [each["logprobs"]["tokens"] for each in whole["choices"]]


def test_a_gap_between_prompt_and_suffix_is_filled(client: TestClient, models: Models) -> None:
    fields = {"model": "restorer", "prompt": "ab", "suffix": "ba", "max_tokens": 3, "n": 2}
    made = complete(client, **fields)
    wanted = charrnn.fill(models["restorer"], "ab_ba", longest=3, alternatives=2)
    assert [each["text"] for each in made["choices"]] == [each.gaps[0].filled for each in wanted]
    for each in made["choices"]:
        assert each["finish_reason"] == ("length" if len(each["text"]) == 3 else "stop")
    answer = client.post("/v1/completions", json={**fields, "stream": True})
    events = answer.text.split("\n\n")
    assert [json.loads(each[6:])["choices"][0]["text"] for each in events[:2]] == [
        each["text"] for each in made["choices"]
    ]
    assert events[2] == "data: [DONE]"


def test_chat_is_refused_with_what_to_do_instead(client: TestClient) -> None:
    answer = client.post("/v1/chat/completions", json={"messages": []})
    assert answer.status_code == 404 and "/v1/completions" in answer.json()["error"]["message"]


def test_tokens_go_there_and_back(client: TestClient, models: Models) -> None:
    for model, text in (("letters", "ab\nh"), ("bytes", "aé☃"), ("many", "日本")):
        answer = client.post(
            "/tokenize", json={"model": model, "prompt": text, "return_token_strs": True}
        )
        found = answer.json()
        assert found["tokens"] == models[model].tokenizer.encode(text).tolist()
        assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
        back = client.post("/detokenize", json={"model": model, "tokens": found["tokens"]})
        assert back.json() == {"prompt": text}
    assert client.post("/detokenize", json={"tokens": [999]}).status_code == 400
    invalid = client.post("/detokenize", json={"model": "bytes", "tokens": [255, 97]}).json()
    assert invalid == {"prompt": "\N{REPLACEMENT CHARACTER}a"}


def test_scores_are_those_of_score_and_name_what_is_unknown(
    client: TestClient, models: Models
) -> None:
    for model in ("letters", "bytes"):
        body = {"model": model, "text": "ab. Aé", "alternatives": 3}
        found = client.post("/api/score", json=body).json()
        known = "ab. A" if model == "letters" else "ab. Aé"
        wanted = charrnn.score(models[model], known, engine="int8").tolist()
        scored = [each["log_probability"] for each in found["characters"]]
        assert scored[: len(known)] == pytest.approx(wanted, rel=1e-6, abs=1e-6)
        assert [each["text"] for each in found["characters"]] == list("ab. Aé")
        assert found["characters_scored"] == len(known)
        for each in found["characters"][:5]:
            assert len(each["alternatives"]) == 3
            assert (each["rank"] <= 3) == (
                each["text"] in [other["text"] for other in each["alternatives"]]
            )
    assert client.post("/api/score", json={"text": ""}).json()["bits_per_character"] is None


def test_other_tasks_answer_as_their_commands_do(client: TestClient, models: Models) -> None:
    filled = client.post("/api/fill", json={"text": "a_c", "alternatives": 2}).json()["texts"]
    wanted = charrnn.fill(models["restorer"], "a_c", alternatives=2)
    assert [each["text"] for each in filled] == [each.text for each in wanted]
    assert filled[0]["gaps"][0]["filled"] == wanted[0].gaps[0].filled
    read = client.post("/api/proofread", json={"text": "abc ab", "threshold": 0.0}).json()
    assert len(read["findings"]) == len(
        charrnn.proofread(models["restorer"], "abc ab", threshold=0.0)
    )
    predicted = client.post("/api/predict", json={"texts": ["ab", ""]}).json()["predictions"]
    assert predicted[0]["label"] in predicted[0]["probabilities"]
    assert predicted[1]["label"] is None and "no characters" in predicted[1]["reason"]
    number = client.post("/api/predict", json={"model": "numbers", "texts": ["ab"]}).json()
    assert isinstance(number["predictions"][0]["number"], float)
    suggested = client.post("/api/suggest", json={"prompt": "aö", "count": 3}).json()
    likely = [each["probability"] for each in suggested["suggestions"]]
    assert len(likely) == 3 and likely == sorted(likely, reverse=True)


def test_a_model_of_another_task_is_refused_with_where_it_belongs(client: TestClient) -> None:
    answer = client.post("/api/fill", json={"model": "letters", "text": "a"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "model")
    assert "/v1/completions" in error["message"]


def test_the_numbers_of_the_server_are_in_prometheus_form(client: TestClient) -> None:
    complete(client, prompt="ab", max_tokens=7)
    client.get("/no/such/path")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    names: dict[str, str] = {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in names, "a metric twice"
            names[name] = kind
        elif not line.startswith("#"):
            assert re.fullmatch(r"[a-z_]+(\{([a-z]+=\"[^\"\n]*\",?)*\})? [-+.0-9e]+", line), line
    assert names["charrnn_requests_total"] == "counter"
    assert names["charrnn_first_character_seconds"] == "histogram"
    assert 'charrnn_requests_total{endpoint="/v1/completions",status="200"}' in answer.text
    assert 'endpoint="other",status="404"' in answer.text and "/no/such" not in answer.text
    written = re.search(r'charrnn_characters_written_total\{model="letters"\} (\d+)', answer.text)
    assert written and int(written[1]) >= 7


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    samples = {(name, labels.get("le")): value for name, labels, value in histogram.samples({})}
    assert samples["_bucket", "0.1"] == 2 and samples["_bucket", "1.0"] == 3
    assert samples["_bucket", "+Inf"] == samples["_count", None] == 4
    assert samples["_sum", None] == pytest.approx(7.65)


def test_every_route_is_in_the_document_and_every_field_in_its_body(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path) for path, each in document["paths"].items() for method in each
    }
    app = make_app(Service(client.service.models, ServingConfig()))  # type: ignore[attr-defined]
    routed = {
        (method, re.sub(r":\w+", "", each.path))
        for each in app._app.routes  # type: ignore[attr-defined]
        if isinstance(each, Route)
        for method in (each.methods or set()) - {"HEAD"}
    }
    assert routed - described == {("POST", "/v1/chat/completions")}
    assert described <= routed
    operation = document["paths"]["/v1/completions"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"].keys() == BODY.fields.keys() | {"user"}
    assert all("description" in each for each in schema["properties"].values())
    assert not schema["additionalProperties"]


def test_a_job_that_nobody_waits_for_ends_at_its_next_check() -> None:
    ended: list[str] = []

    def work(check: Check) -> None:
        try:
            while True:
                check()
        finally:
            ended.append("work")

    async def main() -> None:
        jobs = Jobs(1, 0)
        task = asyncio.ensure_future(jobs.run(work))
        await asyncio.sleep(0.05)
        with pytest.raises(Exception, match="waiting") as busy:
            await jobs.run(work)
        assert getattr(busy.value, "status", None) == 429
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await jobs.run(lambda check: 3) == 3  # the thread is free again

    asyncio.run(main())
    assert ended == ["work"]


def test_a_job_that_takes_too_long_ends_at_its_next_check() -> None:
    def work(check: Check) -> None:
        while True:
            check()

    async def main() -> None:
        with pytest.raises(ApiError, match="longer than 0 s") as late:
            await Jobs(1, 0, most_seconds=0.05).run(work)
        assert late.value.status == 503

    asyncio.run(main())


def test_errors_of_a_job_reach_the_one_who_waits() -> None:
    def fail(_: Check) -> None:
        raise ValueError("no")

    async def main() -> None:
        with pytest.raises(ValueError, match="no"):
            await Jobs(1, 1).run(fail)

    asyncio.run(main())
