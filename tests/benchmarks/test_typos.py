import pytest

from benchmarks.typos import score, with_typos
from charrnn.tasks.infill.corrections import DELETE, KINDS, Correction, Finding
from tests.conftest import PROSE

TEXT = PROSE * 5


def undone(text: str, typos: list) -> str:  # type: ignore[type-arg]
    for typo in reversed(typos):
        text = text[: typo.begin] + typo.original + text[typo.end :]
    return text


def finding(begin: int, end: int, replacement: str) -> Finding:
    return Finding(1, 1, "", Correction(begin, end, replacement, KINDS[0], 9.0), 9.0, ())


@pytest.mark.parametrize("seed", range(3))
def test_typos_are_of_all_kinds_one_in_so_many_characters(seed: int) -> None:
    text, typos = with_typos(TEXT, seed=seed)
    assert undone(text, typos) == TEXT != text
    assert [typo.kind for typo in typos] == [KINDS[n % 4] for n in range(len(typos))]
    assert len(typos) == -(-len(TEXT) // 200)
    for typo in typos:
        assert text[typo.begin : typo.end] != typo.original
    assert with_typos(TEXT, seed=seed) == (text, typos)
    assert with_typos(TEXT, seed=seed + 1)[0] != text


def test_whoever_knows_the_typos_has_everything_right() -> None:
    text, typos = with_typos(TEXT)
    result = score(text, typos, [finding(t.begin, t.end, t.original) for t in typos])
    assert result.precision == result.recall == 1
    assert result.correction_precision == result.correction_recall == 1
    assert result.detected_by_kind == dict.fromkeys(KINDS, 1.0)


def test_found_is_not_put_right_and_elsewhere_is_not_found() -> None:
    text, typos = with_typos(TEXT)
    near = finding(typos[0].begin + 1, typos[0].end + 1, "?")
    far = finding(typos[0].begin + 50, typos[0].end + 50, "?")
    result = score(text, typos, [near, far])
    assert (result.detected, result.corrected, result.findings) == (1, 0, 2)
    assert result.precision == 0.5


def test_one_finding_is_not_counted_for_two_typos() -> None:
    text, typos = with_typos(TEXT)
    result = score(text, [typos[0], typos[0]], [finding(typos[0].begin, typos[0].end, "?")])
    assert result.detected == 1


def test_which_of_two_like_letters_went_makes_no_difference() -> None:
    text, typos = with_typos("a letter and " * 100, every=7)
    doubled = next(
        typo
        for typo in typos
        if typo.kind == DELETE and typo.original == text[typo.begin - 1] == "t"
    )
    result = score(text, [doubled], [finding(doubled.begin - 1, doubled.begin - 1, "t")])
    assert result.corrected == 1
