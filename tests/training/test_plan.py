import dataclasses
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.data.corpus import Corpus, open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError, ModelError
from charrnn.model.cells import CELLS
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import Plan, arrays, load, make_plan

CorpusOf = Callable[..., Corpus]
MakeModel = Callable[..., Model]

BY_CHARACTER = ("embedding.weight", "head.weight", "head.bias")


def options(**changes: Any) -> TrainingOptions:
    defaults: dict[str, Any] = {"steps": 5, "precision": "fp32", "device": "cpu", "hidden_size": 8}
    return TrainingOptions(**(defaults | changes))


def fine_tuning(corpus: Corpus, base: Model, **changes: Any) -> Plan:
    return make_plan(corpus, options(hidden_size=None, **changes), base=base)


def same(one: RecurrentNetwork, other: RecurrentNetwork) -> bool:
    left, right = arrays(one), arrays(other)
    return all(np.array_equal(left[name], right[name]) for name in left)


# Fresh networks


def test_a_plan_is_the_same_for_the_same_seed(corpus_of: CorpusOf, prose: str) -> None:
    first, again, other = (make_plan(corpus_of(prose), options(seed=seed)) for seed in (1, 1, 2))
    assert first.config == again.config
    assert same(first.network, again.network)
    assert not same(first.network, other.network)


def test_fresh_weights_do_not_depend_on_what_ran_before(corpus_of: CorpusOf, prose: str) -> None:
    # A training sets PyTorch's threads, and orthogonal matrices come out differently on one thread
    # and on two: trained twice in a notebook, the same seed gave two models.
    networks = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        networks.append(make_plan(corpus_of(prose), options(hidden_size=128)).network)
    assert same(*networks)


def test_readout_weights_begin_larger_by_their_scale(corpus_of: CorpusOf, prose: str) -> None:
    usual, scaled = (make_plan(corpus_of(prose), options(readout_scale=x)) for x in (1.0, 3.0))
    assert (usual.config.readout_scale, scaled.config.readout_scale) == (1.0, 3.0)
    for name, weight in arrays(usual.network).items():
        factor = 3 if name in ("rnn.weight_ih_l1", "head.weight") else 1
        np.testing.assert_array_equal(arrays(scaled.network)[name], factor * weight)
    # Little text, read often, is learned by heart.
    assert make_plan(corpus_of(prose), options(steps=1)).config.readout_scale == 2
    assert make_plan(corpus_of(prose), options(steps=10_000)).config.readout_scale == 1


def test_a_plan_fits_its_corpus(corpus_of: CorpusOf, prose: str) -> None:
    plan = make_plan(corpus_of(prose), options(cell="gru", layers=3))
    assert plan.network.config.vocabulary_size == len(set(prose))
    assert (plan.network.config.cell, plan.network.config.layers) == ("gru", 3)
    assert plan.corpus.tokenizer.decode(plan.corpus.ids) == prose
    assert plan.config.steps == 5


