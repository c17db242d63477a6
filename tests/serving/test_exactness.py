"""A text of the server is the text of `charrnn sample`, in any company, and its probabilities are
those of `charrnn score`."""

import json
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import charrnn
from benchmarks.serving_load import Exchange, Load, Server, body_of, request
from charrnn.data.tokenizer import ByteTokenizer
from charrnn.errors import CharRNNWarning
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.patterns import needs_regex
from tests.serving.conftest import LETTERS, MANY, Models

ENGINE = "int8"


@dataclass
class Case:
    """A request for one text, and the same in the words of SamplingConfig."""

    model: str
    prompt: str
    settings: dict[str, Any]
    stream: bool = False
    logprobs: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The request."""
        names = {"length": "max_tokens"}
        settings = {
            names.get(name, name): list(value) if isinstance(value, tuple) else value
            for name, value in self.settings.items()
        }
        body = {"model": self.model, "prompt": self.prompt, "stream": self.stream, **settings}
        return body if self.logprobs is None else body | {"logprobs": self.logprobs}

    def wanted(self, samplers: dict[str, Sampler]) -> str:
        """The text that `charrnn sample` writes."""
        settings = {"temperature": 1.0, **self.settings}
        index = settings.pop("index", 0)
        with warnings.catch_warnings():  # of settings without effect: the text is the same
            warnings.simplefilter("ignore", CharRNNWarning)
            config = SamplingConfig(**settings)
            return samplers[self.model].sample(self.prompt, config, index=index)

    def found(self, exchange: Exchange) -> str:
        """The text of the response; the pieces of a stream joined."""
        assert exchange.response.startswith(b"HTTP/1.1 200"), exchange.response
        if self.stream:
            return exchange.text
        choices = json.loads(body_of(exchange.response))["choices"]
        return "".join(choice["text"] for choice in choices)


def valid(text: str) -> str:
    """A text as JSON can carry it."""
    return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" else c for c in text)


@pytest.fixture(scope="module")
def samplers(models: Models) -> dict[str, Sampler]:
    return {
        name: Sampler(model, ENGINE)
        for name, model in models.items()
        if model.config.task == "generate"
    }


ALPHABETS = {"letters": LETTERS, "many": MANY, "bytes": MANY}


def drawn_case(chance: random.Random) -> Case:
    """Any request that samples."""
    model = chance.choice(list(ALPHABETS))
    alphabet = ALPHABETS[model]
    settings: dict[str, Any] = {
        "length": chance.choice((1, 2, 17, 90, 200)),
        "seed": chance.choice((0, 3, 1 << 40)),
        "index": chance.choice((0, 1, 255, 10_000)),
    }
    optional: dict[str, Any] = {
        "temperature": chance.choice((0, 0.3, 0.8, 1.7)),
        "top_k": chance.randint(1, 6),
        "top_p": chance.choice((0.2, 0.9)),
        "min_p": chance.choice((0.01, 0.4)),
        "typical": chance.choice((0.3, 0.95)),
        "repetition_penalty": chance.choice((0.8, 1.4)),
        "repetition_window": chance.choice((1, 5, 64)),
        "no_repeat_ngram": chance.randint(2, 4),
        "lines": True,
        "min_length": 1,
        "stop": tuple(chance.choices(alphabet, k=2)),
        "only": alphabet[:7],
        "ban": alphabet[3],
    }
    for name in chance.sample(sorted(optional), chance.choice((0, 0, 1, 2, 4))):
        settings[name] = optional[name]
    prompt = "".join(chance.choices(alphabet, k=chance.choice((0, 1, 5, 700))))
    case = Case(model, prompt, settings, stream=chance.random() < 0.5)
    if chance.random() < 0.3:
        case.logprobs = chance.choice((0, 1, 5))
    return case


def ask(server: Server, cases: list[Case]) -> Iterator[tuple[Case, str]]:
    """Send all requests at once."""
    load = Load(server.port)
    exchanges = [
        load.start(request(server.port, "/v1/completions", case.body, close=True)) for case in cases
    ]
    load.run()
    for case, exchange in zip(cases, exchanges, strict=True):
        yield case, case.found(exchange)


def test_any_text_among_256_others_is_that_of_sample(
    server: Server, samplers: dict[str, Sampler]
) -> None:
    chance = random.Random(23)
    cases = [drawn_case(chance) for _ in range(256)]
    wanted = [valid(case.wanted(samplers)) for case in cases]
    assert sum(map(len, wanted)) > 5_000
    for _ in range(2):  # the second time, prompts are known and lanes have been used
        for (case, found), text in zip(ask(server, cases), wanted, strict=True):
            assert found == text, case
        order = chance.sample(range(256), 256)
        cases, wanted = [cases[each] for each in order], [wanted[each] for each in order]
    for case, text in zip(cases[:24], wanted, strict=False):  # alone
        ((_, found),) = ask(server, [case])
        assert found == text, case


def test_choice_k_is_text_k_of_the_seed(server: Server, samplers: dict[str, Sampler]) -> None:
    case = Case("letters", "ab", {"length": 60, "seed": 11, "n": 20, "index": 3, "stop": ("c.",)})
    for stream in (False, True):
        case.stream = stream
        load = Load(server.port)
        exchange = load.start(request(server.port, "/v1/completions", case.body, close=True))
        load.run()
        texts = [""] * 20
        body = body_of(exchange.response).decode()
        events = body.split("\n\n")[:-2] if stream else [body]
        for event in events:
            for choice in json.loads(event.removeprefix("data: "))["choices"]:
                texts[choice["index"]] += choice["text"]
        config = SamplingConfig(length=60, seed=11, stop=("c.",), temperature=1.0)
        samples = samplers["letters"].samples("ab", config, indices=range(3, 23))
        assert texts == [sample.text for sample in samples]


def test_a_text_without_a_seed_says_which_it_was(
    server: Server, samplers: dict[str, Sampler]
) -> None:
    seeds = set()
    for _ in range(3):
        load = Load(server.port)
        body = {"model": "letters", "prompt": "a", "max_tokens": 30}
        exchange = load.start(request(server.port, "/v1/completions", body, close=True))
        load.run()
        answer = json.loads(body_of(exchange.response))
        seed, index = answer["charrnn"]["seed"], answer["charrnn"]["index"]
        case = Case("letters", "a", {"length": 30, "seed": seed, "index": index})
        assert answer["choices"][0]["text"] == case.wanted(samplers)
        seeds.add(seed)
    assert len(seeds) == 3


@needs_regex
@pytest.mark.parametrize("model", ["many", "bytes"])
def test_characters_of_several_bytes_come_whole(
    model: str, server: Server, samplers: dict[str, Sampler]
) -> None:
    settings = {"length": 120, "regex": "[aé☃日𝄞🙂]{20,30}", "seed": 3}
    case = Case(model, "é", settings, stream=True)
    wanted = case.wanted(samplers)
    assert {len(each.encode()) for each in wanted} == {1, 2, 3, 4}
    load = Load(server.port)
    exchange = load.start(request(server.port, "/v1/completions", case.body, close=True))
    load.run()
    assert exchange.text == wanted
    assert "\N{REPLACEMENT CHARACTER}" not in body_of(exchange.response).decode()


def by_character(model: Model, text: str, found: list[float]) -> list[float]:
    """Log-probabilities of ids as those of characters, which for a byte model have several."""
    if not isinstance(model.tokenizer, ByteTokenizer):
        return found
    sizes = [len(each.encode("utf-8", "surrogateescape")) for each in text]
    return list(np.add.reduceat(found, np.cumsum([0, *sizes[:-1]])))


@pytest.mark.parametrize("model", list(ALPHABETS))
@pytest.mark.parametrize("length", [0, 9])
def test_echoed_probabilities_are_those_of_score(
    model: str, length: int, server: Server, models: Models, samplers: dict[str, Sampler]
) -> None:
    """Those of the generated text are those of `sample --logprobs`."""
    chance = random.Random(length)
    for size in (1, 2, 40, 1500):
        prompt = "".join(chance.choices(ALPHABETS[model], k=size))
        body = {"model": model, "prompt": prompt, "max_tokens": length, "echo": True}
        load = Load(server.port)
        exchange = load.start(
            request(server.port, "/v1/completions", {**body, "seed": 2, "logprobs": 2}, close=True)
        )
        load.run()
        assert exchange.response.startswith(b"HTTP/1.1 200"), exchange.response
        (choice,) = json.loads(body_of(exchange.response))["choices"]
        text, generated = "", []
        if length:
            config = SamplingConfig(length=length, seed=2, temperature=1.0)
            (sample,) = samplers[model].samples(prompt, config, indices=[0], score=True)
            text, generated = sample.text, list(sample.log_probabilities)
        assert choice["text"] == valid(prompt + text)
        logprobs = choice["logprobs"]
        own, top = logprobs["token_logprobs"], logprobs["top_logprobs"]
        assert own[0] is None and top[0] is None
        echoed = [0.0, *own[1 : len(own) - len(generated)]]
        assert own[len(echoed) :] == pytest.approx(generated, rel=2e-7, abs=1e-6)
        wanted = charrnn.score(models[model], prompt, engine=ENGINE).tolist()
        found = by_character(models[model], prompt, echoed)
        assert found[1:] == pytest.approx(wanted[1:], rel=2e-7, abs=1e-6)
        for each, others in zip(own[1:], top[1:], strict=True):
            assert each in others.values() and 2 <= len(others) <= 3
