from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, CorpusError
from charrnn.generation.config import MixtureConfig, SamplingConfig
from charrnn.generation.memory_engine import MemoryEngine
from charrnn.generation.request import Sample
from charrnn.tasks.generate import memory as module
from charrnn.tasks.generate.memory import longest_copies, open_sampler
from tests.conftest import brief_run

TEXT = "the ant met the bee\nthe bee met the cow\n" * 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "other.txt").write_text("cow bee ant é\n" * 20)
    return brief_run(folder, TEXT)


def test_the_memory_knows_the_training_text_without_what_was_held_out(run: Path) -> None:
    sampler, learned = open_sampler(run, mixture=MixtureConfig(memory=0.5, memory_matches=True))
    assert learned is not None
    assert sampler.model.tokenizer.decode(np.asarray(learned)) == TEXT[: len(learned)]
    assert len(learned) == pytest.approx(0.9 * len(TEXT), abs=1)
    assert isinstance(sampler.engine, MemoryEngine)
    assert (sampler.engine.weight, sampler.engine.matches) == (0.5, True)
    assert sampler.engine.precision == "int8"


def test_without_a_weight_there_is_no_memory(run: Path) -> None:
    for mixture in (None, MixtureConfig()):
        sampler, learned = open_sampler(run, "float32", mixture)
        assert learned is None and not isinstance(sampler.engine, MemoryEngine)
        assert sampler.engine.precision == "float32"


def test_the_memory_may_learn_another_text(run: Path) -> None:
    names = [str(run.parent / "other.txt")]
    sampler, learned = open_sampler(run, mixture=MixtureConfig(memory=1.0), corpus=names)
    known = sampler.model.tokenizer.decode(np.asarray(learned))
    assert known == "cow bee ant \n" * 20, "what the model does not know is left out"
    text = sampler.sample("cow bee an", SamplingConfig(length=1, temperature=0))
    assert text == "t"


def test_the_verbs_of_the_api_take_the_mixture_too(run: Path) -> None:
    sampler, _ = open_sampler(run, mixture=MixtureConfig(memory=0.5))
    config = SamplingConfig(length=30, seed=3)
    expected = sampler.sample("the ", config, index=2)
    settings: dict[str, Any] = {"length": 30, "seed": 3, "index": 2, "memory": 0.5}
    assert charrnn.sample(run, "the ", **settings) == expected
    assert "".join(charrnn.stream_sample(run, "the ", **settings)) == expected
    assert charrnn.sample(run, "the ", length=30, seed=3, index=2) != expected


def test_where_there_is_no_text_to_learn_there_is_no_memory(run: Path) -> None:
    with pytest.raises(CorpusError, match="--memory needs the training text: a model in memory"):
        open_sampler(charrnn.load(run), mixture=MixtureConfig(memory=0.5))


@pytest.mark.parametrize("weight", [0, -0.1, 1.1, float("nan")])
def test_a_weight_is_a_share(weight: float) -> None:
    with pytest.raises(ConfigError, match="memory"):
        MixtureConfig(memory=weight)


def sample_of(text: str) -> Sample:
    return Sample(0, text, len(text), 0.0, (), "length")


@given(st.text("ab\n", min_size=1, max_size=60), st.lists(st.text("ab\n", max_size=25), max_size=4))
def test_the_longest_copy_is_the_longest_common_passage(learned: str, texts: list[str]) -> None:
    tokenizer = CharTokenizer("\nab")
    found = longest_copies(
        tokenizer.encode(learned), [sample_of(each) for each in texts], tokenizer
    )
    assert found is not None
    for text, copy in zip(texts, found, strict=True):
        passages = [
            text[begin:end] for begin in range(len(text)) for end in range(begin, len(text) + 1)
        ]
        longest = max((each for each in passages if each in learned), key=len, default="")
        assert copy in text and copy in learned and len(copy) == len(longest)


def test_in_a_very_long_text_copies_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_COMPARED", 3)
    tokenizer = CharTokenizer("\nab")
    assert longest_copies(tokenizer.encode("abab"), [sample_of("ab")], tokenizer) is None
