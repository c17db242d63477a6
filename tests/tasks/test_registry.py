"""What holds for every entry of the registry."""

from typing import Any

import pytest

from charrnn.cli.app import app
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.networks import build_network
from charrnn.tasks import TASKS, choose_task, find_task
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.options import TrainingOptions
from charrnn.training.task import TaskDefinition, task_definition
from tests.test_house import loaded_after


def config_of(definition: TaskDefinition, **sizes: Any) -> ModelConfig:
    """A small network of the task."""
    own: dict[str, Any] = {"bidirectional": bool(definition.bidirectional)}
    if "outputs" in definition.fields:
        own["outputs"] = 3 if definition.has_classes else 1
    if "pooling" in definition.fields:
        own["pooling"] = "attention"
    return ModelConfig(vocabulary_size=9, task=definition.name, **own | sizes)


@pytest.fixture(params=TASKS)
def definition(request: pytest.FixtureRequest) -> TaskDefinition:
    return task_definition(request.param)


def test_definitions_load_no_torch() -> None:
    code = "from charrnn.tasks import *; [find_task(each).commands for each in TASKS]"
    assert loaded_after(code, "torch", "typer", "rich") == set()


def test_an_entry_is_called_what_its_definition_is(definition: TaskDefinition) -> None:
    assert find_task(definition.name) is definition


@pytest.mark.parametrize("cell", CELLS)
def test_networks_have_the_tensors_that_the_definition_says(
    definition: TaskDefinition, cell: str
) -> None:
    config = config_of(definition, cell=cell, hidden_size=6, embedding_size=5)
    network = build_network(config)
    assert type(network) is definition.network()
    shapes = {name: tuple(each.shape) for name, each in network.named_parameters()}
    assert shapes == config.tensor_shapes() == definition.tensor_shapes(config)
    assert bool(config.state_shapes(2)) == definition.carries_state


def test_fields_of_other_tasks_are_refused(definition: TaskDefinition) -> None:
    others: dict[str, Any] = {"pooling": "max", "outputs": 3, "attention": 4}
    for name in others.keys() - definition.fields:
        with pytest.raises(ConfigError, match=f"a network to {definition.name} has no {name}"):
            config_of(definition, **{name: others[name]})
    if definition.bidirectional is not None:
        with pytest.raises(ConfigError, match="reads in"):
            config_of(definition, bidirectional=not definition.bidirectional)


def test_the_commands_of_a_model_exist(definition: TaskDefinition) -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert definition.usage
    assert {usage.split()[0] for usage in definition.usage} <= commands
    assert all("{run}" in usage for usage in definition.usage)


def test_losses_have_a_unit(definition: TaskDefinition) -> None:
    for tokenizer in (CharTokenizer("ab"), ByteTokenizer(), PairTokenizer("ab", "c")):
        unit = definition.loss_unit(tokenizer)
        assert float(unit.show(2.0).removesuffix(" %")) > 0
        shown = definition.describe_loss(tokenizer, 2.0)
        assert unit.name in shown and unit.show(2.0) in shown


@pytest.mark.parametrize("count", [1, 2])
def test_several_processes_train_some_tasks_only(definition: TaskDefinition, count: int) -> None:
    if count == 1 or definition.several_processes:
        definition.check_processes(count)
        return
    with pytest.raises(ConfigError, match="without torchrun"):
        definition.check_processes(count)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "generate"),
        ({"bidirectional": True}, "restore"),
        ({"base": "restore"}, "restore"),
        ({"base": "classify"}, "generate"),
        ({"labelled": True}, "classify"),
        ({"labelled": True, "bidirectional": True}, "classify"),
        ({"labelled": True, "regress": True, "base": "generate"}, "regress"),
        ({"pairs": True}, "transduce"),
        ({"pairs": True, "base": "transduce"}, "transduce"),
    ],
    ids=str,
)
def test_the_task_is_what_options_and_corpus_mean(settings: dict[str, Any], expected: str) -> None:
    usual = {"labelled": False, "regress": False, "bidirectional": False, "base": None}
    assert choose_task(**usual | settings) == expected


def test_a_task_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="task 'translate': choose from generate, restore"):
        TrainingOptions(task="translate")
