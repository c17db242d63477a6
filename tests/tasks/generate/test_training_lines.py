from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import CorpusError
from charrnn.tasks.generate import training_lines as module
from charrnn.tasks.generate.training_lines import corpus_lines, training_lines

MakeTrainer = Callable[..., Any]


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_the_lines_are_those_that_the_model_was_trained_on(
    kind: str, make_trainer: MakeTrainer, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)  # also where a line goes on in the next chunk
    text = "\n".join(prose[:330].split(" "))
    trainer = make_trainer("run", text, kind=kind, steps=1)
    for _ in trainer:
        pass
    known = training_lines(str(trainer.run.directory))
    assert all(line in known for line in text.split("\n"))
    assert "no such line" not in known


def test_a_training_text_that_is_gone_is_an_error_that_names_the_option(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer("run", steps=1)
    for _ in trainer:
        pass
    (tmp_path / "corpus.txt").unlink()
    with pytest.raises(CorpusError, match="--novel needs the training text: .*--corpus names it"):
        training_lines(str(trainer.run.directory))


def test_lines_of_a_corpus_are_text_or_bytes_as_the_model_has_them(tmp_path: Path) -> None:
    content = "caf\u00e9\nth\u00e9\n".encode("latin-1")
    path = tmp_path / "latin.txt"
    path.write_bytes(content)
    text = corpus_lines([str(path)], CharTokenizer("abc"), ReadOptions(encoding="latin-1"))
    assert "caf\u00e9" in text and "caf\udce9" not in text
    raw = corpus_lines([str(path)], ByteTokenizer())
    assert "caf\udce9" in raw and "caf\u00e9" not in raw
