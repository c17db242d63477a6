from collections.abc import Callable

import numpy as np
import pytest

import charrnn
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.transcription.beam import BeamConfig, beam_search
from charrnn.estimators.transcription.language_prior import LanguagePrior
from charrnn.estimators.transcription.tuning import tune
from charrnn.storage.model_directory import Model


def with_lines(model: Model) -> Model:
    from dataclasses import replace

    return replace(model, provenance=replace(model.provenance, lines=True))


@pytest.mark.parametrize("attention", [None, 4])
def test_strings_have_the_probability_that_score_gives(
    attention: int | None, make_model: Callable[..., Model]
) -> None:
    model = make_model("\n abc", attention=attention)
    strings = ["ab ca", "", "c", "bbb"]
    scores = np.log(np.full((4, 20, 5), 1e-4))  # each string is nearly certain, with blanks between
    for row, string in enumerate(strings):
        for at, character in enumerate(string):
            scores[row, 2 * at, " abc".index(character) + 1] = 0.0
            scores[row, 2 * at + 1, 0] = 0.0
        scores[row, 2 * len(string) :, 0] = 0.0
    log_probabilities = list(scores.astype(np.float32))
    for lines in (False, True):
        prior = LanguagePrior(with_lines(model) if lines else model, " abc")
        found = beam_search(log_probabilities, prior, BeamConfig(width=6, weight=1e-3))
        for string, hypotheses in zip(strings, found, strict=True):
            assert "".join(" abc"[each - 1] for each in hypotheses[0].ids) == string
            whole = f"{string}\n" if lines else string
            expected = charrnn.score(model, whole, engine="int8").sum()
            assert hypotheses[0].prior == pytest.approx(expected, abs=1e-5)


def test_a_character_that_the_model_does_not_know(make_model: Callable[..., Model]) -> None:
    prior = LanguagePrior(make_model("\n ab"), " abé")
    assert prior.unknown == ("é",)
    begin = prior.begin()
    after = prior.extend(begin.take(np.array([0, 0])), np.array([3, 1]))
    assert (after.scores[0] == begin.scores[0]).all()  # it is not read
    assert (after.scores[1] != begin.scores[0]).any()
    assert (after.scores[:, 3] <= after.scores[:, :3].min(1)).all()
    known = prior.extend(begin, np.array([1]))
    assert (known.scores[0] == after.scores[1]).all()


def test_models_that_are_no_prior(make_model: Callable[..., Model]) -> None:
    with pytest.raises(ConfigError, match="'é' has 2: train it with --tokenizer char"):
        LanguagePrior(make_model(None), "aé")
    assert LanguagePrior(make_model(None), "ab").begin().scores.shape == (1, 2)
    with pytest.raises(ModelError, match="was trained to restore"):
        LanguagePrior(make_model("\n ab", task="restore"), "ab")


def test_the_weight_with_the_fewest_errors_is_chosen(make_model: Callable[..., Model]) -> None:
    """Each sequence is as likely `ab` as what the language model prefers."""
    prior = LanguagePrior(make_model("\nab"), "ab")
    scores = prior.begin().scores[0]
    liked = int(scores.argmax())
    sure = np.full((1, 3), 1e-4)
    sure[0, 1 + liked], sure[0, 2 - liked] = 0.45, 0.55
    sequences = [np.log(sure).astype(np.float32)] * 3
    right = "ab"[liked]
    tuned = tune(sequences, [right] * 3, prior, characters="ab", width=2)
    assert tuned.weight > 0 and tuned.error_rate == 0
    (best,) = beam_search(
        sequences[:1], prior, BeamConfig(width=2, weight=tuned.weight, bonus=tuned.bonus)
    )
    assert best[0].ids == (1 + liked,)
    unhelpful = tune(sequences, ["ab"[1 - liked]] * 3, prior, characters="ab", width=2)
    assert unhelpful.error_rate == 0 and unhelpful.weight < tuned.weight
    assert tune(sequences, [right] * 3, prior, characters="ab", width=2, weight=0.05).weight == 0.05
