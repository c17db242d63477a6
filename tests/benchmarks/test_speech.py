"""The phrases and the voices of the test are not those of the training. A fake program speaks."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.speech import spoken_phrases
from benchmarks.spoken import heard_and_unseen
from tests import fake_espeak


def test_phrases_and_voices_are_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_espeak.install(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    spoken = spoken_phrases(6, 10, 4)
    assert [len(each.features) for each in spoken] == [6, 10, 4]
    assert len(set(np.concatenate([each.texts for each in spoken]))) == 20
    heard, unseen = heard_and_unseen()
    assert set(spoken.heard.voices) | set(spoken.tuned.voices) <= set(heard)
    assert set(spoken.unseen.voices) <= set(unseen)
    assert len(set(spoken.unseen.voices)) == 6
