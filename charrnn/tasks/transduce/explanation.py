"""The explanation of translations: which characters of a source made which symbols of its target.

Two answers stand side by side: where the network was in the source when it wrote a symbol, over all
alignments; and what the symbol costs when a character is left out of the source.

Legend: S characters of a source and its features, P pieces, U symbols of its translation.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import no_progress
from charrnn.errors import CorpusError, ModelError
from charrnn.explanation.alignment_records import AlignedPair, Alignment
from charrnn.explanation.embeddings import explain_embeddings
from charrnn.explanation.explanation import (
    Explanation,
    absent_parts,
    model_facts,
    text_facts,
)
from charrnn.explanation.network_records import Embeddings
from charrnn.explanation.request import ExplainRequest
from charrnn.tasks.transduce.engine import NOWHERE, Hypothesis, TransducerEngine
from charrnn.tasks.transduce.evaluation import References, held_out_pairs
from charrnn.tasks.transduce.pair_rows import Source
from charrnn.tasks.transduce.tokenizer import SPECIAL, PairTokenizer
from charrnn.tasks.transduce.translate import Translation, Translator
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import read_evaluated

HELD_OUT: Final = 20
MOST: Final = 100
"""The held-out pairs that are explained, and the most lines of a text."""

_NODES: Final = 400_000
"""About how many nodes of lattices are computed for a pair; of a longer one, pieces are longer."""

_LEAST_SHARE: Final = 0.01
_LARGEST_EFFECT: Final = 20.0
_INAPPLICABLE: Final = "the model translates strings, and writes no text by itself"


def explain(request: ExplainRequest) -> Explanation:
    """Explain the translation of each line of the text, or of the first held-out sources.

    Of a model with features, a line has those of its source after a tab. Raises CorpusError where
    no text is given and the pairs of the training cannot be read, and for a text without lines;
    ModelError when the model's numbers overflow.
    """
    model, config = request.model, request.config
    request.stage("reading the pairs")
    found, of_pairs, where = _sources(request)
    alignment: Alignment | None = None
    embeddings: Embeddings | None = None
    text = "\n".join(source.text for source, _ in found)
    if config.wants("alignment"):
        request.stage("translating")
        pairs = align_pairs(Translator(model, alignment=True), found, request.stage)
        alignment = Alignment(pairs=pairs, of_pairs=of_pairs)
    tokenizer = model.tokenizer
    assert isinstance(tokenizer, PairTokenizer)
    if config.wants("embeddings"):
        ids = tokenizer.encode(text)
        embeddings = explain_embeddings(
            model.tensors["embedding.weight"][SPECIAL:], ids[ids >= SPECIAL] - SPECIAL
        )
    unknown = tuple(each for each in tokenizer.unknown(text) if each != "\n")
    return Explanation(
        model=model_facts(model, predicts_characters=False),
        text=text_facts(
            text, source=where, shown=len(text), of_characters=len(text), skipped=unknown
        ),
        alphabet=(*tokenizer.source, *tokenizer.features),
        alignment=alignment,
        embeddings=embeddings,
        absent=absent_parts(_INAPPLICABLE, alignment=alignment, embeddings=embeddings),
    )


_Pairs = Sequence[tuple[Source, Sequence[str]]]
"""Sources, each with its correct targets; none where they are not known."""


def _sources(request: ExplainRequest) -> tuple[_Pairs, int, str]:
    """Return the sources to explain, how many there are, and where they come from."""
    if request.text is None:
        pairs = _held_out(request)
        name = f"held out of {request.model.provenance.corpus}"
        return [(each, sorted(pairs[each])) for each in list(pairs)[:HELD_OUT]], len(pairs), name
    lines = [each.rstrip("\r") for each in request.text.split("\n")]
    lines = [each for each in lines if each.strip()]
    if not lines:
        raise CorpusError(f"{request.source}: it has no lines")
    tokenizer = request.model.tokenizer
    assert isinstance(tokenizer, PairTokenizer)
    found = []
    for line in lines[:MOST]:
        text, features = line, ""
        if tokenizer.features:
            text, _, features = line.partition("\t")
        found.append((Source(text, tokenizer.split_features(features)), ()))
    return found, len(lines), request.source


def _held_out(request: ExplainRequest) -> References:
    """Read the pairs that were held out of the training. Raises CorpusError where they cannot be
    read."""
    if request.directory is None:
        problem = "a model in memory does not say where its pairs are"
        raise CorpusError(f"{problem}; name a text to explain")
    try:
        model, checkpoint = read_evaluated(request.directory)
        asked = EvaluationRequest(
            model=model, read=ReadOptions(), directory=request.directory, checkpoint=checkpoint
        )
        return held_out_pairs(asked, no_progress)
    except (CorpusError, ModelError) as error:  # of a run that goes on, the checkpoint may be gone
        raise CorpusError(f"{request.unreadable or error}; name a text to explain") from error


def align_pairs(
    translator: Translator, pairs: _Pairs, stage: Callable[[str], None]
) -> tuple[AlignedPair, ...]:
    """Translate sources; return what in them made each symbol. `stage` is called before each.

    Raises ModelError when the model's numbers overflow.
    """
    sources = [source for source, _ in pairs]
    translations = translator.translate(
        [each.text for each in sources], [";".join(each.features) for each in sources]
    )
    engine = TransducerEngine(translator.model.members)
    found, place = [], 0
    for number, (source, correct) in enumerate(pairs):
        stage(f"leaving out one character after the other, source {number + 1} of {len(pairs)}")
        found.append(
            _align(engine, translator.tokenizer, source, translations[number], place, correct)
        )
        place += len(source.text) + 1
    return tuple(found)


def _align(
    engine: TransducerEngine,
    tokenizer: PairTokenizer,
    source: Source,
    translation: Translation,
    place: int,
    correct: Sequence[str],
) -> AlignedPair:
    """Return what in a source made each symbol of its translation."""
    if not translation.targets:
        return AlignedPair(
            place=place,
            length=len(source.text),
            features=source.features,
            target="",
            probability=0.0,
            correct=tuple(correct),
            problem=translation.problem or "there is nothing to translate",
        )
    best = translation.targets[0]
    target = _hypothesis(tokenizer, source.text, translation)
    ids = tokenizer.encode_source(source.text, source.features)
    pieces = pieces_of(len(ids) - 2, len(best.symbols))
    others = [without(ids, target, *piece) for piece in pieces]
    usual, *changed = engine.written(
        [ids, *(other for other, _ in others)], [target, *(other for _, other in others)]
    )
    costs = np.array([each.nats for each in changed]).reshape(len(pieces), -1) - usual.nats
    np.clip(costs, -_LARGEST_EFFECT, _LARGEST_EFFECT, out=costs)
    return AlignedPair(
        place=place,
        length=len(source.text),
        features=source.features,
        target=best.text,
        probability=best.probability,
        correct=tuple(correct),
        problem=None,
        symbols=best.symbols,
        nats=usual.nats[:-1],
        written_at=tuple(_largest(row) for row in usual.shares[:, 1:-1]),
        pieces=tuple(pieces),
        effects=costs[:, :-1].T,
        totals=costs.sum(axis=1),
    )


def _hypothesis(tokenizer: PairTokenizer, source: str, translation: Translation) -> Hypothesis:
    """Return a translation as what the engine found: its symbols, and where they were copied."""
    assert translation.alignment is not None
    symbols, positions = [], []
    for symbol, row in zip(translation.targets[0].symbols, translation.alignment, strict=True):
        at = int(row.argmax()) + 1 if row.any() else 0
        copied = at > 0 and symbol == source[at - 1] and symbol not in tokenizer.target
        symbols.append(-1 if copied else tokenizer.target.index(symbol))
        positions.append(at)
    return Hypothesis(tuple(symbols), 0.0, tuple(positions), (False,) * len(symbols))


def pieces_of(characters: int, symbols: int) -> list[tuple[int, int]]:
    """Return [number, count] of the characters and features that are left out together: as few as
    can be afforded, given how many symbols are written."""
    most = _NODES // ((characters + 2) * (symbols + 1))
    count = min(characters, max(most, 2))
    groups = np.array_split(np.arange(characters), count) if count else []
    return [(int(group[0]), len(group)) for group in groups]


def without(
    ids: Sequence[int], target: Hypothesis, number: int, count: int
) -> tuple[list[int], Hypothesis]:
    """Return a source without some of its characters and features, and a target of the whole source
    with the positions that its symbols have there."""
    begin, end = (
        number + 1,
        number + 1 + count,
    )  # the encoded source begins with a symbol of its own
    positions = tuple(
        NOWHERE if begin <= each < end else each - count * (each >= end)
        for each in target.positions
    )
    return [*ids[:begin], *ids[end:]], Hypothesis(
        target.symbols, target.log_probability, positions, target.copied
    )


def _largest(shares: Float64Array) -> tuple[tuple[int, float], ...]:
    """Return [number, share] of the shares that are worth a mention, the largest first."""
    order = np.argsort(-shares, kind="stable")
    return tuple((int(at), float(shares[at])) for at in order if shares[at] >= _LEAST_SHARE)
