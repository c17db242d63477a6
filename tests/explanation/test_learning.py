import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from charrnn.explanation.learning import WORD_REST, WORD_STARTS, explain_learning
from charrnn.storage.model_directory import Model

TEXT = 'ab "cd'
# Nats of each character at three checkpoints: quotes are learned at the second, letters at the
# third, and spaces never.
LOSSES = {
    10: [8, 8, 1, 5, 8, 8],
    20: [7, 7, 1, 1, 7, 7],
    30: [2, 2, 2, 1, 2, 2],
}


def at_step(model: Model, step: int) -> Model:
    return replace(model, provenance=replace(model.provenance, step=step, characters=step * 9))


def test_what_was_learned_when(make_model: Callable[..., Model]) -> None:
    models = [at_step(make_model("ab c"), step) for step in LOSSES]
    found = explain_learning(
        models, TEXT, lambda model: np.array(LOSSES[model.provenance.step], dtype=float)
    )
    assert found is not None
    assert found.kinds == ("lower-case letters", "spaces", "quotes", WORD_STARTS, WORD_REST)
    assert found.counts == (4, 1, 1, 2, 2)
    assert dict(found.learned) == {
        "lower-case letters": 30,
        "spaces": None,
        "quotes": 20,
        WORD_STARTS: 30,
        WORD_REST: 30,
    }
    last = found.checkpoints[-1]
    assert (last.step, last.characters) == (30, 270)
    assert last.bits[0] == pytest.approx(2 / math.log(2))
    assert last.total == pytest.approx(11 / 6 / math.log(2))


def test_one_checkpoint_shows_no_learning(make_model: Callable[..., Model]) -> None:
    models = [at_step(make_model("ab c"), 10)]
    assert explain_learning(models, TEXT, lambda _: np.ones(len(TEXT))) is None
