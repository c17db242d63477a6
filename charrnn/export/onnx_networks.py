"""The networks of charrnn as ONNX graphs: what the network of a ModelConfig computes, in operators.

The recurrent operators of ONNX have their gates in another order than PyTorch's, and time comes
first. ONNX's names of directions are `forward`, `reverse` and `bidirectional`.

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers, G gates, D directions, F
features (D H), W window, K outputs; of attention, D is the size of a key.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from charrnn.engines.attention import EPSILON
from charrnn.engines.engine import Array
from charrnn.errors import ModelError
from charrnn.export.onnx_graph import BATCH, IDS, LENGTH, NUMBERS, Graph
from charrnn.model.config import STATES, ModelConfig
from charrnn.tasks import find_task

NEXT: Final = "_next"
"""What is added to the name of a state for its output."""

_OPERATORS: Final[dict[str, tuple[str, list[int], dict[str, Any]]]] = {
    "rnn": ("RNN", [0], {}),
    "gru": ("GRU", [1, 0, 2], {"linear_before_reset": 1}),
    "lstm": ("LSTM", [0, 3, 1, 2], {}),
}
"""For each cell, ONNX's operator; the order of its gates there (z, r, n; i, o, f, g), as indices
into PyTorch's (r, z, n; i, f, g, o); and what its equations need to be PyTorch's."""

_DIRECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "forward": ("",),
    "reverse": ("_reverse",),
    "bidirectional": ("", "_reverse"),
}
"""The suffixes of the names of the weights of each direction."""


def add_network(graph: Graph, config: ModelConfig) -> None:
    """Add the network of a config to an empty graph.

    Raises ModelError for a network that is none of those here.
    """
    definition = find_task(config.task)
    if config.pooling is not None:
        _add_many_to_one(graph, config)
    elif definition.separate_directions:
        _add_masked_model(graph, config)
    elif definition.carries_state:
        _add_language_model(graph, config)
    else:
        raise ModelError(f"a model to {config.task} cannot be written as an ONNX file")
    if graph.unused:
        names = ", ".join(sorted(graph.unused))
        raise ModelError(f"a model with the weights {names} cannot be written as an ONNX file")


class _Read(NamedTuple):
    """What a layer returns: its outputs (T, B, F), and its state, each part (D, B, H)."""

    outputs: str
    state: list[str]


def _add_language_model(graph: Graph, config: ModelConfig) -> None:
    """Add CharRNN: ids (B, T) and a state -> logits (B, T, V) and the state after."""
    x = _add_embedding(graph)
    part = (config.layers, BATCH, config.hidden_size)
    shapes: dict[str, tuple[int | str, ...]] = dict.fromkeys(STATES[config.cell], part)
    if config.attention is not None:
        remembered = (config.attention, BATCH, config.attention_size)
        shapes |= {"keys": remembered, "values": remembered}
    before = {name: graph.input(name, NUMBERS, shape) for name, shape in shapes.items()}
    layers = [_split(graph, before[name], config.layers) for name in STATES[config.cell]]
    after: list[list[str]] = []
    for layer in range(config.layers):
        x, state = _add_layer(graph, config, layer, x, state=[each[layer] for each in layers])
        after.append(state)
    results = [graph.add("Concat", *parts, axis=0) for parts in zip(*after, strict=True)]
    x = graph.add("Transpose", x, perm=[1, 0, 2])  # (B, T, H)
    if config.attention is not None:
        x, *memory = _add_attention(graph, config, x, before["keys"], before["values"])
        results += memory
    logits = graph.linear(x, "head")
    graph.output("logits", NUMBERS, (BATCH, LENGTH, config.vocabulary_size), logits)
    for (name, shape), result in zip(shapes.items(), results, strict=True):
        graph.output(name + NEXT, NUMBERS, shape, result)


def _add_masked_model(graph: Graph, config: ModelConfig) -> None:
    """Add InfillNetwork: ids (B, T) -> logits (B, T, V); the id V is the mask."""
    embedded = _add_embedding(graph)
    sides = []
    for direction in ("forward", "reverse"):
        x = embedded
        for layer in range(config.layers):
            x, _ = _add_layer(graph, config, layer, x, direction=direction)
        sides.append(x)
    # The output after the preceding position, and after the following one; zeros beyond the ends.
    first, last = graph.integers(0), graph.integers(-1)
    before = graph.add("Slice", sides[0], first, last, first)
    before = graph.add("Pad", before, graph.integers(1, 0, 0, 0, 0, 0))
    one, end = graph.integers(1), graph.integers(2**31)
    after = graph.add("Slice", sides[1], one, end, first)
    after = graph.add("Pad", after, graph.integers(0, 0, 0, 1, 0, 0))
    both = graph.add("Concat", before, after, axis=2)
    joined = graph.add("Tanh", graph.linear(both, "join"))  # (T, B, H)
    logits = graph.linear(graph.add("Transpose", joined, perm=[1, 0, 2]), "head")
    graph.output("logits", NUMBERS, (BATCH, LENGTH, config.vocabulary_size), logits)


def _add_many_to_one(graph: Graph, config: ModelConfig) -> None:
    """Add ManyToOne: ids (B, T) and lengths (B,) -> outputs (B, K); padding changes nothing."""
    x = _add_embedding(graph)
    lengths = graph.input("lengths", IDS, (BATCH,))
    counts = graph.as_lengths(lengths)
    direction = "bidirectional" if config.bidirectional else "forward"
    state: list[str] = []
    for layer in range(config.layers):
        x, state = _add_layer(graph, config, layer, x, direction=direction, lengths=counts)
    if config.pooling == "last":  # each direction's state after the whole text
        pooled = graph.add("Transpose", state[0], perm=[1, 0, 2])
        pooled = graph.add("Reshape", pooled, graph.integers(0, -1))
    else:
        pooled = _add_pooling(graph, str(config.pooling), x, lengths)
    assert config.outputs is not None
    graph.output("logits", NUMBERS, (BATCH, config.outputs), graph.linear(pooled, "head"))


def _add_embedding(graph: Graph) -> str:
    """Add the input ids (B, T) and their embeddings (T, B, E)."""
    ids = graph.input("ids", IDS, (BATCH, LENGTH))
    # With nothing to read, onnxruntime's recurrent operators abort the process: before them, a
    # look-up of the first id is an error. The difference, which is zero, makes it be computed.
    zero = graph.integer(0)
    first = graph.add("Gather", graph.add("Gather", ids, zero), zero)
    ids = graph.add("Add", ids, graph.add("Sub", first, first))
    table = graph.weight("embedding.weight", graph.tensor("embedding.weight"))
    return graph.add("Gather", table, graph.add("Transpose", ids, perm=[1, 0]))


def _add_layer(
    graph: Graph,
    config: ModelConfig,
    layer: int,
    x: str,
    *,
    direction: str = "forward",
    state: list[str] | None = None,
    lengths: str = "",
) -> _Read:
    """Add a layer: x (T, B, I) -> its outputs and state.

    Args:
        direction: ONNX's name of what it reads; the outputs of both stand side by side.
        state: the parts of the state before, each (1, B, H); None is zeros.
        lengths: the lengths of the texts; none where all have T characters.
    """
    operator, order, more = _OPERATORS[config.cell]
    hidden, suffixes = config.hidden_size, _DIRECTIONS[direction]

    def stacked(name: str) -> Array:
        """Return a weight (D, G H, ...) of the directions, its gates in ONNX's order."""
        found = [graph.tensor(f"rnn.{name}_l{layer}{suffix}") for suffix in suffixes]
        gates = [each.reshape(len(order), hidden, -1)[order] for each in found]
        return np.stack(
            [each.reshape(array.shape) for each, array in zip(gates, found, strict=True)]
        )

    own = f"rnn.l{layer}.{direction}"
    biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    inputs = [
        x,
        graph.weight(f"{own}.input", stacked("weight_ih")),
        graph.weight(f"{own}.recurrent", stacked("weight_hh")),
        graph.weight(f"{own}.bias", biases),
        lengths,
        *(state or ()),
    ]
    while not inputs[-1]:
        inputs.pop()
    y, *after = graph.add_several(
        operator,
        inputs,
        1 + len(STATES[config.cell]),
        hidden_size=hidden,
        direction=direction,
        **more,
    )  # (T, D, B, H)
    if len(suffixes) == 1:
        return _Read(graph.add("Squeeze", y, graph.integers(1)), after)
    y = graph.add("Transpose", y, perm=[0, 2, 1, 3])
    return _Read(graph.add("Reshape", y, graph.integers(0, 0, -1)), after)


