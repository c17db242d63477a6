"""The page's own engine writes, scores and suggests what charrnn does, in a browser."""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from playwright.sync_api import Page

from charrnn.engines import Engine
from charrnn.export.html import html_page
from charrnn.export.page_document import pack
from charrnn.export.page_model import page_model
from charrnn.generation.config import SamplingConfig
from charrnn.generation.draw import log_probabilities
from charrnn.generation.sampler import Sampler
from charrnn.interactive.suggestions import UNITS, find_suggestions
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import NETWORKS
from tests.export.exported import TOKENIZERS, random_model
from tests.page.chromium import Chromium
from tests.page.conftest import REPORT_VIOLATIONS, watch

pytestmark = pytest.mark.browser

SETTINGS: Final[list[dict[str, Any]]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 1.3, "top_k": 7},
    {"top_p": 0.9},
    {"min_p": 0.05, "temperature": 1.0},
    {"typical": 0.8},
    {"repetition_penalty": 1.3, "repetition_window": 10},
    {"no_repeat_ngram": 2},
    {"ban": "aeiou\n"},
    {"only": "abc ", "length": 20},
    {"lines": True, "min_length": 5, "length": 60},
    {"stop": ("a", "e f", "<"), "min_length": 20},
    {"top_k": 9, "top_p": 0.8, "min_p": 0.01, "typical": 0.9, "repetition_penalty": 0.8},
    {"temperature": 1e-210},
    {"lines": True, "min_length": 3, "ban": "\r", "only": "abcd\n"},
    {"presence_penalty": 0.7, "frequency_penalty": 0.3, "repetition_window": 30},
    {"logit_bias": ((3, 2.5), (7, -100.0)), "frequency_penalty": -0.5},
    {"no_repeat_ngram": 1, "top_k": 1, "length": 90},
]

SEEDS: Final = 100
PROMPTS: Final = ("", "The ab", "漢 c\n")

NEW_ENGINE: Final = """([entry, packed]) => {
    const script = new Blob([document.getElementById("page-worker").textContent]);
    const startWorker = () => new Worker(URL.createObjectURL(script));
    window.engine = new window.charrnn.constructor({entry, packed, startWorker});
}"""
"""Makes an engine with another model of a page that has its own."""

ASK: Final = """async (requests) => {
    const answer = ([method, ...given]) => window.engine[method](...given)
        .catch((error) => ({error: [error.name, error.message]}));
    return JSON.stringify(await Promise.all(requests.map(answer)));
}"""


