"""A page in one file: its size, its policy, and that what is in it cannot become code."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, ModelError, UnknownCharacterError
from charrnn.export.html import html_page
from charrnn.export.page_config import SETTINGS, PageConfig
from charrnn.export.page_document import pack, read_page_file
from charrnn.export.page_model import page_model
from charrnn.export.page_settings import page_settings
from charrnn.generation.config import SamplingConfig
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from tests.export.blocks import (
    Blocks,
    check_makes_no_markup,
    check_names_no_other_place,
    check_policy,
    parts_of,
    unpacked,
)
from tests.export.exported import random_model
from tests.provenance import make_provenance

HOSTILE: Final = "</title><script>alert(1)</script><!--\"'& ]]>\u2028"

LARGEST_PAGE: Final = 60_000
"""The most bytes of a page beside its model."""


def config_of(page: bytes) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(parts_of(page)["page-config"])
    return config


def test_the_same_model_makes_the_same_bytes() -> None:
    assert html_page(random_model()) == html_page(random_model())
    assert html_page(random_model()) != html_page(random_model("gru"))


def test_beside_its_model_a_page_is_small() -> None:
    page = html_page(random_model(), PageConfig(title="Towns", description="A" * 200))
    assert len(page) - len(Blocks(page).block("charrnn-model")) <= LARGEST_PAGE


def test_a_model_of_two_layers_of_192_makes_a_page_below_a_megabyte() -> None:
    sizes = ModelConfig(vocabulary_size=90, embedding_size=64, hidden_size=192, layers=2)
    random = np.random.default_rng(1)
    tensors = {
        name: random.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in sizes.tensor_shapes().items()
    }
    tokenizer = CharTokenizer([chr(33 + k) for k in range(90)])
    model = Model(sizes, tokenizer, tensors, make_provenance())
    assert len(html_page(model)) <= 1_000_000


def test_packed_bytes_are_read_back() -> None:
    for length in range(9):
        content = bytes(range(250, 250 + min(length, 6))) + bytes(max(length - 6, 0))
        text = pack(content)
        assert unpacked(text) == content
        assert not set(text) & set("<>&\"'\\ \n") - {">"}


def test_the_policy_allows_the_scripts_and_the_style_of_the_file_and_nothing_else() -> None:
    check_policy(html_page(random_model()), "worker-src blob:")


def test_nothing_in_the_file_names_another_place() -> None:
    check_names_no_other_place(html_page(random_model()))


def test_hostile_texts_stay_texts() -> None:
    model = random_model()
    named = replace(model, provenance=make_provenance(corpus=HOSTILE))
    page = html_page(named, PageConfig(description=HOSTILE, prompt=("<&",)), card=HOSTILE)
    blocks = Blocks(page)
    plain = Blocks(html_page(random_model(), PageConfig(prompt=("<&",))))
    assert [tag for tag, _, _ in blocks.found] == [tag for tag, _, _ in plain.found]
    assert blocks.of("title")[0][1] == HOSTILE
    config = config_of(page)
    assert (config["title"], config["description"], config["card"]) == (HOSTILE,) * 3
    assert config["prompts"] == ["<&"]


def test_a_title_that_utf_8_does_not_have_is_shown_with_question_marks() -> None:
    page = html_page(random_model(), PageConfig(title="A\udcff"))
    assert Blocks(page).of("title")[0][1] == "A?" and config_of(page)["title"] == "A?"


def test_the_main_script_makes_no_markup_of_text() -> None:
    check_makes_no_markup(html_page(random_model()))


def test_the_sliders_begin_where_the_settings_are() -> None:
    sampling = SamplingConfig(temperature=0.65, top_p=0.9, length=120)
    values = config_of(html_page(random_model(), sampling=sampling))["sampling"]
    assert values == {name: getattr(sampling, name) for name in SETTINGS}
    assert config_of(html_page(random_model()))["sampling"] == {}


def test_the_sliders_of_the_page_are_those_that_can_be_set() -> None:
    source = read_page_file("settings.js")
    assert set(re.findall(r'^    name: "(\w+)"', source, re.MULTILINE)) == set(SETTINGS)


def test_a_length_without_end_has_no_slider() -> None:
    with pytest.raises(ConfigError, match="length 0"):
        html_page(random_model(), sampling=SamplingConfig(length=None))


@pytest.mark.parametrize("given", [{"title": " "}, {"title": "a" * 201}, {"prompt": ("",)}])
def test_what_a_page_cannot_say(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PageConfig(**given)


def test_a_prompt_must_be_known_to_the_model() -> None:
    with pytest.raises(UnknownCharacterError):
        html_page(random_model(), PageConfig(prompt=("a~",)))


def test_other_tasks_are_refused() -> None:
    model = random_model()
    config = replace(model.config, task="restore", bidirectional=True)
    with pytest.raises(ModelError, match="not to generate"):
        html_page(replace(model, config=config))


def test_every_setting_is_declared_to_the_page() -> None:
    settings = page_settings()
    assert settings["temperature"]["words"] == "choose 0 or above"
    assert settings["stop"] == {"default": [], "kind": "texts"}
    given = {name: value["default"] for name, value in settings.items()}
    given = {name: tuple(value) if value == [] else value for name, value in given.items()}
    assert SamplingConfig(**given) == SamplingConfig()


def test_the_tensors_lie_where_the_description_says() -> None:
    model = random_model("gru", hidden_size=7, layers=1)
    content = page_model(model)
    length = int.from_bytes(content[:4], "little")
    description = json.loads(content[4 : 4 + length])
    first = -(-(4 + length) // 8) * 8
    entries = {each["name"]: each for each in description["tensors"]}
    assert all(each["place"] % 8 == 0 for each in entries.values())
    embedding = entries["embedding"]
    size = model.tensors["embedding.weight"].size
    found = np.frombuffer(content, "<f4", size, first + embedding["place"])
    assert (found.reshape(embedding["shape"]) == model.tensors["embedding.weight"]).all()
    assert {"0.recurrent.weight", "0.recurrent.rest", "0.inner", "head.input.scale"} <= set(entries)


def test_a_file_outside_of_the_page_is_never_read() -> None:
    for name in ("../errors.py", "local/../../errors.py", "local", "assets.py"):
        with pytest.raises(KeyError):
            read_page_file(name)


def test_the_page_and_its_files_are_in_the_package(tmp_path: Path) -> None:
    configuration = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"local/*.js"' in configuration and '"local/*.css"' in configuration
