"""The texts that Python writes, character by character: those whose settings C does not know, and
all of them where C is not available."""

import copy
import time
from collections.abc import Generator
from typing import Final

import numpy as np

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.generation.draw import check_not_endless, choose, log_probabilities
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import EncodedPrompt, GenerationRequest
from charrnn.generation.smc import smc_steps
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import Piece

_BLOCK: Final = 64
"""The number of random numbers computed at once."""

Steps = Generator[Piece | None, None, None]
"""The pieces of a text; None stands for a step that has none."""


def begin_steps(
    engine: Engine, tokenizer: Tokenizer, cache: PrefixCache, text: ScheduledText
) -> Steps:
    """Return the writer of a text whose prompt is read.

    It raises ModelError when the numbers of the model overflow, ConfigError when no character may
    come next, and CharRNNError for a text without a length that does not end.
    """
    constraints = copy.copy(text.settings.constraints)
    constraints.config = text.request.config  # with the seed of this text
    ids = text.request.prompt_ids
    shared = ids if isinstance(ids, list) else text.prompt.tolist()  # by all texts of a prompt
    prompt = EncodedPrompt(text.state, shared)
    request = GenerationRequest(engine, tokenizer, prompt, constraints, text.request.scored)
    draft = request.empty_draft
    if draft.stop_reason is not None:  # the text has to be empty
        return _empty_steps(draft.stop_reason)
    if constraints.automaton is not None:
        return _matching_steps(request, text.request.index)
    return _drawing_steps(request, text, cache)


def take_turn(steps: Steps, seconds: float, *, until_first: bool) -> Piece:
    """Write for some time. Returns what is written, together; errors are in the piece.

    Args:
        until_first: whether to return as soon as there is a first id.
    """
    ids: list[int] = []
    scores: list[float] = []
    end = time.perf_counter() + seconds
    try:
        for piece in steps:
            if piece is not None:
                ids += piece.ids
                scores += piece.log_probabilities
                if piece.is_last:
                    return piece._replace(ids=ids, log_probabilities=scores)
            if (ids and until_first) or time.perf_counter() >= end:
                break
    except Exception as error:  # also a bug ends only this text
        return Piece(ids, scores, error=error)
    return Piece(ids, scores)


def _empty_steps(reason: str) -> Steps:
    yield Piece([], [], reason)


def _matching_steps(request: GenerationRequest, index: int) -> Steps:
    """Yield the whole text at once, as its beginning is known only at its end."""
    steps = smc_steps(request, index)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            sample = ended.value
            ids = request.tokenizer.encode(sample.text).tolist()
            scores = list(sample.log_probabilities[: len(ids)])
            yield Piece(ids, scores, sample.stop_reason)
            return
        yield None


def _drawing_steps(request: GenerationRequest, text: ScheduledText, cache: PrefixCache) -> Steps:
    """Draw ids, as SampleStream does."""
    index = text.request.index
    constraints, draft = request.constraints, request.empty_draft.copy()
    key = sample_keys(constraints.config.seed, [index])
    lanes, ids = request.start_lanes(1)
    block = np.empty(0)
    while draft.stop_reason is None:
        position = draft.made
        if position % _BLOCK == 0:
            positions = np.arange(position, position + _BLOCK, dtype=np.uint64)
            block = uniforms(key, positions)[:, None]  # (_BLOCK, 1)
            draft.forget()
        logits = lanes.step(ids)
        ids = choose(logits, constraints, [draft], block[position % _BLOCK])
        choice = int(ids[0])
        scores = log_probabilities(logits, ids).tolist() if request.score else []
        draft.add(choice)
        text.remember([choice])
        if (reason := draft.stop_reason) is not None:
            text.keep_end(cache, lanes.get(0))
            yield Piece([choice], scores, reason, draft.made - draft.end)
            return
        check_not_endless(constraints, index, draft.made)
        yield Piece([choice], scores)