def _split(graph: Graph, part: str, layers: int) -> list[str]:
    """Split a part of the state (L, B, H) into those of the layers, each (1, B, H)."""
    return [part] if layers == 1 else graph.add_several("Split", [part], layers, axis=0)


def _add_pooling(graph: Graph, pooling: str, x: str, lengths: str) -> str:
    """Add the pooling of outputs (T, B, F) over the steps of texts (B,): (B, F), zeros for a text
    without characters."""
    steps = graph.add("Range", graph.integer(0), _length(graph, x, axis=0), graph.integer(1))
    steps = graph.add("Unsqueeze", steps, graph.integers(1))
    within = graph.add("Unsqueeze", graph.add("Less", steps, lengths), graph.integers(2))
    # The lowest number and not minus infinity, since a softmax over that alone is NaN.
    zero, lowest = graph.number(0), graph.number(float(np.finfo(np.float32).min))
    outputs = graph.add("Where", within, x, zero)
    first, second = graph.integers(0), graph.integers(1)
    counts = graph.add("Unsqueeze", lengths, second)  # (B, 1)
    if pooling == "max":
        largest = graph.add("Where", within, x, lowest)
        largest = graph.add("ReduceMax", largest, axes=[0], keepdims=0)
        return graph.add("Where", graph.add("Equal", counts, first), zero, largest)
    if pooling == "mean":
        total = graph.add("ReduceSum", outputs, first, keepdims=0)
        divisor = graph.add("Cast", graph.add("Max", counts, second), to=NUMBERS)
        return graph.add("Div", total, divisor)
    if pooling != "attention":
        raise ModelError(f"a model with the pooling {pooling} cannot be written as an ONNX file")
    scores = graph.linear(outputs, "pooling")  # (T, B, 1)
    shares = graph.add("Softmax", graph.add("Where", within, scores, lowest), axis=0)
    return graph.add("ReduceSum", graph.add("Mul", shares, outputs), first, keepdims=0)


