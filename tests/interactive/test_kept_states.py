from collections import deque

import numpy as np
import pytest

from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive import kept_states
from charrnn.interactive.kept_states import RECENT, SPACING
from charrnn.interactive.manuscript import Manuscript
from tests.interactive.manuscripts import Counting, collect


def test_states_are_kept_sparse_and_going_back_is_exact_and_cheap(
    counted: tuple[Sampler, Counting],
) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    texts = [manuscript.text]
    for _ in range(7):
        collect(manuscript.continuation(SamplingConfig(length=777)))
        texts.append(manuscript.text)
    length = len(manuscript)
    assert len(manuscript._states) <= RECENT + length // SPACING + 1
    assert len(manuscript._states) >= length // SPACING
    for text in reversed(texts[:-1]):
        manuscript.undo()
        assert manuscript.text == text
        engine.spent()
        ours = manuscript.probabilities()
        assert engine.spent() <= SPACING
        whole = Manuscript(sampler)
        whole.write(text)
        assert np.array_equal(ours, whole.probabilities())
    assert all(after <= 2 for after in manuscript._states)
    collect(manuscript.continuation(SamplingConfig(length=length)))
    assert len(manuscript._states) <= RECENT + length // SPACING + 1


def test_large_states_are_kept_as_far_as_there_is_room(
    counted: tuple[Sampler, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, engine = counted
    one = sum(part.nbytes for part in sampler.engine.read([[1]], None))
    monkeypatch.setattr(kept_states, "KEPT_BYTES", 40 * one)
    manuscript = Manuscript(sampler)
    manuscript.write("ab c" * 2000)
    collect(manuscript.continuation(SamplingConfig(length=300)))
    assert len(manuscript._states) <= 80
    engine.spent()
    manuscript.write("a")
    assert engine.spent() == 1
    manuscript.undo()  # nothing that is kept is near
    whole = Manuscript(sampler)
    whole.write("ab c" * 2000)
    assert np.array_equal(manuscript.probabilities(), whole.probabilities())
    lookahead = manuscript.lookahead()
    for _ in lookahead.continuations("ab c" * 100, 4):
        assert len(lookahead._states) <= 80
    (last,) = deque(lookahead.continuations("ab c" * 20, 4), maxlen=1)
    (fresh,) = deque(manuscript.lookahead().continuations("ab c" * 20, 4), maxlen=1)
    assert last == fresh
