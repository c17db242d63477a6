"""Models of random weights for the tests of what is exported, and pages of them."""

from typing import Any, Final

import numpy as np

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import drawn_model
from tests.provenance import make_provenance

ALPHABET: Final = (
    "\n\r .,abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ<&\"'`\u0301\N{GRINNING FACE}漢01"
)

TOKENIZERS: Final = ("char", "byte")


def random_model(network: str = "lstm", tokenizer: str = "char", **sizes: Any) -> Model:
    """A model of CELLS or with attention, whose weights are large enough to prefer some ids."""
    chosen: Tokenizer = ByteTokenizer() if tokenizer == "byte" else CharTokenizer(ALPHABET)
    sizes = {"hidden_size": 20, "layers": 2, "vocabulary_size": chosen.vocabulary_size} | sizes
    config, tensors = drawn_model(network, **sizes)
    larger = {
        name: tensor * np.float32(6 if name.startswith("head") else 3)
        for name, tensor in tensors.items()
    }
    return Model(config, chosen, larger, make_provenance(corpus="random.txt"))
