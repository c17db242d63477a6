"""Public clients work unchanged: the openai package, llm, curl, and what lm-evaluation-harness
sends."""

import asyncio
import json
import math
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import charrnn
from benchmarks.serving_load import Server
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from tests.serving.conftest import Models, Serve

ENGINE = "int8"
"""The engine of a server unless another is chosen."""


def sampled(models: Models, prompt: str = "", *, model: str = "letters", **settings: Any) -> str:
    """What `charrnn sample` writes, with the API's default temperature."""
    return charrnn.sample(models[model], prompt, engine=ENGINE, **{"temperature": 1.0, **settings})


def scores(models: Models, text: str, model: str = "letters") -> list[float]:
    return [float(each) for each in charrnn.score(models[model], text, engine=ENGINE)]


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{server.port}/v1"
    with openai.OpenAI(base_url=base, api_key="unused", max_retries=0) as made:
        yield made


def test_openai_completes_as_sample_writes(client: openai.OpenAI, models: Models) -> None:
    made = client.completions.create(model="letters", prompt="abc", max_tokens=20, seed=5)
    assert made.object == "text_completion" and made.model == "letters" and made.id
    (choice,) = made.choices
    assert choice.text == sampled(models, "abc", length=20, seed=5)
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert made.usage is not None
    counted = made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens
    assert counted == (3, 20, 23)


