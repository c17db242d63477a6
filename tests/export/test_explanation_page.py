"""A page in one file of an explanation: its size, its policy, and that it cannot become code."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import charrnn
from charrnn.data.tokenizer import CharTokenizer
from charrnn.explanation.explanation import Explanation
from charrnn.explanation.units import DRAWN
from charrnn.export.explanation_page import explanation_page, explanation_parts
from charrnn.export.page_document import read_page_file
from charrnn.export.stylesheet import shortened_style
from charrnn.page.assets import INDEX
from charrnn.storage.model_directory import Model
from tests.export.blocks import (
    Blocks,
    check_makes_no_markup,
    check_names_no_other_place,
    check_policy,
    unpacked,
)
from tests.export.exported import random_model
from tests.provenance import make_provenance

FABLES: Final = Path(__file__).parents[2] / "corpora" / "fables.txt"
LARGEST: Final = 2_000_000
"""The most bytes of a page of 20,000 characters."""

HOSTILE: Final = "</title></script><script>alert(1)</script><!--\"'& ]]>\x00\x1b[31m\u2028\u202e"


def record_of(page: bytes) -> Any:
    return json.loads(unpacked(Blocks(page).block("charrnn-explanation")))


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    return charrnn.explain(random_model("attention"), "A fox met a crow. " * 9, samples=2)


@pytest.fixture(scope="module")
def page(explanation: Explanation) -> bytes:
    return explanation_page(explanation)


def test_a_page_of_20_000_characters_is_below_two_megabytes(explanation: Explanation) -> None:
    """With as many units as are recorded, whose activities nothing can compress, and attention."""
    text = FABLES.read_text(encoding="utf-8")[:20_000]
    tokenizer = CharTokenizer(sorted(set(text)))
    drawn = random_model(vocabulary_size=tokenizer.vocabulary_size)
    model = Model(drawn.config, tokenizer, drawn.tensors, drawn.provenance)
    found = charrnn.explain(model, text, samples=0, parts=("surprise",))
    assert explanation.cells is not None and explanation.memory is not None
    assert explanation.memory.attention is not None
    random = np.random.default_rng(0)
    unit = explanation.cells.units[0]
    units = tuple(replace(unit, activity=random.bytes(20_000)) for _ in range(DRAWN))
    looks = explanation.memory.attention.looks[-1:] * 2000
    full = replace(
        found,
        cells=replace(explanation.cells, units=units),
        memory=replace(
            explanation.memory, attention=replace(explanation.memory.attention, looks=looks)
        ),
    )
    made = explanation_page(full)
    assert len(found.text.text) == 20_000 and 1_000_000 < len(made) <= LARGEST
    assert record_of(made) == full.to_json()


def test_the_same_explanation_makes_the_same_bytes(explanation: Explanation, page: bytes) -> None:
    assert explanation_page(explanation) == page
    other = replace(explanation, surprise=None)
    assert explanation_page(other) != page


def test_the_policy_allows_the_scripts_and_the_style_of_the_file_and_nothing_else(
    page: bytes,
) -> None:
    check_policy(page)


def test_nothing_in_the_file_names_another_place(page: bytes) -> None:
    check_names_no_other_place(page)


def test_the_scripts_make_no_markup_of_text(page: bytes) -> None:
    check_makes_no_markup(page)


def test_it_has_all_rules_of_the_style_that_it_needs() -> None:
    index, page = read_page_file(INDEX), explanation_parts()
    sheets = [*re.findall(r'href="page/([\w.]+\.css)"', index), "local/local.css"]
    assert page.style == shortened_style("".join(map(read_page_file, sheets)), page.main + index)


def test_hostile_texts_stay_texts(page: bytes) -> None:
    tokenizer = CharTokenizer(sorted({*HOSTILE, *"A fox."}))
    drawn = random_model(vocabulary_size=tokenizer.vocabulary_size)
    model = Model(drawn.config, tokenizer, drawn.tensors, make_provenance(corpus=HOSTILE))
    hostile = explanation_page(charrnn.explain(model, HOSTILE * 3, parts=("surprise",), samples=0))
    blocks, plain = Blocks(hostile), Blocks(page)
    assert [tag for tag, _, _ in blocks.found] == [tag for tag, _, _ in plain.found]
    assert blocks.of("title")[0][1] == HOSTILE
    record = record_of(hostile)
    assert (record["text"]["text"], record["model"]["corpus"]) == (HOSTILE * 3, HOSTILE)


def test_bytes_that_are_no_text_are_replaced() -> None:
    text = "a\udcffb" * 20
    found = charrnn.explain(random_model(tokenizer="byte"), text, parts=("surprise",), samples=0)
    made = explanation_page(replace(found, model=replace(found.model, corpus="A\udcff")))
    assert record_of(made)["text"]["text"] == text.replace("\udcff", "\N{REPLACEMENT CHARACTER}")
    assert Blocks(made).of("title")[0][1] == "A?"