@pytest.fixture(scope="module")
def page_of_engines(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page in one file, opened from the disk without a network."""
    file = tmp_path_factory.mktemp("one_file") / "page.html"
    file.write_bytes(html_page(random_model()))
    context = chromium.browser().new_context(offline=True)
    context.add_init_script(REPORT_VIOLATIONS)
    page = context.new_page()
    problems: list[str] = []
    watch(page, file.as_uri(), problems)
    page.goto(file.as_uri())
    page.wait_for_function("window.charrnn")
    yield page
    context.close()
    allowed = ("a request to blob:null/", f"a request to {file.as_uri()}")
    assert [each for each in problems if not each.startswith(allowed)] == []


class LocalEngine:
    """The page's engine with a model."""

    def __init__(self, page: Page, model: Model) -> None:
        self._page = page
        entry = {"id": "another", "lines": False}
        page.evaluate(NEW_ENGINE, [entry, pack(page_model(model))])

    def ask(self, *requests: list[Any]) -> list[Any]:
        """Returns the answers to requests, each a method and what it is given."""
        answers: list[Any] = json.loads(self._page.evaluate(ASK, list(requests)))
        return answers


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_it_writes_the_texts_of_a_hundred_seeds(
    network: str, tokenizer: str, page_of_engines: Page
) -> None:
    """To the character, with all settings; and their log-probabilities."""
    model = random_model(network, tokenizer)
    sampler, requests, expected = Sampler(model, "int8"), [], []
    for seed in range(SEEDS):
        given = {"length": 40, "seed": seed} | SETTINGS[seed % len(SETTINGS)]
        prompt, index = PROMPTS[seed % 2 if tokenizer == "char" else seed % 3], seed % 5
        stream = sampler.stream(prompt, SamplingConfig(**given), index=index)
        text = "".join(stream)
        expected.append((text, stream.stop_reason, index, pytest.approx(-stream.nats, abs=1e-9)))
        requests.append(["complete", prompt, given | {"index": index, "logprobs": True}])
    found = [
        (each["text"], each["stop_reason"], each["index"], each["log_probability"])
        for answer in LocalEngine(page_of_engines, model).ask(*requests)
        for each in answer["texts"]
    ]
    assert len({text for text, *_ in expected}) > SEEDS // 2
    assert found == expected


@pytest.mark.parametrize(
    "sizes", [{"hidden_size": 130, "layers": 1}, {"hidden_size": 97, "layers": 3}], ids=str
)
def test_other_sizes(sizes: dict[str, int], page_of_engines: Page) -> None:
    """Above 96 inputs, weights have 8 bits and not 16."""
    model = random_model("lstm", "char", **sizes)
    expected = Sampler(model, "int8").sample("", SamplingConfig(length=80, seed=3))
    (answer,) = LocalEngine(page_of_engines, model).ask(["complete", "", {"length": 80, "seed": 3}])
    assert answer["text"] == expected


def test_sums_of_more_inputs_than_fit_at_once(page_of_engines: Page) -> None:
    """Two sums share a float64, which holds those of 520 inputs: larger layers are added up in
    parts. All weights and states are the largest ones here."""
    model = random_model("rnn", hidden_size=528, layers=1)
    tensors = {
        name: np.sign(tensor + np.float32(0.2)) if "weight_hh" in name else tensor
        for name, tensor in model.tensors.items()
    }
    saturated = Model(model.config, model.tokenizer, tensors, model.provenance)
    expected = Sampler(saturated, "int8").sample("", SamplingConfig(length=30, seed=3))
    (answer,) = LocalEngine(page_of_engines, saturated).ask(
        ["complete", "", {"length": 30, "seed": 3}]
    )
    assert answer["text"] == expected


def logits_of(sampler: Sampler, ids: list[int]) -> Any:
    engine: Engine = sampler.engine
    return engine.advance([ids], None)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_scores_are_those_of_the_int8_engine(tokenizer: str, page_of_engines: Page) -> None:
    model = random_model("gru", tokenizer)
    sampler = Sampler(model, "int8")
    text = "The abc, xyz. " * 40 + ("\udcff漢\n" if tokenizer == "byte" else "漢\n")
    ids = [int(i) for i in model.tokenizer.encode(text)]
    logits, _ = logits_of(sampler, [*sampler.prompt_ids("")[:1], *ids[:-1]])
    each = log_probabilities(logits[0], np.array(ids))
    sizes = [len(model.tokenizer.encode(character)) for character in text]
    own = np.add.reduceat(each, np.cumsum([0, *sizes[:-1]]))
    ranks = 1 + (logits[0] > logits[0][np.arange(len(ids)), ids][:, None]).sum(axis=1)
    engine = LocalEngine(page_of_engines, model)
    first, whole, again = engine.ask(
        ["score", text[:300]], ["score", text, {"alternatives": 2}], ["score", text]
    )
    assert [one["text"] for one in whole["characters"]] == list(text)
    found = [one["log_probability"] for one in again["characters"]]
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-12)
    assert [one["log_probability"] for one in first["characters"]] == found[:300]
    assert whole["bits_per_character"] == pytest.approx(-own.mean() / np.log(2))
    assert again["characters"][0]["rank"] == ranks[0]
    best = int(logits[0][0].argmax())
    assert whole["characters"][0]["alternatives"][0]["text"] == model.tokenizer.decode([best])


