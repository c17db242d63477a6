"""docs/options.md and --help say what the configurations declare."""

from dataclasses import fields
from pathlib import Path

import pytest
from typer.core import TyperOption
from typer.main import get_command

from charrnn.cli.app import app
from charrnn.cli.option_tables import option_tables
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.generation.config import SamplingConfig, SelectionConfig
from charrnn.option_declaration import options_of
from charrnn.tasks.infill.config import FillConfig, ProofreadConfig
from charrnn.training.options import TrainingOptions

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]

DECLARED_BY = {
    "train": (ReadOptions, TrainingOptions),
    "plan": (ReadOptions, TrainingOptions),
    "sample": (ReadOptions, SamplingConfig, SelectionConfig),
    "repl": (SamplingConfig,),
    "evaluate": (ReadOptions,),
    "predict": (ReadOptions,),
    "fill": (FillConfig,),
    "proofread": (ProofreadConfig,),
    "corpora": (ReadOptions,),
}

LEFT_OUT = {
    ("plan", "checkpoint_every"),
    ("plan", "keep"),
    *((command, name) for command in ("sample", "predict") for name in ("label", *PAIRS)),
    *(("corpora", name) for name in ("column", "label", "delimiter", *PAIRS)),
    *(
        ("repl", name)
        for name in options_of(SamplingConfig)
        if name not in ("length", "temperature", "top_k", "top_p", "seed")
    ),
}

OTHER_DEFAULTS = {("repl", "length"): 300, ("fill", "longest"): 12}


def test_the_tables_are_those_in_docs() -> None:
    written = Path(__file__).parents[2] / "docs" / "options.md"
    assert written.read_text() == option_tables(), "write it again with: make docs"


def test_the_tables_have_every_option() -> None:
    tables = option_tables()
    for name, command in COMMANDS.items():
        section = tables.partition(f"## charrnn {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            if isinstance(option, TyperOption) and option.name != "help":
                for flag in option.opts:
                    assert f"`{flag}" in section, (name, flag)


@pytest.mark.parametrize(
    ("command", "kind"),
    [(command, kind) for command, kinds in DECLARED_BY.items() for kind in kinds],
)
def test_commands_have_the_options_that_configurations_declare(command: str, kind: type) -> None:
    options = {option.name: option for option in COMMANDS[command].params}
    for field in fields(kind):
        declared = options_of(kind).get(field.name)
        if declared is None or (command, field.name) in LEFT_OUT:
            assert field.name not in options
            continue
        option = options[field.name]
        assert (option.help, option.rich_help_panel) == (declared.help, declared.panel)
        assert f"--{field.name.replace('_', '-')}" in option.opts or declared.flags
        default = OTHER_DEFAULTS.get((command, field.name), field.default)
        if declared.unset is not None:
            assert option.default is None and option.show_default == declared.unset
        else:
            assert (option.default or None) == (default or declared.none or None)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_texts_are_sentences(command: str) -> None:
    for option in COMMANDS[command].params:
        if isinstance(option, TyperOption):
            assert option.help is not None and option.help.endswith("."), option.name
            assert option.help[0].isupper(), option.name
