from pathlib import Path

import numpy as np
import pytest

from benchmarks.infilling import (
    Accuracy,
    Contender,
    Rescore,
    accuracies,
    best_threshold,
    by_both_sides,
    by_text_after,
    main,
    proof,
)
from benchmarks.left_to_right import LeftToRightLM, NGramLM
from benchmarks.typos import with_typos
from charrnn.data.tokenizer import CharTokenizer
from charrnn.evaluation.baselines import NGram
from charrnn.tasks.infill.corrections import DELETE, Correction, Finding
from charrnn.tasks.infill.masked_model import MaskedIds, MaskedLM
from tests.conftest import PROSE
from tests.masked_models import KnownText

TOKENIZER = CharTokenizer(sorted(set(PROSE)))
IDS = TOKENIZER.encode(PROSE).astype(np.int64)
KNOWN = KnownText(TOKENIZER, PROSE)


class Counting:
    """A language model that expects of each character the next in the alphabet."""

    vocabulary_size = 5

    def advance(self, ids: object, state: object) -> tuple[np.ndarray, tuple[()]]:
        return np.eye(5, dtype=np.float32)[(np.asarray(ids) + 1) % 5] * 9, ()


def exact(
    masked_lm: MaskedLM, ids: MaskedIds, starts: list[int], length: int, rescoring: Rescore | None
) -> float:
    """How often a span was right, with a few characters around it."""
    contender = Contender(masked_lm, {"it": rescoring}, before=8, after=8)
    return accuracies(contender, ids, np.array(starts), length)["it"].exact


@pytest.mark.parametrize("length", [1, 3])
def test_whoever_knows_the_text_fills_everything(length: int) -> None:
    contender = Contender(KNOWN, {"it": by_both_sides, "beam": None}, before=30, after=30)
    found = accuracies(contender, IDS, np.array([200, 300, 411]), length)
    assert set(found.values()) == {Accuracy(1, 1, 1)}


def test_whoever_knows_the_text_finds_typos_and_nothing_else() -> None:
    result = proof(KNOWN, TOKENIZER, PROSE * 2)
    assert result.score.precision == 1 and result.score.recall >= 0.5


def test_the_threshold_is_the_best_there_is() -> None:
    text, typos = with_typos(PROSE)
    right = [finding(typo.begin, typo.end, gain=12) for typo in typos]
    wrong = [finding(typo.begin + 40, typo.end + 40, gain=6) for typo in typos]
    assert 6 < best_threshold(text, typos, right + wrong) <= 12


def finding(begin: int, end: int, *, gain: float) -> Finding:
    return Finding(1, 1, "", Correction(begin, end, "", DELETE, gain), 9.0, ())


def test_a_language_model_reads_the_left_side_alone() -> None:
    masked_lm = LeftToRightLM(Counting())
    read = masked_lm.log_probabilities(np.array([[0, 1, 5, 0]]))[0]  # (T, V)
    assert read.argmax(axis=-1)[1:].tolist() == [1, 2, 1]
    np.testing.assert_allclose(np.exp(read).sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(read[0]), 0.2, rtol=1e-5)
    ids = np.arange(40) % 5
    assert exact(masked_lm, ids, [10, 17], 4, None) == 1
    assert exact(masked_lm, ids, [10, 17], 4, by_text_after) == 1


def test_so_does_an_n_gram() -> None:
    ids = (np.arange(400) % 5).astype(np.uint8)
    masked_lm = NGramLM(NGram(ids, 5, context=3))
    read = masked_lm.log_probabilities(np.array([[0, 1, 2, 5, 1]]))[0]
    assert read.argmax(axis=-1)[1:4].tolist() == [1, 2, 3]
    np.testing.assert_allclose(np.exp(read).sum(axis=-1), 1, rtol=1e-5)


def test_it_prints_both_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("The cat sat on the mat, and the dog lay on the log. " * 200)
    sizes = ["--hidden-size", "12", "--layers", "1", "--budget", "8steps"]
    main([str(corpus), *sizes, "--positions", "3", "--lengths", "1", "2", "--characters", "600"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ") and "%" in line]
    assert rows == [
        "bidirectional",
        "bidirectional, beam alone",
        "left to right",
        "left to right, rescored",
        "n-gram",
        "bidirectional",
        "bidirectional, default threshold",
        "left to right",
    ]


def test_a_corpus_that_is_not_there_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nowhere.txt"])
    assert "nowhere.txt: no such file" in capsys.readouterr().err