@pytest.mark.parametrize("lines", [True, False])
def test_texts_of_several_lines_that_lines_would_cut_are_said(tmp_path: Path, lines: bool) -> None:
    """A cell of several lines became several documents, without a word."""
    path = tmp_path / "rows.jsonl"
    texts = [*map(str, range(40)), "one\ntwo", "ends\n", "three\r\nfour\n"]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    corpus = open_corpus([str(path)], ReadOptions(column="text"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_plan(corpus, options(lines=lines))
    said = [str(each.message) for each in caught if each.category is CharRNNWarning]
    expected = [f"{path}: 2 of its texts have several lines", "the first is line 41"]
    assert len(said) == lines and all(each in said[0] for each in expected if said)


def test_a_plan_for_bytes_has_256_of_them(corpus_of: CorpusOf, prose: str) -> None:
    plan = make_plan(corpus_of(prose), options(), kind="byte")
    assert isinstance(plan.corpus.tokenizer, ByteTokenizer)
    assert plan.network.config.vocabulary_size == 256


def test_rare_characters_are_folded(corpus_of: CorpusOf) -> None:
    plan = make_plan(corpus_of("ab" * 50 + "z"), options(), min_count=2)
    assert isinstance(plan.corpus.tokenizer, CharTokenizer)
    assert plan.corpus.tokenizer.characters == ("a", "b", "\N{REPLACEMENT CHARACTER}")


def test_many_epochs_bring_dropout_and_few_none(corpus_of: CorpusOf, prose: str) -> None:
    few, many = (
        make_plan(corpus_of(prose), TrainingOptions(epochs=epochs, hidden_size=8, precision="fp32"))
        for epochs in (1, 128)
    )
    few_dropped, many_dropped = (
        (plan.network.config.dropout, plan.network.config.weight_dropout) for plan in (few, many)
    )
    assert few_dropped == (0, 0)
    assert min(many_dropped) >= 0.2


def test_epochs_are_counted_on_the_text_that_is_trained_on(corpus_of: CorpusOf, prose: str) -> None:
    corpus = corpus_of(prose[:400])
    settings = TrainingOptions(
        epochs=3, batch_size=4, sequence_length=10, hidden_size=8, precision="fp32"
    )
    assert make_plan(corpus, settings).config.steps == 3 * 9  # 360 characters in 4 lanes of 90


# Notes


def test_enough_text_has_no_notes(corpus_of: CorpusOf, prose: str) -> None:
    assert make_plan(corpus_of(prose), options(batch_size=8, sequence_length=20)).notes == ()


def test_a_batch_that_shrinks_is_told(corpus_of: CorpusOf, prose: str) -> None:
    plan = make_plan(corpus_of(prose[:200]), options(batch_size=64, sequence_length=20))
    assert plan.config.batch_size == 9
    (note,) = plan.notes
    assert "batch size 9 instead of 64" in note and "180 characters" in note


def test_a_sequence_that_shrinks_is_told(corpus_of: CorpusOf, prose: str) -> None:
    # The wish of --sequence-length must not vanish without a word any more than --batch-size's.
    plan = make_plan(corpus_of(prose[:100]), options(sequence_length=400))
    assert plan.config.sequence_length == 90
    assert any("sequence length 90 instead of 400" in note for note in plan.notes)


@pytest.mark.parametrize("text", ["", "a", "ab", "abc"])
def test_too_little_text_is_refused(text: str, corpus_of: CorpusOf) -> None:
    with pytest.raises(CorpusError):
        make_plan(corpus_of(text), options())


def test_lines_need_lines(corpus_of: CorpusOf) -> None:
    with pytest.raises(CorpusError, match="lines"):
        make_plan(corpus_of("no newline anywhere " * 9), options(lines=True))


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 0},
        {"hidden_size": 0},
        {"dropout": 1.0},
        {"cell": "transformer"},
        {"device": "warp"},
    ],
    ids=str,
)
def test_what_no_network_can_be_is_refused(
    change: dict[str, Any], corpus_of: CorpusOf, prose: str
) -> None:
    with pytest.raises(ConfigError):
        make_plan(corpus_of(prose), options(**change))


# Fine-tuning


