from collections.abc import Callable

import pytest

from charrnn.engines.int8_description import describe_bits, int8_bits
from charrnn.storage.model_directory import Model


def test_each_layer_has_the_bits_of_its_most_precise_matrix(
    make_model: Callable[..., Model],
) -> None:
    model = make_model(cell="lstm", hidden_size=97, layers=2, attention=5)
    parts = ["layer 1", "layer 2", "attention", "head"]
    assert int8_bits(model) == dict.fromkeys(parts, 8)
    model.tensors["rnn.weight_ih_l1"][0, 0] = 50
    assert int8_bits(model) == {**dict.fromkeys(parts, 8), "layer 2": 16}
    small = make_model(cell="gru", hidden_size=96, layers=1)
    assert int8_bits(small) == {"layer 1": 16, "head": 16}


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        ({"layer 1": 8, "head": 8}, "weights and activations of 8 bits"),
        ({"layer 1": 16, "head": 16}, "weights and activations of 16 bits"),
        ({"layer 1": 8, "head": 16}, "weights and activations of 8 bits, of 16 bits in head"),
    ],
)
def test_bits_are_described_in_a_few_words(bits: dict[str, int], words: str) -> None:
    assert describe_bits(bits) == words
