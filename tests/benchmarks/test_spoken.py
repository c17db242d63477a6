"""What is said, by whom: voices, seeds, and what espeak-ng refuses. A fake program speaks."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.log_mel import BANDS
from benchmarks.spoken import PAUSE, VOICES, family, heard_and_unseen, say, speak
from tests import fake_espeak


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_espeak.install(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_unseen_voices_have_no_relative_among_those_that_are_heard() -> None:
    heard, unseen = heard_and_unseen()
    assert sorted(heard + unseen) == sorted(VOICES)
    assert len(unseen) >= 8
    assert not {family(each) for each in heard} & {family(each) for each in unseen}
    assert family("edward2") == family("edward")
    assert family("m1") != family("m2")


@pytest.mark.usefixtures("espeak")
def test_silence_at_the_end_is_cut() -> None:
    samples, rate = say("ab", "en-us")
    assert rate == 22050
    assert len(samples) == pytest.approx((2 * 0.06 + PAUSE) * rate, abs=10)
    assert np.abs(samples).max() == pytest.approx(9000 / 32768, rel=0.01)


@pytest.mark.usefixtures("espeak")
def test_silence_alone_is_kept() -> None:
    samples, rate = say(" ", "en-us")
    assert len(samples) == 6 * int(0.06 * rate)
    assert not samples.any()


@pytest.mark.usefixtures("espeak")
def test_an_utterance_is_the_same_again_and_another_with_another_seed() -> None:
    first, again = (speak(["one", "two"], ["m1", "f2"], seed=1) for _ in range(2))
    other = speak(["one", "two"], ["m1", "f2"], seed=2)
    for here, there, changed in zip(first.features, again.features, other.features, strict=True):
        assert here.shape[1] == BANDS
        assert (here == there).all()
        assert here.shape != changed.shape or (here != changed).any()
    assert first.texts.tolist() == ["one", "two"]
    assert first.voices.tolist() == ["m1", "f2"]


@pytest.mark.usefixtures("espeak")
def test_a_voice_that_is_refused_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^espeak-ng -v nobody: Error: .* does not exist\.$"):
        say("one", "nobody")


def test_without_espeak_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"^espeak-ng is not installed: install it, .*$"):
        say("one", "en-us")
