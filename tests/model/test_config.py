import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from charrnn.data.tokenizer import LARGEST_VOCABULARY
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.config import STATES, ModelConfig


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
        {"attention": 0},
        {"attention": 5000},
        {"attention": 64.0},
        {"attention": True},
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


# Tasks

CLASSES: dict[str, Any] = {"task": "classify", "pooling": "last", "outputs": 3}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"task": "translate"}, "task 'translate': choose from generate, restore"),
        ({"bidirectional": True}, "a network to generate reads in one"),
        ({"task": "restore"}, "a network to restore reads in both directions"),
        ({"bidirectional": 1}, "bidirectional 1: choose true or false"),
        ({"pooling": "mean"}, "a network to generate has no pooling"),
        ({"outputs": 3}, "a network to generate has no outputs"),
        (
            {"task": "restore", "bidirectional": True, "attention": 8},
            "a network to restore has no attention",
        ),
        ({**CLASSES, "attention": 8}, "a network to classify has no attention"),
        ({**CLASSES, "pooling": None}, "pooling None: choose from last, mean"),
        ({**CLASSES, "pooling": "sum"}, "pooling 'sum': choose from last, mean"),
        ({**CLASSES, "outputs": None}, "outputs None: a network to classify has 2 to"),
        ({**CLASSES, "outputs": 1}, "outputs 1: a network to classify has 2 to"),
        ({**CLASSES, "outputs": True}, "outputs True: a network to classify has 2 to"),
        ({**CLASSES, "task": "regress"}, "outputs 3: a network to regress has 1 to 1"),
    ],
    ids=str,
)
def test_what_does_not_belong_to_a_task_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        ModelConfig(vocabulary_size=9, **settings)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_network_that_classifies_has_the_tensors_of_torch_nn(
    cell: str, bidirectional: bool
) -> None:
    config = ModelConfig(
        vocabulary_size=11,
        cell=cell,
        embedding_size=5,
        hidden_size=6,
        layers=3,
        bidirectional=bidirectional,
        **CLASSES,
    )
    module = nn.ModuleDict(
        {
            "embedding": nn.Embedding(11, 5),
            "rnn": getattr(nn, cell.upper())(5, 6, 3, bidirectional=bidirectional),
            "head": nn.Linear(6 * (2 if bidirectional else 1), 3),
        }
    )
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert config.tensor_shapes() == expected


@pytest.mark.parametrize("attention", [None, 7])
@pytest.mark.parametrize("cell", CELLS)
def test_a_state_has_its_lanes_second(cell: str, attention: int | None) -> None:
    config = ModelConfig(vocabulary_size=9, cell=cell, hidden_size=6, layers=3, attention=attention)
    shapes = config.state_shapes(4)
    assert set(shapes) == {*STATES[cell], *(["memory"] if attention else [])}
    assert all(shape[1] == 4 for shape in shapes.values())
    assert shapes.get("memory", (7, 4, 6)) == (7, 4, 6)


def test_where_texts_stand_alone_nothing_is_carried_on() -> None:
    restore = ModelConfig(vocabulary_size=9, task="restore", bidirectional=True)
    assert restore.state_shapes(4) == {}
    assert ModelConfig(vocabulary_size=9, **CLASSES).state_shapes(4) == {}
