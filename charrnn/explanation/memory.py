"""Memory: how far back the text matters to a model.

Legend: B lanes, T time, H units of a layer, V vocabulary, D earlier characters.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.engines import Engine, NumPyEngine, Reader, State
from charrnn.evaluation.token_scores import score_logits
from charrnn.explanation.activations import layer_engines
from charrnn.explanation.network_records import (
    AttentionLooks,
    ContextLoss,
    Forgetting,
    Memory,
    Occlusion,
)
from charrnn.explanation.texts import LARGEST_OUTPUTS, ReadText
from charrnn.generation.draw import check_finite
from charrnn.generation.filters import log_softmax
from charrnn.storage.model_directory import Model

CONTEXTS: Final = tuple(2**power for power in range(11))
"""The numbers of characters of context, up to 1,024."""

DISTANCES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The characters since a change after which the states are compared."""

OCCLUDED: Final = 48
"""The earlier characters that are exchanged, one at a time."""

_PLACES: Final = 12
"""The places whose predictions are looked at."""

OCCLUSION_IDS: Final = _PLACES * OCCLUDED**2
"""The ids that are read to exchange each earlier character once."""

LONGEST_CONTEXT: Final = CONTEXTS[-1] * 9 // 8
"""The ids of a window in which losses are compared by context."""

_LEAST_ATTENTION: Final = 0.01
_LARGEST_LOOKS: Final = 8
_NO_LOOK: Final[tuple[tuple[int, float], ...]] = ()


