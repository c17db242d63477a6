"""The phrases and the voices of the test are not those of the training. A fake program speaks."""

from pathlib import Path

import pytest

from benchmarks.phrases import DIGITS
from benchmarks.speech import spoken_phrases
from tests import fake_espeak


def test_phrases_and_voices_are_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_espeak.install(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    heard, unseen = spoken_phrases(10, 6)
    assert (len(heard.features), len(unseen.features)) == (10, 6)
    assert not set(heard.texts) & set(unseen.texts)
    assert not set(heard.voices) & set(unseen.voices)
    assert len(set(unseen.voices)) == 6
    assert len(DIGITS) == 10