def test_unknown_characters_have_no_score(page_of_engines: Page) -> None:
    engine = LocalEngine(page_of_engines, random_model())
    with_unknown, without, nothing = engine.ask(["score", "a~b"], ["score", "ab"], ["score", ""])
    a, unknown, b = with_unknown["characters"]
    assert unknown == {"text": "~", "log_probability": None, "rank": None, "alternatives": []}
    assert [a, b] == without["characters"] and with_unknown["characters_scored"] == 2
    assert nothing == {"characters": [], "bits_per_character": None, "characters_scored": 0}


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_suggestions_are_those_of_the_repl(tokenizer: str, page_of_engines: Page) -> None:
    model = random_model("attention", tokenizer)
    sampler = Sampler(model, "int8")
    asked = [(prompt, unit, n) for prompt in ("", "The a") for unit in UNITS for n in (1, 4)]
    found = LocalEngine(page_of_engines, model).ask(
        *(["suggest", prompt, {"unit": unit, "count": n}] for prompt, unit, n in asked)
    )
    for (prompt, unit, count), suggestions in zip(asked, found, strict=True):
        logits, state = logits_of(sampler, sampler.prompt_ids(prompt))
        expected = find_suggestions(
            sampler.engine, model.tokenizer, logits[:, -1], state, unit, count
        )
        assert [each["text"] for each in suggestions] == [each.text for each in expected]
        for each, other in zip(suggestions, expected, strict=True):
            assert each["probability"] == pytest.approx(other.probability, rel=1e-9)


def test_texts_come_while_they_are_written_and_can_be_stopped(page_of_engines: Page) -> None:
    LocalEngine(page_of_engines, random_model("lstm", "byte"))
    heard, error, goes_on = page_of_engines.evaluate(
        """async () => {
            const controller = new AbortController();
            let heard = "";
            const signal = controller.signal;
            const onText = (text) => { heard += text; if (heard.length > 500) controller.abort(); };
            const error = await window.engine.complete("", {length: 0, signal, onText})
                .catch((error) => error.name);
            const {text} = await window.engine.complete("", {length: 5, seed: 0, onText});
            return [heard.length, error, text.length > 0];
        }"""
    )
    assert heard > 500 and error == "AbortError" and goes_on


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temprature": 1}, "temprature: there is no such option"),
        ({"temperature": -1}, "temperature -1: choose 0 or above"),
        ({"top_p": 2}, "top_p 2: choose above 0 and up to 1"),
        ({"length": 1.5}, "length 1.5: choose a whole number"),
        ({"regex": "a+"}, "charrnn sample --regex"),
        ({"ban": "\n" + "".join(map(chr, range(32, 127))) + "漢", "only": "ab"}, "they leave no"),
        ({"min_length": 9, "length": 5}, "min_length 9: choose no more than the length, 5"),
        ({"stop": ["~"], "length": 0}, "would never end"),
        ({"number": 2, "length": 0}, "length 0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    options: dict[str, Any], message: str, page_of_engines: Page
) -> None:
    (answer,) = LocalEngine(page_of_engines, random_model()).ask(["complete", "", options])
    name, said = answer["error"]
    assert name == "EngineError" and message in said


def test_an_unknown_character_in_a_prompt_is_refused(page_of_engines: Page) -> None:
    (answer,) = LocalEngine(page_of_engines, random_model()).ask(["complete", "a~", {}])
    assert "has never seen" in answer["error"][1]


def test_numbers_that_overflow_are_an_error(page_of_engines: Page) -> None:
    model = random_model()
    tensors = {**model.tensors, "head.bias": model.tensors["head.bias"] + np.float32(np.inf)}
    broken = Model(model.config, model.tokenizer, tensors, model.provenance)
    answers = LocalEngine(page_of_engines, broken).ask(
        ["complete", "", {}], ["score", "ab"], ["suggest", ""]
    )
    assert all("overflow" in each["error"][1] for each in answers)
