"""The documents name only files and tests that exist, and list what there is."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn import api
from charrnn.cli.repl_session import COMMANDS
from charrnn.generation.config import SamplingConfig, SelectionConfig
from charrnn.model.config import GATES, ModelConfig
from charrnn.option_declaration import options_of
from charrnn.storage.model_directory import read_model
from charrnn.training.schedule import Revision
from tests.docs_check.execution import run_document

ROOT = Path(__file__).parent.parent


def page(name: str) -> str:
    """Return the text of a page of docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    return re.split(r"(?m)^## ", text.split(f"\n## {heading}\n")[1])[0]


def listed(text: str) -> set[str]:
    """Return the names in backticks in the first columns of a text's tables."""
    cells = re.findall(r"(?m)^\| ([^|]*`[^|]*) \|", text)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


PYTHON = page("python")
ROBUSTNESS = page("robustness")
CHECKPOINTS = page("checkpoints")
FILES = re.findall(r"`(tests/[\w/]+\.py)`((?:[:,] `[^`]+`)*)", ROBUSTNESS)


def test_robustness_names_the_tests_of_every_row() -> None:
    tables = re.findall(r"(?m)^\| kind of input .*\n((?:\|.*\n)+)", ROBUSTNESS)
    rows = [row for table in tables for row in table.splitlines() if row.startswith("| ")]
    assert len(tables) == ROBUSTNESS.count("| kind of input")
    assert len(rows) > 100
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[-1]] == []


@pytest.mark.parametrize(("file", "names"), FILES)
def test_the_tests_that_robustness_names_are_there(file: str, names: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    tests = [each.split("::")[-1].split("[")[0] for each in re.findall(r"`([^`]+)`", names)]
    missing = [name for name in tests if f"def {name}(" not in source]
    assert missing == []


def test_every_verb_has_a_section_in_python_md() -> None:
    sections = re.split(r"(?m)^## (\w+)$", PYTHON)[1:]
    assert sorted(sections[::2]) == sorted(api.__all__)
    for verb, section in zip(sections[::2], sections[1::2], strict=True):
        code = "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
        assert re.search(rf"charrnn\.{verb}\(", code), verb


@pytest.mark.parametrize("page", ["python.md", "sequences.md"])
def test_the_code_of_pages_about_python_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in order, as in a notebook, with small trainings in the place of its budgets."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    outcome = run_document(ROOT / "docs" / page)
    assert outcome.blocks
    assert outcome.problems == []


SMALL: dict[str, Any] = {
    "steps": 10,
    "hidden_size": 8,
    "batch_size": 4,
    "sequence_length": 16,
    "precision": "fp32",
    "evaluate_every": 10,
}


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that has our corpora."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")


@pytest.mark.usefixtures("corpora")
@pytest.mark.parametrize("cell", GATES)
def test_the_module_of_checkpoints_md_loads_a_model(cell: str) -> None:
    """It gives each character the probability that charrnn gives it."""
    run = charrnn.train("fables", name="fables", cell=cell, progress_bar=False, **SMALL)
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", CHECKPOINTS, re.DOTALL)), names)
    assert len(names["measurements"]) == len(run.metrics())
    text = "The fo"
    with torch.no_grad():
        logits, _ = names["plain"](names["ids"])
    expected = torch.log_softmax(logits[0, :-1], -1)[torch.arange(len(text)), names["ids"][0, 1:]]
    np.testing.assert_allclose(charrnn.score("fables", text), expected.numpy(), atol=1e-5)


@pytest.mark.usefixtures("corpora")
def test_the_fields_of_a_run_are_those_of_checkpoints_md() -> None:
    rows = [f"{'aeiou'[i % 5]} vowel,1,{i}" for i in range(20)]
    rows += [f"{'bcdfg'[i % 5]} consonant,0,{i}" for i in range(20)]
    Path("kinds.csv").write_text("\n".join(["text,kind,number", *rows]))
    runs = [
        charrnn.train("fables", name="fables", progress_bar=False, **SMALL),
        charrnn.train("kinds.csv", text="text", label="kind", progress_bar=False, **SMALL),
        charrnn.train(
            "kinds.csv", text="text", label="number", regress=True, progress_bar=False, **SMALL
        ),
    ]
    found = {name for run in runs for line in run.metrics() for name in line}
    found |= {"revision", "steps_before"} | {each.name for each in dataclasses.fields(Revision)}
    assert listed(section(CHECKPOINTS, "metrics.jsonl")) == found
    config = json.loads((runs[1].best / "config.json").read_text())
    assert config.keys() == {"model", "training", "labels"}
    described = listed(section(CHECKPOINTS, "config.json"))
    assert described == {"model", "training"} | config["model"].keys() | config["training"].keys()
    files = {path.name for path in runs[0].best.iterdir()}
    assert listed(section(CHECKPOINTS, "Checkpoint")) == files
    training = json.loads((runs[0].best / "training.json").read_text())
    named = listed(section(CHECKPOINTS, "training.json and training.safetensors"))
    assert named == training.keys() | {"time_budget"}
    read_model(runs[0].best)


def test_the_tensors_of_every_task_are_those_of_checkpoints_md() -> None:
    configs = [
        ModelConfig(vocabulary_size=9, attention=4),
        ModelConfig(vocabulary_size=9, task="restore", bidirectional=True),
        ModelConfig(
            vocabulary_size=9, task="classify", bidirectional=True, pooling="attention", outputs=3
        ),
        ModelConfig(vocabulary_size=9, task="transduce", bidirectional=True, outputs=3),
    ]
    names = {name for config in configs for name in config.tensor_shapes()}
    plain = {re.sub(r"_l\d+(_reverse)?$", "_l{l}", name) for name in names}
    assert listed(section(CHECKPOINTS, "model.safetensors")) - {"_reverse", "others.0."} == plain


def test_repl_md_lists_every_command() -> None:
    text = section(page("repl"), "Commands")
    assert {name.split()[0] for name in listed(text) if name.startswith("/")} == {
        *COMMANDS,
        "//TEXT",
    }


def test_sampling_md_has_every_option_of_sampling() -> None:
    names = [*options_of(SamplingConfig), *options_of(SelectionConfig)]
    flags = [f"--{name.replace('_', '-')}" for name in names if name != "number"]  # -n
    assert [flag for flag in flags if flag not in page("sampling")] == []
