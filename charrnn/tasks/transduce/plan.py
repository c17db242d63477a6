"""The plan of a training on pairs: sizes, members, dropout, and the weights of a base model."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce.shapes import member_prefix, tensor_shapes
from charrnn.tasks.transduce.tokenizer import SPECIAL, PairTokenizer
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import SIZES_OF_LAYERS, arrays, keep_sizes, load
from charrnn.training.recipe import choose_learning_rate
from charrnn.wording import counted

FEW: Final = 3000
"""So many pairs are few: several small networks together learn more from them than a large one."""

BATCH_SIZES: Final = (16, 32)
"""The pairs that a step reads, where there are few and where there are more."""

SIZES: Final = (96, 160)
"""The hidden sizes, where there are few pairs and where there are more."""

MEMBERS: Final = 6
"""The most networks whose probabilities are averaged."""

EPOCHS_OF_A_MEMBER: Final = (40, 15)
"""There is another member only if all of them can read the pairs this many times, where there are
few pairs and where there are more."""

DROPOUT: Final = (0.5, 0.3)
WEIGHT_DROPOUT: Final = (0.4, 0.2)
"""The shares that are dropped, where there are few pairs and where there are more."""

LEARNING_RATE: Final = (6e-3, 4e-3)


def pairs_at_once(options: TrainingOptions, pairs: int) -> int:
    """Choose how many pairs a step reads."""
    usual = BATCH_SIZES[pairs > FEW]
    return min(usual if options.batch_size is None else options.batch_size, pairs)


def choose_transducer(
    options: TrainingOptions,
    *,
    tokenizer: PairTokenizer,
    pairs: int,
    epochs: Callable[[ModelConfig], float],
) -> ModelConfig:
    """Choose the sizes of the network that the options leave open, and the number of its members.

    Args:
        epochs: returns how often a network can read the pairs in the given time.
    """
    hidden = options.hidden_size or SIZES[pairs > FEW]

    def network(members: int) -> ModelConfig:
        return ModelConfig(
            vocabulary_size=tokenizer.vocabulary_size,
            task="transduce",
            bidirectional=True,
            outputs=tokenizer.outputs,
            cell=options.cell or "gru",
            embedding_size=options.embedding_size or min(64, hidden),
            hidden_size=hidden,
            layers=options.layers or 1,
            dropout=options.dropout or 0.0,
            weight_dropout=options.weight_dropout or 0.0,
            members=members,
        )

    one = network(1)
    affordable = epochs(one) / EPOCHS_OF_A_MEMBER[pairs > FEW]
    return network(int(min(max(affordable, 1), MEMBERS)))


def choose_regularization(
    options: TrainingOptions, config: TrainingConfig, model: ModelConfig, *, pairs: int
) -> tuple[TrainingConfig, ModelConfig]:
    """Return the settings with the learning rate, and the network with its dropout, where the
    options leave them open."""
    many = pairs > FEW
    if options.learning_rate is None:
        config = dataclasses.replace(config, learning_rate=LEARNING_RATE[many])
    if options.dropout is None:
        model = dataclasses.replace(model, dropout=DROPOUT[many])
    if options.weight_dropout is None:
        model = dataclasses.replace(model, weight_dropout=WEIGHT_DROPOUT[many])
    return config, model


def inherit(options: TrainingOptions, base: Model) -> TrainingOptions:
    """Return the options with the base's sizes. Raises ConfigError where they ask for others,
    ModelError where the base does not translate."""
    base.require("transduce")
    options = keep_sizes(options, base, list(SIZES_OF_LAYERS))
    if options.learning_rate is None:
        # At a fresh network's learning rate, a trained network forgets.
        rate = choose_learning_rate(options, hidden_size=base.config.hidden_size)
        options = dataclasses.replace(options, learning_rate=min(rate, 1e-3))
    return options


def copy_weights(base: Model, network: RecurrentNetwork, tokenizer: PairTokenizer) -> list[str]:
    """Copy the base's weights, those of characters, features and symbols by their names. Return
    notes for the user, a sentence each."""
    known = base.tokenizer
    assert isinstance(known, PairTokenizer)
    rows: dict[str, list[int | None]] = {
        "embedding.weight": [
            *range(SPECIAL),
            *_places(tokenizer.source, known.source, SPECIAL),
            *_places(tokenizer.features, known.features, SPECIAL + len(known.source)),
        ],
        "decoder.embedding.weight": [0, *_places(tokenizer.target, known.target, 1)],
        "head.weight": [0, 1, *_places(tokenizer.target, known.target, 2)],
    }
    rows["head.bias"] = rows["head.weight"]
    tensors = dict(arrays(network))
    for member in range(network.config.members):
        own = member_prefix(member)
        others = member_prefix(member % base.config.members)
        for name in tensor_shapes(dataclasses.replace(network.config, members=1)):
            copied = base.tensors[others + name]
            for row, place in enumerate(rows.get(name, range(len(copied)))):
                if place is not None:
                    tensors[own + name][row] = copied[place]
    load(network, tensors)
    new = sum(place is None for name in ("embedding.weight", "head.weight") for place in rows[name])
    said = (
        f"{counted(new, 'symbol')} of these pairs are new to it" if new else "it knows all symbols"
    )
    return [f"the network starts from that of {base.provenance.corpus}; {said}"]


def _places(names: Iterable[str], known: Sequence[str], first: int) -> list[int | None]:
    """Return the row of each name among the known ones, the first of which is row `first`; None for
    a new name."""
    rows = {name: first + number for number, name in enumerate(known)}
    return [rows.get(name) for name in names]