@pytest.mark.parametrize("attention", [None, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_fine_tuning_inherits_the_sizes_and_every_weight(
    cell: str, attention: int | None, corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    base = make_model(
        "\n abc", cell=cell, layers=3, hidden_size=10, embedding_size=6, attention=attention
    )
    plan = fine_tuning(corpus_of("cab abc\n" * 30), base)
    sizes, expected = (
        dataclasses.replace(config, dropout=0.0, weight_dropout=0.0)
        for config in (plan.network.config, base.config)
    )
    assert sizes == expected
    assert plan.corpus.tokenizer.to_json() == base.tokenizer.to_json()
    for name, tensor in arrays(plan.network).items():
        np.testing.assert_array_equal(tensor, base.tensors[name])
    assert plan.notes[-1] == "all 5 characters are known to the model"


def test_known_characters_keep_their_rows_and_new_ones_are_appended(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    base = make_model("\n abc")
    plan = fine_tuning(corpus_of("cab ZéZ\n" * 30), base)  # b and a, and two that are new
    assert isinstance(plan.corpus.tokenizer, CharTokenizer)
    assert plan.corpus.tokenizer.characters == ("\n", " ", "a", "b", "c", "Z", "é")
    for name, tensor in arrays(plan.network).items():
        if name in BY_CHARACTER:
            assert len(tensor) == 7
            np.testing.assert_array_equal(tensor[:5], base.tensors[name])
        else:
            np.testing.assert_array_equal(tensor, base.tensors[name])
    fresh = arrays(plan.network)["embedding.weight"][5:]
    assert not np.array_equal(fresh[0], fresh[1]) and fresh.any(axis=1).all()
    note = plan.notes[-1]
    assert note.startswith("2 characters are new") and note.endswith("'Z' 'é'")


def test_characters_that_the_new_text_lacks_are_kept(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    plan = fine_tuning(corpus_of("ab" * 60), make_model("\n abc"))
    assert plan.network.config.vocabulary_size == 5


def test_fine_tuning_does_not_change_the_base(corpus_of: CorpusOf, make_model: MakeModel) -> None:
    base = make_model("\n abc")
    before = {name: tensor.copy() for name, tensor in base.tensors.items()}
    plan = fine_tuning(corpus_of("cab\n" * 60), base)
    with torch.no_grad():
        for parameter in plan.network.parameters():
            parameter.zero_()
    for name, tensor in base.tensors.items():
        np.testing.assert_array_equal(tensor, before[name])


def test_a_byte_model_is_fine_tuned_on_bytes(corpus_of: CorpusOf, make_model: MakeModel) -> None:
    base = make_model(None)
    plan = fine_tuning(corpus_of("né€\n" * 60), base)
    assert isinstance(plan.corpus.tokenizer, ByteTokenizer)
    np.testing.assert_array_equal(arrays(plan.network)["head.weight"], base.tensors["head.weight"])
    assert "256" in plan.notes[-1]


@pytest.mark.parametrize(
    "change",
    [{"cell": "gru"}, {"layers": 1}, {"hidden_size": 99}, {"embedding_size": 99}, {"attention": 9}],
    ids=str,
)
def test_sizes_that_contradict_the_base_are_refused(
    change: dict[str, Any], corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=name.replace("_", " ")):
        make_plan(
            corpus_of("cab\n" * 60), options(**({"hidden_size": None} | change)), base=make_model()
        )


def test_sizes_that_agree_with_the_base_pass(corpus_of: CorpusOf, make_model: MakeModel) -> None:
    same_sizes = {"cell": "lstm", "layers": 2, "hidden_size": 12, "embedding_size": 7}
    plan = make_plan(corpus_of("cab\n" * 60), options(**same_sizes), base=make_model())
    assert plan.network.config.hidden_size == 12


def test_a_tokenizer_that_contradicts_the_base_is_refused(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    # Its rows are characters: read as bytes, the text would mean something else.
    with pytest.raises(ConfigError, match="tokenizer"):
        make_plan(
            corpus_of("cab\n" * 60), options(hidden_size=None), kind="byte", base=make_model()
        )


def test_a_trained_network_is_taught_more_gently(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    corpus = corpus_of("cab\n" * 60)
    gentle = fine_tuning(corpus, make_model()).config.learning_rate
    assert gentle < make_plan(corpus, options()).config.learning_rate
    given = fine_tuning(corpus, make_model(), learning_rate=0.5).config.learning_rate
    assert given == 0.5


def test_fine_tuning_does_not_hurry(corpus_of: CorpusOf, make_model: MakeModel, prose: str) -> None:
    corpus = corpus_of(prose)
    assert make_plan(corpus, options(steps=1)).config.readout_scale == 2
    assert fine_tuning(corpus, make_model(), steps=1).config.readout_scale == 1
    hurried = fine_tuning(corpus, make_model(), steps=1, readout_scale=3.0)
    assert hurried.config.readout_scale == 3
    known = make_model().tensors["rnn.weight_hh_l0"]
    np.testing.assert_array_equal(arrays(hurried.network)["rnn.weight_hh_l0"], known)


# Weights in and out


def test_weights_survive_a_round_trip(make_model: MakeModel) -> None:
    base = make_model()
    network = CharRNN(base.config)
    load(network, base.tensors)
    for name, tensor in arrays(network).items():
        np.testing.assert_array_equal(tensor, base.tensors[name])
        assert tensor.dtype == np.float32


def test_a_base_that_is_for_something_else_is_refused(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    """Its weights were laid on others', and did not fit: a ValueError of NumPy's."""
    base = make_model("\n abc")
    config = dataclasses.replace(base.config, task="classify", pooling="max", outputs=2)
    classifier = dataclasses.replace(base, config=config, labels=("x", "y"))
    corpus = corpus_of("cab\n" * 60)
    with pytest.raises(ModelError, match="trained to classify, not to generate: use it"):
        fine_tuning(corpus, classifier)
    with pytest.raises(ModelError, match="trained to generate, not to restore: use it with"):
        fine_tuning(corpus, base, bidirectional=True)


def test_arrays_are_copies(make_model: MakeModel) -> None:
    # A view would change under a checkpoint's feet.
    network = CharRNN(make_model().config)
    taken = arrays(network)["head.weight"]
    before = taken.copy()
    with torch.no_grad():
        network.head.weight.add_(1)
    np.testing.assert_array_equal(taken, before)


# The task


def test_a_task_may_be_named(corpus_of: CorpusOf, prose: str) -> None:
    plan = make_plan(corpus_of(prose), options(task="restore"))
    assert plan.network.config.task == plan.task.name == "restore"
    assert plan.network.config.bidirectional


def test_a_task_that_needs_labels_is_refused_without(corpus_of: CorpusOf, prose: str) -> None:
    with pytest.raises(ConfigError, match="a network to classify needs labels"):
        make_plan(corpus_of(prose), options(task="classify"))


def test_a_task_that_has_no_labels_is_refused_with_them(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,kind\n" + "a few words,x\nfewer,y\n" * 20)
    corpus = open_corpus([str(tmp_path / "rows.csv")], ReadOptions(column="text", label="kind"))
    with pytest.raises(ConfigError, match="a network to generate cannot use labels"):
        make_plan(corpus, options(task="generate"))
