"""The explanation of translations by tiny transducers with random weights."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.errors import CorpusError
from charrnn.explanation.alignment_records import AlignedPair
from charrnn.explanation.config import PARTS
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce import explanation
from charrnn.tasks.transduce.beam import Hypothesis
from charrnn.tasks.transduce.engine import NOWHERE, TransducerEngine
from charrnn.tasks.transduce.explanation import pieces_of, without
from tests.tasks.transduce.pair_networks import TOKENIZER, exact_probability, make_network
from tests.tasks.transduce.test_training import train_loud


def aligned(model: Model, text: str) -> list[AlignedPair]:
    found = charrnn.explain(model, text).alignment
    assert found is not None
    return list(found.pairs)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_effects_are_differences_of_exact_probabilities(members: int) -> None:
    network, model = make_network(advance=0.0, members=members)
    engine = TransducerEngine([model])
    source, target = TOKENIZER.encode_source("abxa", ["PL"]), Hypothesis((0, 1), 0.0, (1, 2), ())
    (usual,) = engine.written([source], [target])
    exact = exact_probability(network.members, TOKENIZER, source, target.symbols)
    assert usual.nats.sum() == pytest.approx(-math.log(exact), abs=1e-5)
    np.testing.assert_allclose(usual.shares.sum(axis=1), 1)
    for number in range(5):
        ids, rest = without(source, target, number, 1)
        (changed,) = engine.written([ids], [rest])
        exact = exact_probability(network.members, TOKENIZER, ids, target.symbols)
        assert changed.nats.sum() == pytest.approx(-math.log(exact), abs=1e-5)


def test_a_target_is_written_the_same_alone_and_among_others() -> None:
    _, model = make_network(members=2)
    engine = TransducerEngine([model])
    sources = [TOKENIZER.encode_source(text) for text in ("a", "abab", "", "xb")]
    targets = [Hypothesis(each, 0.0, (0,) * len(each), ()) for each in ((0, 1), (1,), (), (0,))]
    for source, target, found in zip(
        sources, targets, engine.written(sources, targets), strict=True
    ):
        (alone,) = engine.written([source], [target])
        np.testing.assert_allclose(found.nats, alone.nats, rtol=1e-6, atol=1e-6)
        assert found.shares.shape == (len(target.symbols), len(source))


def test_symbols_of_a_network_that_reads_backwards_keep_their_places() -> None:
    """A network that advances or copies writes each symbol at its character, whichever way it
    reads."""
    _, model = make_network(advance=0.0, members=2)
    heads = [name for name in model.tensors if name.endswith("head.bias")]
    assert len(heads) == 2
    for name in heads:
        model.tensors[name][2:] -= 30
    (found,) = TransducerEngine([model]).written(
        [TOKENIZER.encode_source("abbx")], [Hypothesis((0, 1, 1), 0.0, (1, 2, 3), ())]
    )
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert found.shares[0].argmax() == 1
    assert found.shares[:, [0, 4, 5]].max() < 1e-6
    assert found.shares[1:, 1].max() < 1e-6


def test_each_symbol_of_each_line() -> None:
    _, model = make_network(advance=1.0, members=2)
    found = charrnn.explain(model, "abab\r\n\nxq?b\tPL\n")
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {part for part in PARTS if record[part]} == {"alignment", "embeddings"}
    assert record["text"]["text"] == "abab\nxq?b"
    assert record["text"]["skipped"] == ["q", "?"]
    assert record["alphabet"] == ["a", "b", "x", "PL"]
    first, second = record["alignment"]["pairs"]
    assert (first["place"], first["length"], second["place"], second["length"]) == (0, 4, 5, 4)
    assert second["features"] == ["PL"]
    assert record["alignment"]["of_pairs"] == 2
    for pair, columns in ((first, 4), (second, 5)):
        translated = charrnn.translate(
            model, [["abab", "xq?b"][pair is second]], features=";".join(pair["features"])
        )[0]
        assert pair["target"] == translated.text
        assert pair["probability"] == pytest.approx(translated.targets[0].probability, abs=1e-4)
        assert pair["pieces"] == [[number, 1] for number in range(columns)]
        assert len(pair["totals"]) == columns
        symbols = len(pair["symbols"])
        assert len(pair["nats"]) == len(pair["written_at"]) == len(pair["effects"]) == symbols
        assert all(len(row) == columns for row in pair["effects"])
        for row in pair["written_at"]:
            assert sum(share for _, share in row) <= 1.001
            assert all(0 <= number < columns for number, _ in row)


def test_what_is_copied_cannot_be_written_without_it() -> None:
    """An unknown character that the translation copies costs the most that is recorded."""
    network, model = make_network(advance=0.0)
    network.head.bias.data[1] += 20
    model.tensors["head.bias"][:] = network.head.bias.detach().numpy()
    (pair,) = aligned(model, "?")
    assert pair.symbols == ("?",)
    assert pair.effects.tolist() == [[20.0]]


def test_long_sources_have_longer_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pieces_of(4, 4) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert pieces_of(0, 3) == []
    monkeypatch.setattr(explanation, "_NODES", 100)
    pieces = pieces_of(10, 2)
    assert pieces == [(0, 5), (5, 5)]
    assert pieces_of(6, 2) == [(0, 2), (2, 2), (4, 1), (5, 1)]
    assert pieces_of(1, 1000) == [(0, 1)]


def test_positions_without_a_piece() -> None:
    target = Hypothesis((0, -1, 1, -1), -1.0, (1, 2, 0, 4), (False,) * 4)
    ids, rest = without([0, 3, 2, 5, 2, 1], target, 1, 2)
    assert ids == [0, 3, 2, 1]
    assert rest.positions == (1, NOWHERE, 0, 2)


def test_a_line_without_a_translation_says_why() -> None:
    _, model = make_network()
    long, other = aligned(model, "a" * 2000 + "\nab")
    assert long.problem is not None
    assert "1,000 at most" in long.problem
    assert other.problem is None


def test_without_a_text_there_must_be_pairs_of_the_training() -> None:
    _, model = make_network()
    with pytest.raises(CorpusError, match="name a text"):
        charrnn.explain(model)
    with pytest.raises(CorpusError, match="has no lines"):
        charrnn.explain(model, " \n")


def test_held_out_pairs_of_a_run(tmp_path: Path) -> None:
    """The first letter of `abc` makes the first of `Acc`, and the last one the others."""
    run = train_loud(tmp_path)
    found = charrnn.explain(run.directory)
    assert found.alignment is not None
    assert found.text.source == "held out of pairs"
    assert found.model.validation_bits is None  # its loss is a word error rate
    assert found.alignment.of_pairs == len(found.alignment.pairs) == 3
    for pair in found.alignment.pairs:
        source = found.text.text[pair.place :][: pair.length]
        assert pair.correct == (source[0].upper() + source[2] * 2,)
        assert pair.target == pair.correct[0]
        if len({*source}) == 3:
            assert pair.effects[0].argmax() == 0
            assert pair.effects[1:].sum(axis=0).argmax() == 2
