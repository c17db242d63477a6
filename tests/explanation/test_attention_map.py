import dataclasses
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.errors import ModelError, StorageError, UnknownCharacterError
from charrnn.explanation.attention_map import (
    LEAST,
    AttentionMap,
    attention_map,
    to_html,
    write_map,
)
from charrnn.model.language_model import CharRNN
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]

TEXT = "abc de fgh abc de"


def by_pytorch(model: Model, text: str) -> list[list[float]]:
    """What each character looks at, the nothing before the first left out, by the training
    network."""
    network = CharRNN(model.config).double().eval()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors.items()})
    head = network.attention
    assert head is not None
    ids = torch.from_numpy(model.tokenizer.encode(text).astype(np.int64))
    with torch.no_grad():
        h, _ = network._read(ids[:, None], network.zero_state(1)[:-1])  # (T, 1, H)
        keys = torch.cat([h.new_zeros(head.window, head.size), head.key(h[:, 0])])
        found = []
        for t, query in enumerate(head.query(h[:, 0])):
            scores = keys[t : t + head.window] @ query / head.size**0.5
            weights = torch.softmax(scores + head.distance.weight[:, 0].flip(0), 0)
            found.append(weights[-t - 1 :].tolist())
    return found


@pytest.mark.parametrize("window", [1, 4, 100])
def test_looks_are_those_of_the_training_network(window: int, make_model: MakeModel) -> None:
    model = make_model(attention=window)
    looked = attention_map(model, TEXT[:5], TEXT[5:])
    assert (looked.text, looked.given) == (TEXT, 5)
    expected = by_pytorch(model, TEXT)
    for place, row in enumerate(looked.looks):
        # A character was chosen after the one before it had been read.
        np.testing.assert_allclose(row, expected[place - 1] if place >= 5 else [], atol=1e-5)


def test_a_character_of_several_bytes_is_looked_at_as_one(make_model: MakeModel) -> None:
    model = make_model(None, attention=50)
    looked = attention_map(model, "ä€", "xä\udcff€y")
    assert looked.text == "ä€xä\udcff€y"
    assert [len(row) for row in looked.looks] == [0, 0, 2, 3, 4, 5, 6]
    assert all(0 < row.sum() < 1 for row in looked.looks[2:])


def test_nothing_given_is_no_trouble(make_model: MakeModel) -> None:
    model = make_model(attention=3)
    assert [len(row) for row in attention_map(model, "", "abcde").looks] == [0, 1, 2, 3, 3]
    assert attention_map(model, "", "").looks == ()


def test_a_model_without_attention_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match=r"has no attention; train one with .*--attention WINDOW"):
        attention_map(make_model(), "a", "b")


def test_characters_that_it_has_never_seen_are_told(make_model: MakeModel) -> None:
    with pytest.raises(UnknownCharacterError):
        attention_map(make_model(attention=3), "a", "ß")


# The page


class Reader(HTMLParser):
    """The text of the map, as one would read it without scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside, self.text, self.tags = "", "", set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if ("id", "text") in attrs:
            self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def map_of(text: str, given: int = 0) -> AttentionMap:
    row = np.array([0.5], dtype=np.float32)
    looks = [row if place > given else row[:0] for place in range(len(text))]
    return AttentionMap(text, given, tuple(looks))


HOSTILE = "</pre><script>alert(1)</script>&amp;\"'"


def test_what_a_text_says_is_never_run() -> None:
    reader = Reader(to_html(map_of(HOSTILE), title=HOSTILE))
    assert reader.text == HOSTILE
    assert reader.tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "p", "pre", "i", "u", "script")
    }
    assert to_html(map_of(HOSTILE), title=HOSTILE).count("<script>") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\u21b5\nb"),
        ("\x00\x1b[31m", "\\u0000\\u001b[31m"),
        ("a\tb", "a\tb"),
        ("\u202eab", "\\u202eab"),  # which would turn the page around
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
        ("é 漢", "é 漢"),
    ],
    ids=ascii,
)
def test_what_cannot_be_seen_is_shown_by_its_code(text: str, shown: str) -> None:
    page = to_html(map_of(text), title="a title")
    assert Reader(page).text == shown
    page.encode()  # whatever the text was


def test_a_page_asks_nothing_of_the_network() -> None:
    page = to_html(map_of("abc"), title="a title")
    assert not re.search(r"https?:|src=|href=|url\(", page)
    assert "default-src 'none'" in page


def test_shares_are_of_earlier_characters_and_small_ones_are_left_out(
    make_model: MakeModel,
) -> None:
    looked = attention_map(make_model(attention=5), TEXT[:3], TEXT[3:])
    page = to_html(looked, title="a title")
    found = re.search(r"const shares = (.*);", page)
    assert found is not None
    shares = json.loads(found[1])
    assert len(shares) == len(TEXT)
    for place, (row, look) in enumerate(zip(shares, looked.looks, strict=True)):
        assert [earlier for earlier, _ in row] == [
            place - len(look) + j for j in range(len(look)) if look[j] >= LEAST
        ]
        assert all(place - 5 <= earlier < place for earlier, _ in row)


def test_a_map_is_written_to_its_path_and_nowhere_else(
    make_model: MakeModel, tmp_path: Path
) -> None:
    write_map(tmp_path / "map.html", make_model(attention=5), "abc", " de")
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    assert Reader((tmp_path / "map.html").read_text()).text == "abc de"
    with pytest.raises(StorageError):
        write_map(tmp_path / "no" / "map.html", make_model(attention=5), "abc", " de")


def test_a_title_names_the_text_that_was_learned(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(attention=5)
    model = dataclasses.replace(
        model, provenance=dataclasses.replace(model.provenance, corpus="<b>")
    )
    write_map(tmp_path / "map.html", model, "abc", " de")
    assert "Attention map of a model of &lt;b&gt;" in (tmp_path / "map.html").read_text()
