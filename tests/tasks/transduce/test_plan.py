import numpy as np
import pytest

from charrnn.errors import ConfigError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.tasks.transduce.network import EMBEDDING_SCALE
from charrnn.tasks.transduce.plan import (
    FEW,
    MEMBERS,
    choose_transducer,
    copy_weights,
    inherit,
    pairs_at_once,
)
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import arrays
from tests.tasks.transduce.pair_networks import TOKENIZER, make_network


def choose(pairs: int, epochs_of_one: float, **options: object) -> ModelConfig:
    return choose_transducer(
        TrainingOptions(**options),  # type: ignore[arg-type]
        tokenizer=TOKENIZER,
        pairs=pairs,
        epochs=lambda config: epochs_of_one / config.members,
    )


def test_more_time_makes_more_members_and_never_none() -> None:
    members = [choose(800, epochs).members for epochs in (0.1, 40, 90, 170, 10_000)]
    assert members == [1, 1, 2, 4, MEMBERS]


def test_more_pairs_make_a_larger_network() -> None:
    few, many = choose(800, 100), choose(8000, 100)
    assert few.hidden_size < many.hidden_size
    assert few.bidirectional and few.outputs == TOKENIZER.outputs


def test_what_is_given_is_kept() -> None:
    chosen = choose(800, 100, hidden_size=24, cell="lstm", layers=3, embedding_size=7)
    assert (chosen.hidden_size, chosen.cell, chosen.layers, chosen.embedding_size) == (
        24,
        "lstm",
        3,
        7,
    )


def test_a_step_reads_no_more_pairs_than_there_are() -> None:
    assert pairs_at_once(TrainingOptions(), 5) == 5
    assert pairs_at_once(TrainingOptions(), FEW + 1) > pairs_at_once(TrainingOptions(), FEW)
    assert pairs_at_once(TrainingOptions(batch_size=7), 100) == 7


def test_weights_are_copied_by_the_names_of_symbols() -> None:
    """New symbols lie between the known ones, and a member more starts from the first again."""
    _, base = make_network(members=2)
    wider = PairTokenizer("aYbx", ("Z", "a", "b"), ("NEW", "PL"))
    network, _ = make_network(wider, seed=5, members=3)
    fresh = {name: each.copy() for name, each in arrays(network).items()}
    notes = copy_weights(base, network, wider)
    copied = arrays(network)
    for member, of_base in (("", ""), ("others.0.", "others.0."), ("others.1.", "")):
        old, new = base.tensors, copied
        embedding = f"{member}embedding.weight"
        rows = [0, 1, 2, 3, 5, 6, 8]  # the ends, the unknown, a, b, x, PL
        assert (new[embedding][rows] == old[f"{of_base}embedding.weight"]).all()
        assert (new[embedding][[4, 7]] == fresh[embedding][[4, 7]]).all()
        head = f"{member}head.weight"
        assert (new[head][[0, 1, 3, 4]] == old[f"{of_base}head.weight"]).all()
        assert (new[head][2] == fresh[head][2]).all()
        same = "rnn.weight_hh_l0_reverse"
        assert (new[member + same] == old[of_base + same]).all()
    assert "3 symbols of these pairs are new" in notes[0]


def test_only_a_model_of_pairs_with_these_sizes_is_a_start() -> None:
    _, base = make_network()
    options = inherit(TrainingOptions(), base)
    assert (options.hidden_size, options.cell) == (6, "lstm")
    assert options.learning_rate is not None and options.learning_rate <= 1e-3
    with pytest.raises(ConfigError, match="hidden size 6, not 8"):
        inherit(TrainingOptions(hidden_size=8), base)
    text = type(base)(
        ModelConfig(vocabulary_size=4), base.tokenizer, base.tensors, base.provenance
    )
    with pytest.raises(ModelError, match="was trained to generate"):
        inherit(TrainingOptions(), text)


def test_fresh_embeddings_are_small() -> None:
    from charrnn.model.networks import build_network

    config = ModelConfig(
        vocabulary_size=300, outputs=300, task="transduce", bidirectional=True, hidden_size=8
    )
    tensors = arrays(build_network(config))
    for name in ("embedding.weight", "decoder.embedding.weight"):
        assert np.std(tensors[name]) == pytest.approx(EMBEDDING_SCALE, rel=0.05)
