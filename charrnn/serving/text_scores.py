"""score_text: how likely each character of a text is, and which others are likelier in its place.

Legend: N ids.
"""

import math
from collections.abc import Iterator
from typing import Any

from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.serving.jobs import Check
from charrnn.serving.logprobs import TokenNames
from charrnn.serving.token_scores import TokenScorer


def score_text(
    scorer: TokenScorer, tokenizer: Tokenizer, text: str, alternatives: int, check: Check
) -> dict[str, Any]:
    """Return the log-probability, the rank and the alternatives of each character.

    Each character is predicted from all before it, the first as after a newline. Characters that
    the model has never seen are not read, and have no log-probability. Of a byte model, the
    log-probability of a character is the sum over its bytes; rank and alternatives are those of its
    first byte.

    Args:
        scorer: what scores ids.
        tokenizer: the tokenizer of the model.
        text: the text.
        alternatives: how many of the likeliest ids to return in the place of each character.
        check: called now and then.

    Raises ModelError when the model's numbers overflow.
    """
    known = tokenizer.without_unknown(text)
    ids = tokenizer.encode(known)
    scores = _each_score(scorer, tokenizer, ids.tolist(), alternatives, check)
    unknown, characters, total = set(tokenizer.unknown(text)), [], 0.0
    if len(known) == len(text):
        unknown = set()  # they are folded into one that the model knows
    is_character = isinstance(tokenizer, CharTokenizer)
    for character in text:
        if character in unknown:
            characters.append(_entry(character, None, None, []))
            continue
        size = 1 if is_character else len(character.encode("utf-8", "surrogateescape"))
        likely, rank, others = next(scores)
        for _ in range(size - 1):
            likely += next(scores)[0]
        total -= likely
        characters.append(_entry(character, likely, rank, others))
    count = len(known)
    return {
        "characters": characters,
        "bits_per_character": total / math.log(2) / count if count else None,
        "characters_scored": count,
    }


def _entry(
    text: str, likely: float | None, rank: int | None, others: list[dict[str, Any]]
) -> dict[str, Any]:
    return {"text": text, "log_probability": likely, "rank": rank, "alternatives": others}


def _each_score(
    scorer: TokenScorer, tokenizer: Tokenizer, ids: list[int], count: int, check: Check
) -> Iterator[tuple[float, int, list[dict[str, Any]]]]:
    """Yield the log-probability, the rank and the alternatives of each id (N,)."""
    names = TokenNames(tokenizer)
    for scores in scorer.stream(ids, top=min(count, tokenizer.vocabulary_size)):
        check()
        rows = zip(
            scores.log_probabilities.tolist(),
            scores.ranks.tolist(),
            scores.top_ids.tolist(),
            scores.top_log_probabilities.tolist(),
            strict=True,
        )
        for likely, rank, top, values in rows:
            others = [
                {"text": names[i], "probability": math.exp(value)}
                for i, value in zip(top, values, strict=True)
            ]
            yield likely, rank, others
