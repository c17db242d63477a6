import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.errors import CharRNNWarning, ModelError
from charrnn.storage.model_directory import Model, read_model, write_model
from charrnn.storage.model_list import (
    MODELS,
    MOST_MODELS,
    read_model_list,
    read_model_or_list,
    write_model_list,
)
from charrnn.storage.run_lookup import load, read_found
from tests.tasks.transduce.fakes import FEATURED, make_pair_model


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of three models beside it."""
    members = [tmp_path / f"names-{number}" for number in (1, 2, 3)]
    for number, member in enumerate(members):
        model = make_pair_model()
        write_model(member, replace(model, provenance=replace(model.provenance, seed=number)))
    write_model_list(tmp_path / "names", members, None)
    return tmp_path / "names"


def test_a_list_is_read_as_a_model_that_has_the_others(listed: Path) -> None:
    model = load(listed)
    assert [each.provenance.seed for each in model.members] == [0, 1, 2]
    assert model.tokenizer.to_json() == make_pair_model().tokenizer.to_json()


def test_a_list_is_found_under_any_name_of_its_directory(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(listed)
    assert len(load(".").members) == 3
    assert len(load("../names-1/../names").members) == 3
    (listed.parent / "elsewhere").mkdir()
    os.symlink(listed, listed.parent / "elsewhere" / "link")
    assert len(load(listed.parent / "elsewhere" / "link").members) == 3


def test_the_models_move_with_their_list(listed: Path, tmp_path: Path) -> None:
    shutil.move(listed.parent, tmp_path.with_name("moved"))
    assert len(load(tmp_path.with_name("moved") / "names").members) == 3


@pytest.mark.parametrize(
    "name",
    [
        "/etc",
        "names-1",
        "../../names-1",
        "../..",
        "../.",
        "../",
        "..",
        "../a/b",
        "../a\\b",
        3,
        None,
    ],
)
def test_no_path_leads_out_of_the_parent(listed: Path, name: Any) -> None:
    """A list from a stranger could have named any directory of the machine."""
    (listed / MODELS).write_text(json.dumps({"models": ["../names-1", name]}))
    with pytest.raises(ModelError, match="beside this one"):
        read_model_list(listed)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"models": []}, "lists 0 models"),
        ({"models": [f"../{n}" for n in range(MOST_MODELS + 1)]}, "not 1 to"),
        ({"models": ["../names-1", "../names-1"]}, "listed twice"),
        ({"models": ["../names-1", "../names"]}, "the list itself"),
        ({"models": "../names-1"}, "expected the key models"),
        ({"models": ["../names-1"], "code": "1"}, "expected the key models"),
        (["../names-1"], "expected the key models"),
    ],
)
def test_other_lists_are_refused(listed: Path, content: Any, problem: str) -> None:
    (listed / MODELS).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=problem):
        load(listed)


def test_a_link_as_a_model_is_refused(listed: Path) -> None:
    os.symlink(listed.parent / "names-1", listed.parent / "link")
    (listed / MODELS).write_text(json.dumps({"models": ["../names-2", "../link"]}))
    with pytest.raises(ModelError, match="is a link"):
        load(listed)


def test_models_of_other_tokenizers_or_tasks_do_not_work_together(
    listed: Path, make_model: Any
) -> None:
    second = listed.parent / "names-2"
    write_model(second, make_pair_model(FEATURED))
    with pytest.raises(ModelError, match=r"names-2: its tokenizer is not that of .*names-1"):
        load(listed)
    language_model: Model = make_model("abc")
    write_model(second, language_model)
    with pytest.raises(ModelError, match="names-2: it is not trained to transduce"):
        load(listed)
    write_model(listed.parent / "names-1", language_model)
    with pytest.raises(ModelError, match="trained to generate do not work together"):
        load(listed)


def test_models_that_are_not_there_yet_are_said(listed: Path) -> None:
    """A training that was stopped between two models lost what it had trained."""
    shutil.rmtree(listed.parent / "names-3")
    with pytest.warns(CharRNNWarning, match="only 2 of its 3 models are there.*--resume"):
        assert len(load(listed).members) == 2
    shutil.rmtree(listed.parent / "names-1")
    shutil.rmtree(listed.parent / "names-2")
    with pytest.raises(ModelError, match="none of its 3 models is there"):
        load(listed)


def test_a_damaged_model_is_an_error_and_not_left_out(listed: Path) -> None:
    (listed.parent / "names-2" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="names-2"):
        load(listed)


def test_what_reads_one_model_says_how_to_name_one(listed: Path) -> None:
    with pytest.raises(ModelError, match="it lists models that work together.*names-1"):
        read_found(str(listed), read_model)


def test_models_that_work_together_are_not_written_as_one(listed: Path, tmp_path: Path) -> None:
    """Only the first was written, and the others were lost."""
    with pytest.raises(ModelError, match="3 models work together"):
        write_model(tmp_path / "copy", load(listed))
    assert not (tmp_path / "copy").exists()


def test_a_model_directory_is_read_as_ever(listed: Path) -> None:
    assert read_model_or_list(listed.parent / "names-1").others == ()
    assert charrnn.load(listed.parent / "names-1").members[1:] == ()
