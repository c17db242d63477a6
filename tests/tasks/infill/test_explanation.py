import json
from collections.abc import Callable

import numpy as np
import pytest

import charrnn
from charrnn.explanation.config import PARTS
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.engine import InfillEngine

TEXT = "abc cab\nbaac " * 40


def test_the_surprise_of_a_masked_language_model(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc", task="restore")
    found = charrnn.explain(model, TEXT, shown=50)
    assert found.surprise is not None
    expected = InfillEngine.of(model).read(model.tokenizer.encode(TEXT))
    chosen = expected[np.arange(len(TEXT)), model.tokenizer.encode(TEXT)]
    np.testing.assert_allclose(found.surprise.nats, -chosen[:50], rtol=1e-5, atol=1e-6)
    assert found.surprise.bits_per_character == pytest.approx(-chosen.mean() / np.log(2), rel=1e-5)
    assert found.embeddings is not None
    assert len(found.embeddings.characters) == len(found.alphabet)  # without the mask
    assert set(found.absent) == {*PARTS} - {"surprise", "embeddings"}
    json.dumps(found.to_json(), allow_nan=False)


def test_parts_that_are_not_asked_for_are_absent(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc", task="restore")
    found = charrnn.explain(model, TEXT, parts=("embeddings",))
    assert found.surprise is None
    assert set(found.absent) == {*PARTS} - {"embeddings"}