def test_openai_streams_the_same_text_and_its_usage(client: openai.OpenAI, models: Models) -> None:
    pieces = list(
        client.completions.create(
            model="letters",
            prompt="abc",
            max_tokens=40,
            seed=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *texts, last = pieces
    assert len({each.id for each in pieces}) == 1
    assert "".join(each.choices[0].text for each in texts) == sampled(
        models, "abc", length=40, seed=5
    )
    assert [each.choices[0].finish_reason for each in texts][-1] == "length"
    assert all(each.usage is None for each in texts)
    assert last.choices == [] and last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (3, 40)


def test_openai_gets_log_probabilities(client: openai.OpenAI, models: Models) -> None:
    made = client.completions.create(
        model="letters", prompt="ab", max_tokens=12, seed=1, logprobs=3
    )
    (choice,) = made.choices
    logprobs = choice.logprobs
    assert logprobs is not None and logprobs.tokens is not None
    assert logprobs.token_logprobs is not None and logprobs.top_logprobs is not None
    assert "".join(logprobs.tokens) == choice.text
    sampler, config = (
        Sampler(models["letters"], ENGINE),
        SamplingConfig(length=12, seed=1, temperature=1.0),
    )
    (written,) = sampler.samples("ab", config, indices=[0], score=True)
    assert logprobs.token_logprobs == pytest.approx(written.log_probabilities, abs=1e-6)
    assert logprobs.text_offset == list(range(2, 14))  # of the prompt and the text together
    for token, found, top in zip(
        logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True
    ):
        assert top[token] == found
        assert max(top.values()) >= found
        assert 3 <= len(top) <= 4  # the drawn one comes beside the likeliest


def test_openai_scores_an_echoed_text(client: openai.OpenAI, models: Models) -> None:
    text = "abc. A bad\nbeach"
    made = client.completions.create(
        model="letters", prompt=text, max_tokens=0, echo=True, logprobs=0
    )
    (choice,) = made.choices
    assert choice.text == text and choice.logprobs is not None
    assert choice.logprobs.tokens == list(text)
    assert choice.logprobs.token_logprobs is not None
    assert choice.logprobs.token_logprobs[0] is None
    assert choice.logprobs.token_logprobs[1:] == pytest.approx(scores(models, text)[1:], abs=1e-6)
    assert choice.logprobs.text_offset == list(range(len(text)))
    assert made.usage is not None and made.usage.completion_tokens == 0


def test_openai_gets_several_choices_of_several_prompts(
    client: openai.OpenAI, models: Models
) -> None:
    made = client.completions.create(
        model="letters", prompt=["abc", "", "Bad "], n=3, max_tokens=15, seed=9, echo=True
    )
    assert [each.index for each in made.choices] == list(range(9))
    for place, prompt in enumerate(["abc", "", "Bad "]):
        texts = [each.text for each in made.choices[3 * place : 3 * place + 3]]
        assert texts == [
            prompt + sampled(models, prompt, length=15, seed=9, index=index) for index in range(3)
        ]


def test_openai_streams_several_choices(client: openai.OpenAI, models: Models) -> None:
    texts = ["", "", ""]
    ends = {}
    for piece in client.completions.create(
        model="letters", prompt="abc", n=3, max_tokens=50, seed=9, stream=True, stop=["a.", "\n"]
    ):
        for choice in piece.choices:
            texts[choice.index] += choice.text
            if choice.finish_reason:
                assert choice.index not in ends
                ends[choice.index] = choice.finish_reason
    wanted = [
        sampled(models, "abc", length=50, seed=9, index=index, stop=("a.", "\n"))
        for index in range(3)
    ]
    assert texts == wanted
    reasons = ["length" if len(text) == 50 else "stop" for text in wanted]
    assert [ends[index] for index in range(3)] == reasons


def test_openai_gives_prompts_as_token_ids(client: openai.OpenAI, models: Models) -> None:
    ids = [int(each) for each in models["letters"].tokenizer.encode("bad cab")]
    for prompt in (ids, [ids]):
        made = client.completions.create(model="letters", prompt=prompt, max_tokens=9, seed=2)
        assert made.choices[0].text == sampled(models, "bad cab", length=9, seed=2)
        assert made.usage is not None and made.usage.prompt_tokens == 7


def test_openai_passes_the_settings_of_charrnn_on(client: openai.OpenAI, models: Models) -> None:
    made = client.completions.create(
        model="letters",
        prompt="a",
        max_tokens=30,
        seed=2,
        temperature=0.7,
        top_p=0.9,
        extra_body={"top_k": 5, "only": "abc\n", "min_p": 0.01, "index": 4},
    )
    assert made.choices[0].text == sampled(
        models,
        "a",
        length=30,
        seed=2,
        temperature=0.7,
        top_p=0.9,
        top_k=5,
        only="abc\n",
        min_p=0.01,
        index=4,
    )


def test_openai_lists_and_retrieves_models(client: openai.OpenAI, models: Models) -> None:
    listed = client.models.list()
    assert [each.id for each in listed] == list(models)
    assert all(each.object == "model" and each.owned_by == "charrnn" for each in listed)
    assert client.models.retrieve("many").id == "many"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("settings", "error", "param", "code"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model", "model_not_found"),
        ({"model": "../letters"}, openai.NotFoundError, "model", "model_not_found"),
        ({"max_tokens": -1}, openai.BadRequestError, "max_tokens", None),
        ({"temperature": "warm"}, openai.BadRequestError, "temperature", None),
        ({"logprobs": 21}, openai.BadRequestError, "logprobs", None),
        ({"n": 0}, openai.BadRequestError, "n", None),
        ({"prompt": [99]}, openai.BadRequestError, "prompt", None),
        ({"extra_body": {"no_such_field": 1}}, openai.BadRequestError, "no_such_field", None),
    ],
    ids=str,
)
def test_openai_raises_its_own_errors(
    settings: dict[str, Any],
    error: type[openai.APIStatusError],
    param: str,
    code: str | None,
    client: openai.OpenAI,
) -> None:
    with pytest.raises(error) as caught:
        client.completions.create(
            **{"model": "letters", "prompt": "a", "max_tokens": 3, **settings}
        )
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    if code is not None:
        assert caught.value.code == code
    assert isinstance(caught.value.body, dict) and caught.value.body["message"]


def test_openai_is_told_why_there_is_no_chat(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model="letters", messages=[{"role": "user", "content": "abc"}]
        )
    assert 400 <= caught.value.status_code < 500
    assert "/v1/completions" in caught.value.message


def test_openai_needs_the_key_and_waits_its_turn(serve: Serve) -> None:
    server = serve("--api-key", "sesame", "--max-concurrent", "1", "--max-queue", "1")
    base = f"http://127.0.0.1:{server.port}/v1"
    with openai.OpenAI(base_url=base, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.completions.create(model="letters", prompt="a", max_tokens=3)
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()

    async def many() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=base, api_key="sesame", max_retries=0) as client:
            calls = [
                client.completions.create(model="letters", prompt="a", max_tokens=2000, seed=seed)
                for seed in range(20)
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(many())
    refused = [each for each in answers if isinstance(each, openai.RateLimitError)]
    written = [each for each in answers if not isinstance(each, BaseException)]
    assert refused and len(written) >= 2 and len(refused) + len(written) == 20
    assert all(int(each.response.headers["retry-after"]) >= 1 for each in refused)
    assert all(len(each.choices[0].text) == 2000 for each in written)


@pytest.fixture
def llm_model(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of the llm package, from its extra-openai-models.yaml."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    (tmp_path / "extra-openai-models.yaml").write_text(
        "- model_id: fables\n"
        "  model_name: letters\n"
        f"  api_base: http://127.0.0.1:{server.port}/v1\n"
        "  completion: true\n"
    )
    llm = pytest.importorskip("llm", reason="the llm package is not installed")
    return llm.get_model("fables")


def test_llm_prompts_and_streams(llm_model: Any, models: Models) -> None:
    wanted = sampled(models, "abc", length=30, seed=7)
    settings = {"max_tokens": 30, "seed": 7}
    assert llm_model.prompt("abc", stream=False, **settings).text() == wanted
    pieces = list(llm_model.prompt("abc", stream=True, **settings))
    assert "".join(pieces) == wanted
    stopped = llm_model.prompt("abc", stream=True, stop="\n", logprobs=2, **settings).text()
    assert stopped == wanted.split("\n")[0]


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(server: Server, path: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["curl", "-sS", *options, f"http://127.0.0.1:{server.port}{path}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@needs_curl
def test_curl_completes_and_streams(server: Server, models: Models) -> None:
    asked = {"model": "letters", "prompt": "abc", "max_tokens": 20, "seed": 3}
    wanted = sampled(models, "abc", length=20, seed=3)
    json_type = ("-H", "Content-Type: application/json")
    plain = curl(server, "/v1/completions", *json_type, "-d", json.dumps(asked))
    assert json.loads(plain.stdout)["choices"][0]["text"] == wanted
    streamed = curl(
        server, "/v1/completions", "-N", *json_type, "-d", json.dumps({**asked, "stream": True})
    )
    assert (streamed.returncode, streamed.stderr) == (0, b"")
    events = streamed.stdout.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    pieces = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == wanted


@needs_curl
def test_curl_fails_where_the_server_says_no(server: Server) -> None:
    body = '{"max_tokens": -1, "prompt": ""}'
    failed = curl(
        server, "/v1/completions", "-f", "-H", "Content-Type: application/json", "-d", body
    )
    assert failed.returncode == 22 and b"400" in failed.stderr
    # What a page of another site may send unasked is not JSON, and curl says how to say so.
    form = json.loads(curl(server, "/v1/completions", "-d", body).stdout)
    assert "application/json" in form["error"]["message"]
    assert curl(server, "/health", "-f").returncode == 0


class Harness:
    """What lm-evaluation-harness does with a server: its `local-completions` with the server's own
    tokenizer. It encodes context and continuation, has the whole echoed with one more token, and
    adds up the log-probabilities of the continuation."""

    def __init__(self, server: Server, model: str) -> None:
        self.base = f"http://127.0.0.1:{server.port}"
        self.model = model

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer "}
        request = urllib.request.Request(
            self.base + path, json.dumps(body).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def encode(self, text: str) -> list[int]:
        body = {"prompt": text, "add_special_tokens": False, "model": self.model}
        ids: list[int] = self.post("/tokenize", body)["tokens"]
        return ids

    def log_likelihoods(
        self, pairs: list[tuple[str, str]], max_tokens: int = 1
    ) -> list[tuple[float, bool]]:
        """The log-likelihood of each continuation, and whether it is the greedy one."""
        contexts = [self.encode(context) for context, _ in pairs]
        answer = self.post(
            "/v1/completions",
            {
                "model": self.model,
                "prompt": [
                    context + self.encode(continuation)
                    for context, (_, continuation) in zip(contexts, pairs, strict=True)
                ],
                "temperature": 0,
                "max_tokens": max_tokens,
                "logprobs": 1,
                "seed": 1234,
                "echo": True,
            },
        )
        found = []
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        for context, choice in zip(contexts, choices, strict=True):
            logprobs = choice["logprobs"]
            scored = slice(len(context), -1 if max_tokens else None)
            own, top = logprobs["token_logprobs"][scored], logprobs["top_logprobs"][scored]
            greedy = all(a == max(b.values()) for a, b in zip(own, top, strict=True))
            found.append((sum(own), greedy))
        return found

    def generate_until(self, contexts: list[str], until: list[str], most: int) -> list[str]:
        answer = self.post(
            "/v1/completions",
            {
                "prompt": [self.encode(context) for context in contexts],
                "model": self.model,
                "max_tokens": most,
                "temperature": 0,
                "stop": until,
                "seed": 1234,
            },
        )
        texts = {choice["index"]: choice["text"] for choice in answer["choices"]}
        return [texts[place] for place in range(len(contexts))]


@pytest.mark.parametrize("model", ["letters", "many", "bytes"])
@pytest.mark.parametrize("max_tokens", [0, 1])
def test_the_harness_gets_the_log_likelihoods_of_score(
    model: str, max_tokens: int, server: Server, models: Models
) -> None:
    alphabet = "a e☃日𝄞🙂é\n" if model != "letters" else "ab. Ac\nh"
    pairs = [
        (alphabet[:1], alphabet[1:]),
        (alphabet * 3, alphabet[::-1]),
        (alphabet * 40, alphabet),
        ("\n", alphabet[3]),
    ]
    found = Harness(server, model).log_likelihoods(pairs, max_tokens)
    for (context, continuation), (log_likelihood, _) in zip(pairs, found, strict=True):
        wanted = scores(models, context + continuation, model)[len(context) :]
        assert log_likelihood == pytest.approx(math.fsum(wanted), rel=2e-7, abs=1e-6)


@pytest.mark.parametrize("model", ["letters", "many"])
def test_the_harness_knows_a_greedy_continuation(
    model: str, server: Server, models: Models
) -> None:
    """In a context that begins with a newline, as every scored text does unsaid."""
    harness = Harness(server, model)
    greedy = sampled(models, "\na", model=model, length=12, temperature=0)
    other = greedy[:-1] + ("a" if greedy[-1] != "a" else " ")
    found = harness.log_likelihoods([("a", greedy), ("a", other)])
    assert [is_greedy for _, is_greedy in found] == [True, False]
    assert harness.generate_until(["\na"], ["\n\n"], 12) == [greedy]


def test_the_harness_stops_where_it_says(server: Server, models: Models) -> None:
    contexts = ["ab", "Bad ", "c"]
    found = Harness(server, "letters").generate_until(contexts, ["\n", "a"], 25)
    assert found == [
        sampled(models, each, length=25, temperature=0, stop=("\n", "a")) for each in contexts
    ]