def context_losses(
    engine: Reader, text: ReadText, nats: Float64Array, *, windows: int, seed: int = 0
) -> tuple[ContextLoss, ...]:
    """Return the loss of predictions from 1, 2, 4, ... 1,024 ids.

    Windows are read from a zero state. What a prediction after n ids costs there more than with all
    of the text before is averaged over the windows, and added to the loss on the whole text: so all
    lengths are compared on the same text. From 8 on, lengths up to an eighth longer or shorter are
    averaged too.

    Args:
        engine: the engine of the model.
        text: M ids.
        nats: (M,) the surprisal of each id, given all before it.
        windows: how many windows are read.
        seed: draws where they begin.

    Raises ModelError when the model's numbers overflow.
    """
    ids, per_character = text.ids.astype(np.int64), len(text.ids) / len(text.text)
    longest = min(LONGEST_CONTEXT, len(ids) - 1)
    if longest < 1:
        return ()
    starts = np.random.default_rng(seed).integers(0, len(ids) - longest, size=windows)
    extra = np.zeros(longest)  # the sum over windows of what a prediction after n + 1 ids lost
    at_once = max(LARGEST_OUTPUTS // (longest * engine.vocabulary_size), 1)
    for begin in range(0, windows, at_once):
        places = starts[begin : begin + at_once, None] + np.arange(longest + 1)
        logits, _ = engine.advance(ids[places[:, :-1]], None)
        check_finite(logits)
        targets = places[:, 1:]
        costs = -_log_probabilities(logits, ids[targets])
        extra += (costs - nats[targets]).sum(axis=0)
    full, found = float(nats.mean()), []
    for length in CONTEXTS:
        near = length // 8 if length >= 8 else 0
        if length + near > longest:
            break
        chosen = extra[length - near - 1 : length + near]
        loss = (full + float(chosen.sum()) / (len(chosen) * windows)) * per_character / math.log(2)
        found.append(ContextLoss(characters=length, bits=loss, predictions=len(chosen) * windows))
    return tuple(found)


def _log_probabilities(logits: np.typing.NDArray[np.float32], targets: Int64Array) -> Float64Array:
    """Return the log-probabilities (B, T) of targets (B, T) under logits (B, T, V)."""
    found: Float64Array = np.take_along_axis(log_softmax(logits), targets[..., None], axis=-1)
    return found[..., 0]


def forgetting(
    model: Model, text: ReadText, *, places: int = 24, seed: int = 0
) -> tuple[Forgetting, ...]:
    """Return by layer how fast the network forgets that one id was another.

    At each of some places, the id is exchanged for one from elsewhere in the text, and the text is
    read on with both. Before, 128 ids are read.
    """
    ids, random = text.ids.astype(np.int64), np.random.default_rng(seed)
    before = min(128, len(ids) // 4)
    distances = [each for each in DISTANCES if before + each < len(ids) // 2]
    if len(set(ids.tolist())) < 2 or not distances:
        return ()
    after = distances[-1]
    starts = random.integers(0, len(ids) - before - after, size=places)
    windows = ids[starts[:, None] + np.arange(before + after + 1)]  # (B, T)
    changed = windows.copy()
    for lane in range(places):
        others = ids[ids != windows[lane, before]]
        changed[lane, before] = others[random.integers(len(others))]
    found = []
    for layer, engine in enumerate(layer_engines(model)):
        outputs = []
        for part in (windows, changed):
            _, state = engine.advance(part[:, :before], None) if before else (None, None)
            read, _ = engine.advance(part[:, before:], state)
            check_finite(read)
            outputs.append(read.astype(np.float64))
        usual, other = outputs
        apart = np.linalg.norm(usual - np.roll(usual, 1, axis=0), axis=2)  # (B, T)
        differs = np.linalg.norm(usual - other, axis=2)
        shares = differs.mean(axis=0) / np.maximum(apart.mean(axis=0), 1e-12)
        found.append(
            Forgetting(
                layer=layer,
                distances=tuple(distances),
                difference=tuple(float(shares[each]) for each in distances),
            )
        )
    return tuple(found)


def choose_places(nats: Float64Array, shown: int, seed: int = 0) -> list[int]:
    """Return places (in order) whose predictions are worth a look: half of them were likely, half
    not, drawn from the S characters shown."""
    known = np.arange(min(shown, len(nats)))
    known = known[known >= min(16, len(known) - 1)] if len(known) else known
    order = known[np.argsort(nats[known], kind="stable")]
    random = np.random.default_rng(seed)
    likely, unlikely = order[: len(order) // 2], order[len(order) * 9 // 10 :]
    chosen: set[int] = set()
    for part in (likely, unlikely):
        chosen |= set(random.permutation(part)[: _PLACES // 2].tolist())
    return sorted(chosen)


def occlude(
    engine: Reader, text: ReadText, place: int, *, replacements: int = 4, seed: int = 0
) -> Occlusion:
    """Return how much more a character costs when each of up to 48 ids before it is exchanged for
    others, which are drawn from the text: the mean over `replacements` of them.

    Of a character of several bytes, its first byte is predicted. Raises ModelError when the model's
    numbers overflow.
    """
    target = int(text.starts[place])
    inputs = text.inputs  # inputs[i] is read before ids[i]; inputs[0] stands before the text
    begin = max(target + 1 - OCCLUDED, 1)
    read, wanted = inputs[begin : target + 1], np.array([int(text.ids[target])])  # (D,)
    state: State | None = None
    _, state = _advance(engine, inputs[None, max(begin - 512, 0) : begin], None)
    logits, _ = _advance(engine, read[None], state)
    last = logits[:, -1] if len(read) else _advance(engine, inputs[None, :1], None)[0][:, -1]
    usual = -float(score_logits(last, wanted, 0).log_probabilities[0])
    random = np.random.default_rng([seed, place])
    costs = np.zeros(len(read))
    lanes = np.repeat(read[None], len(read), axis=0)  # (D, D), one for each that is exchanged
    diagonal = np.arange(len(read))
    for _ in range(replacements if len(read) else 0):
        exchanged = lanes.copy()
        exchanged[diagonal, diagonal] = _others(inputs, read, random)
        repeated = tuple(np.repeat(part, len(read), axis=1) for part in state or ())
        logits, _ = _advance(engine, exchanged, repeated or None)
        scores = score_logits(logits[:, -1], np.repeat(wanted, len(read)), 0)
        costs -= scores.log_probabilities / replacements
    owners = np.searchsorted(text.starts, np.arange(begin - 1, target), side="right") - 1
    effects: dict[int, float] = {}
    for owner, cost in zip(owners.tolist(), (costs - usual).tolist(), strict=True):
        effects[owner] = effects.get(owner, 0.0) + cost
    return Occlusion(
        place=place,
        character=text.text[place],
        nats=usual,
        earlier=tuple(effects.items()),
    )


def _advance(
    engine: Reader, ids: Int64Array, state: State | None
) -> tuple[np.typing.NDArray[np.float32], State]:
    logits, after = engine.advance(ids, state)
    check_finite(logits)
    return logits, after


def _others(inputs: Int64Array, read: Int64Array, random: np.random.Generator) -> Int64Array:
    """Return for each id (D,) another one, drawn from the text; the same where it has no other."""
    drawn = random.choice(inputs, size=len(read))
    for _ in range(20):
        same = drawn == read
        if not same.any():
            break
        drawn[same] = random.choice(inputs, size=int(same.sum()))
    return drawn


def attention_looks(model: Model, text: ReadText, *, looks: int) -> AttentionLooks | None:
    """Return what a model with attention looked at in the first `looks` characters; None without
    attention.

    The weights of a character of several bytes are those with which its first byte was predicted,
    added up by the character that they look at.
    """
    window = model.config.attention
    if window is None:
        return None
    lanes = NumPyEngine.of(model).lanes(1)
    count = min(looks, len(text.text))
    last = int(text.starts[count - 1]) if count else -1
    owners = np.searchsorted(text.starts, np.arange(last + 1), side="right") - 1
    sums, found, character = np.zeros(window), [], 0
    for position, id_ in enumerate(text.inputs[: last + 1]):
        lanes.step(np.array([id_], dtype=np.intp))
        assert lanes.attended is not None
        weights = lanes.attended[0][::-1]  # the newest state first
        sums += weights
        if position == text.starts[character]:
            found.append(_largest(weights, position, owners))
            character += 1
    return AttentionLooks(window=window, by_distance=sums / max(last + 1, 1), looks=tuple(found))


def _largest(
    weights: np.typing.NDArray[np.float32], position: int, owners: Int64Array
) -> tuple[tuple[int, float], ...]:
    """Return the distance and the weight of the characters that were looked at most.

    `weights` are of the states before an id, the newest first: the newest has read the id before.
    """
    seen = owners[max(position - len(weights), 0) : position][::-1]
    if not len(seen):
        return _NO_LOOK
    distances = owners[position] - seen if position < len(owners) else seen
    totals = np.bincount(distances, weights[: len(seen)])
    order = np.argsort(-totals, kind="stable")[:_LARGEST_LOOKS]
    return tuple(
        (int(each), float(totals[each])) for each in order if totals[each] >= _LEAST_ATTENTION
    )


def explain_memory(
    model: Model,
    engine: Engine,
    text: ReadText,
    nats: Float64Array,
    *,
    shown: int,
    windows: int,
    replacements: int = 4,
    looks: int = 2000,
    places: Sequence[int] | None = None,
) -> Memory:
    """Return how far back the text matters.

    Args:
        model, engine: the model, and an engine of it.
        text: what is read.
        nats: (M,) the surprisal of each id.
        shown: S, the characters shown, from which places are chosen.
        windows: see `context_losses`.
        replacements: see `occlude`.
        looks: the characters for which attention is recorded.
        places: the places whose predictions are occluded; None chooses some.

    Raises ModelError when the model's numbers overflow.
    """
    of_characters = text.per_character(nats)
    chosen = choose_places(of_characters, shown) if places is None else places
    return Memory(
        context=context_losses(engine, text, nats, windows=windows),
        full_bits=float(of_characters.mean()) / math.log(2),
        forgetting=forgetting(model, text),
        occlusions=tuple(
            occlude(engine, text, place, replacements=replacements) for place in chosen
        ),
        attention=attention_looks(model, text, looks=min(looks, shown)),
    )
