import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from charrnn.data.tokenizer import LARGEST_VOCABULARY
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig


@pytest.mark.parametrize(
    "change",
    [
        {"cell": "transformer"},
        {"cell": "LSTM"},
        {"vocabulary_size": 0},
        {"vocabulary_size": LARGEST_VOCABULARY + 1},
        {"vocabulary_size": 3.0},
        {"embedding_size": 0},
        {"hidden_size": -1},
        {"hidden_size": 1_000_000},
        {"hidden_size": True},
        {"layers": 0},
        {"layers": 65},
        {"layers": 1.5},
        {"dropout": -0.1},
        {"dropout": 1.0},
        {"dropout": float("nan")},
        {"dropout": "0.1"},
        {"weight_dropout": 1.0},
        {"weight_dropout": -0.1},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused_by_name(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=name.replace("_", " ")):
        ModelConfig(**{"vocabulary_size": 10, **change})


def test_a_config_cannot_be_changed() -> None:
    config = ModelConfig(vocabulary_size=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.layers = 3  # type: ignore[misc]


def test_a_config_is_what_its_json_says() -> None:
    config = ModelConfig(vocabulary_size=3, cell="gru", layers=4, dropout=0.25)
    assert ModelConfig(**config.to_json()) == config


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_tensors_have_the_names_and_shapes_of_torch_nn(cell: str, layers: int) -> None:
    config = ModelConfig(
        vocabulary_size=11, cell=cell, embedding_size=5, hidden_size=6, layers=layers
    )
    module = nn.ModuleDict(
        {
            "embedding": nn.Embedding(11, 5),
            "rnn": getattr(nn, cell.upper())(5, 6, layers),
            "head": nn.Linear(6, 11),
        }
    )
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert config.tensor_shapes() == expected
    assert config.parameters == sum(torch.Size(shape).numel() for shape in expected.values())


def test_the_largest_vocabulary_is_that_of_the_tokenizers() -> None:
    """The two rooms do not know each other; a text that can be read must not fail later."""
    assert ModelConfig(vocabulary_size=LARGEST_VOCABULARY)
