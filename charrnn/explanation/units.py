"""The units that show concepts: their activity for drawing, and what it costs to hold them.

Legend: M ids, N characters, S characters shown, U units of all layers.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array, Float64Array
from charrnn.engines import Reader
from charrnn.explanation.activations import read_activations
from charrnn.explanation.cells import Measured, first_half, measure_concepts, score_concepts
from charrnn.explanation.holding import hold_unit
from charrnn.explanation.network_records import Cells, ConceptScore, HeldUnit, Unit
from charrnn.explanation.surprise import measure_surprisals
from charrnn.explanation.texts import ReadText
from charrnn.storage.model_directory import Model

DRAWN: Final = 32
"""The most units whose activity is recorded."""

HELD: Final = 12
"""The most units that are held at their mean."""

MakeReader = Callable[[Model], Reader]


def explain_cells(
    model: Model, text: ReadText, *, shown: int, make_engine: MakeReader, held_ids: int
) -> Cells:
    """Return what single units show.

    Args:
        model: a model of text that reads in one direction.
        text: what is read.
        shown: S, the characters for which activities are recorded.
        make_engine: returns the engine of a model, to measure losses.
        held_ids: about how many ids are read again for each unit that is held.

    Raises ModelError when the model's numbers overflow.
    """
    activity = read_activations(model, text.ids.astype(np.int64), text.lanes)[text.ends]  # (N, U)
    measured = measure_concepts(text.text)
    concepts = score_concepts(activity, measured, model.config.hidden_size)
    chosen = _best_units(concepts)[:DRAWN]
    held = _hold_units(model, text, activity, measured, concepts, make_engine, held_ids)
    return Cells(
        characters=len(text.text),
        concepts=concepts,
        missing_concepts=measured.missing,
        units=tuple(
            _record_unit(activity, layer, unit, names, shown, held.get((layer, unit)), model)
            for (layer, unit), names in chosen
        ),
    )


def _best_units(
    concepts: Sequence[ConceptScore],
) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
    """Return the best unit of each concept, once, with the concepts that it shows best."""
    names: dict[tuple[int, int], list[str]] = {}
    for each in concepts:
        best = each.units[0]
        names.setdefault((best.layer, best.unit), []).append(each.name)
    return [(unit, tuple(shown)) for unit, shown in names.items()]


def _record_unit(
    activity: Float32Array,
    layer: int,
    unit: int,
    names: tuple[str, ...],
    shown: int,
    held: HeldUnit | None,
    model: Model,
) -> Unit:
    values = activity[:, layer * model.config.hidden_size + unit].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values[:shown] - low) / (high - low if high > low else 1.0)
    return Unit(
        layer=layer,
        unit=unit,
        concepts=names,
        lowest=low,
        highest=high,
        mean=float(values.mean()),
        activity=np.round(scaled * 255).astype(np.uint8).tobytes(),
        held=held,
    )


def _hold_units(
    model: Model,
    text: ReadText,
    activity: Float32Array,
    measured: Measured,
    concepts: Sequence[ConceptScore],
    make_engine: MakeReader,
    held_ids: int,
) -> dict[tuple[int, int], HeldUnit]:
    """Return what it costs to hold the best units of binary concepts at their mean.

    The nats are of the characters after places of the concept. They are measured on the beginning
    of the text, in the blocks that were not used to choose the unit.
    """
    count = min(int(np.searchsorted(text.starts, held_ids)), len(text.text))
    excerpt = ReadText(
        text.text[:count],
        text.ids[: int(text.ends[count - 1]) + 1] if count else text.ids[:0],
        text.beginning,
        text.is_bytes,
    )
    if count < 2:
        return {}
    usual = measure_surprisals(make_engine(model), excerpt, 0).nats
    found: dict[tuple[int, int], HeldUnit] = {}
    for each in concepts:
        best = each.units[0]
        key = best.layer, best.unit
        if each.kind != "binary" or key in found:
            continue
        if len(found) == HELD:
            break
        mean = float(activity[:, best.layer * model.config.hidden_size + best.unit].mean())
        changed = make_engine(hold_unit(model, *key, mean))
        lost = measure_surprisals(changed, excerpt, 0).nats - usual
        values = measured.values[:count, measured.names.index(each.name)] > 0
        held = _compare(each.name, lost, values)
        if held is not None:
            found[key] = held
    return found


def _compare(name: str, lost: Float64Array, values: np.typing.NDArray[np.bool_]) -> HeldUnit | None:
    """Return the mean nats lost (N,) on the characters after places of a concept (N,), and on the
    others; None where there are no such characters."""
    after = np.append(False, values[:-1])
    tested = ~first_half(len(lost))
    there, elsewhere = lost[after & tested], lost[~after & tested]
    if not len(there) or not len(elsewhere):
        return None
    means = [float(each.mean()) for each in (there, elsewhere)]
    if not all(map(math.isfinite, means)):
        return None
    return HeldUnit(
        concept=name,
        nats_there=means[0],
        nats_elsewhere=means[1],
        characters_there=len(there),
        characters_elsewhere=len(elsewhere),
    )