def _add_attention(
    graph: Graph, config: ModelConfig, h: str, keys: str, values: str
) -> tuple[str, str, str]:
    """Add the attention from states h (B, T, H) to the last W keys and values, each (W, B, D),
    which a state's own value is the last of; see model/attention.py.

    Returns what the head reads (B, T, H), and the last W keys and values.
    """
    assert config.attention is not None
    queries = graph.linear(h, "attention.query")
    queries = graph.add("Mul", queries, graph.number(1 / math.sqrt(config.attention_size)))
    first, last, time = graph.integers(0), graph.integers(-1), graph.integers(1)
    known, after = [], []
    for name, memory in (("key", keys), ("value", values)):
        own = graph.linear(h, f"attention.{name}")
        old = graph.add("Transpose", memory, perm=[1, 0, 2])
        joined = graph.add("Concat", old, own, axis=1)  # (B, W + T, D)
        end, window = graph.integers(2**31), graph.integers(-config.attention)
        kept = graph.add("Slice", joined, window, end, time)
        after.append(graph.add("Transpose", kept, perm=[1, 0, 2]))
        # A key is paired with the value after it.
        begin, end = (first, last) if name == "key" else (time, end)
        known.append(graph.add("Slice", joined, begin, end, time))
    scores = graph.add("MatMul", queries, graph.add("Transpose", known[0], perm=[0, 2, 1]))
    scores = graph.add("Add", scores, _add_distances(graph, config.attention, h))
    found = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), known[1])
    joined = graph.add("Add", h, graph.linear(found, "attention.output"))
    norm = [
        graph.weight(f"attention.norm.{name}", graph.tensor(f"attention.norm.{name}"))
        for name in ("weight", "bias")
    ]
    normal = graph.add("LayerNormalization", joined, *norm, axis=-1, epsilon=float(EPSILON))
    return normal, after[0], after[1]


def _add_distances(graph: Graph, window: int, h: str) -> str:
    """Add the biases (T, W + T - 1) of the scores by distance: minus infinity for the keys that are
    not among the W of a state."""
    oldest_first = graph.tensor("attention.distance.weight")[::-1, 0]
    biases = graph.weight("attention.distance", oldest_first)
    zero, one = graph.integer(0), graph.integer(1)
    time = _length(graph, h, axis=1)
    entries = graph.add("Add", time, graph.integer(window - 1))
    queries = graph.add("Range", zero, time, one)
    place = graph.add(
        "Sub",
        graph.add("Range", zero, entries, one),
        graph.add("Unsqueeze", queries, graph.integers(1)),
    )  # (T, W + T - 1): the place of a key in the state's window
    inside = graph.add("Clip", place, zero, graph.integer(window - 1))
    bias = graph.add("Gather", biases, inside)
    return graph.add("Where", graph.add("Equal", place, inside), bias, graph.number(-math.inf))


def _length(graph: Graph, x: str, *, axis: int) -> str:
    """Add the size of an axis of x, as a number without axes."""
    shape = graph.add("Shape", x, start=axis, end=axis + 1)
    return graph.add("Squeeze", shape, graph.integers(0))
