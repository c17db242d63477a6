from collections.abc import Callable

import numpy as np
import pytest

from charrnn.engines import NumPyEngine
from charrnn.explanation.texts import ReadText
from charrnn.explanation.units import explain_cells
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from tests.provenance import make_provenance


def vowel_model() -> Model:
    """A network of two units without memory: unit 0 is 0.9 after a vowel and -0.9 after all else,
    unit 1 is the same with noise. Only unit 0 is read by the head, which says: after a vowel comes
    the consonant b."""
    from charrnn.data.tokenizer import CharTokenizer

    config = ModelConfig(vocabulary_size=4, cell="rnn", embedding_size=2, hidden_size=2, layers=1)
    high = np.arctanh(0.9)
    embedding = np.array([[high, 0.3], [-high, -0.2], [-high, 0.4], [high, 0.1]], np.float32)
    tensors = {
        "embedding.weight": embedding,  # of a, b, c, e
        "rnn.weight_ih_l0": np.eye(2, dtype=np.float32),
        "rnn.weight_hh_l0": np.zeros((2, 2), np.float32),
        "rnn.bias_ih_l0": np.zeros(2, np.float32),
        "rnn.bias_hh_l0": np.zeros(2, np.float32),
        "head.weight": np.array([[0, 0], [5, 0], [0, 0], [0, 0]], np.float32),
        "head.bias": np.zeros(4, np.float32),
    }
    return Model(config, CharTokenizer("abce"), tensors, make_provenance())


def text_with_vowels(count: int) -> str:
    random = np.random.default_rng(0)
    letters = ["a"]
    while len(letters) < count:
        letters.append("b" if letters[-1] in "ae" else str(random.choice(list("abce"))))
    return "".join(letters)


def test_the_unit_of_vowels_is_found_drawn_and_held() -> None:
    model, text = vowel_model(), text_with_vowels(1200)
    read = ReadText.of(text, model.tokenizer, beginning=1)
    found = explain_cells(model, read, shown=50, make_engine=NumPyEngine.of, held_ids=1000)
    vowel = next(each for each in found.concepts if each.name == "vowel")
    assert (vowel.units[0].layer, vowel.units[0].unit, vowel.units[0].sign) == (0, 0, 1)
    assert vowel.units[0].score == 1
    unit = next(each for each in found.units if "vowel" in each.concepts)
    assert [unit.lowest, unit.highest] == pytest.approx([-0.9, 0.9])
    expected = bytes(255 if character in "ae" else 0 for character in text[:50])
    assert unit.activity == expected
    assert unit.held is not None
    assert unit.held.nats_there > 0.2  # after vowels, b is no longer foreseen
    assert unit.held.characters_there + unit.held.characters_elsewhere == 500
    assert found.characters == 1200


def test_holding_a_unit_that_nothing_reads_costs_nothing() -> None:

    model, text = vowel_model(), text_with_vowels(1200)
    model.tensors["head.weight"][:] = 0
    read = ReadText.of(text, model.tokenizer, beginning=1)
    found = explain_cells(model, read, shown=10, make_engine=NumPyEngine.of, held_ids=400)
    held = [each.held for each in found.units if each.held is not None]
    assert held
    assert max(abs(each.nats_there) for each in held) < 1e-6


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("attention", [None, 5])
def test_every_cell_and_depth_and_attention(
    cell: str, attention: int | None, make_model: Callable[..., Model]
) -> None:
    model = make_model("\n abc", cell=cell, layers=3, hidden_size=4, attention=attention)
    read = ReadText.of("abc cab\nba a c" * 40, model.tokenizer, beginning=0)
    found = explain_cells(model, read, shown=30, make_engine=NumPyEngine.of, held_ids=200)
    assert {unit.layer for unit in found.units} <= {0, 1, 2}
    assert all(len(unit.activity) == 30 for unit in found.units)
    assert any(unit.held is not None for unit in found.units)
