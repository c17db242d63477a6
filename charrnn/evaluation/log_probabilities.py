"""The log-probability of each character of a text under a language model.

Legend: N characters, M ids (more than N for a byte model), V vocabulary.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import check_text
from charrnn.errors import ModelError
from charrnn.evaluation.protocols import negative_log_likelihood
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model

_CHUNK: Final = 512
_LARGEST_LOGITS: Final = 1 << 22
"""The most logits computed at once."""


def character_log_probabilities(
    model: Model, text: str, *, engine: str = "float32"
) -> npt.NDArray[np.float64]:
    """Return the log-probability (N,) of each character of a text, given all before it, in nats.

    The first character is predicted as `sample` draws it without a prompt: as after a newline
    (after a space if the vocabulary has no newline). For a byte model, a character's
    log-probability is the sum over its bytes. The sum of all is the text's log-likelihood.

    Args:
        engine: the name of an entry of ENGINES.

    Raises UnknownCharacterError for characters that are not in the vocabulary, CorpusError for what
    is not text, ModelError for a model of another task or whose numbers overflow.
    """
    sampler = Sampler(model, engine)
    check_text(text, "the text")
    ids = model.tokenizer.encode(text).astype(np.int64)  # (M,)
    inputs = np.concatenate([sampler.prompt_ids("")[:1], ids[:-1]])  # (M,)
    found = np.empty(len(ids))
    chunk = max(min(_LARGEST_LOGITS // sampler.engine.vocabulary_size, _CHUNK), 1)
    state = None
    for begin in range(0, len(ids), chunk):
        part = slice(begin, begin + chunk)
        logits, state = sampler.engine.advance(inputs[None, part], state)  # (1, T, V)
        found[part] = -negative_log_likelihood(logits, ids[None, part])[0]
    if not np.isfinite(found).all():
        raise ModelError("the model's weights are so large that its numbers overflow")
    if len(ids) == len(text):
        return found
    sizes = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    return np.add.reduceat(found, np.cumsum([0, *sizes[:-1]]))
