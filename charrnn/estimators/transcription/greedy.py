"""Log-probabilities of the ids at each step, and greedy decoding of them. No torch.

Legend: T steps, K ids, of which 0 is the blank.
"""

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.estimators.transcription.strings import BLANK


def greedy(log_probabilities: Float32Array) -> list[int]:
    """Return the ids of the most probable path: the most probable id of each step (T, K), of equal
    neighbours one, without the blanks (Graves et al., 2006)."""
    path = log_probabilities.argmax(1)
    begins = np.append(True, path[1:] != path[:-1])
    ids: list[int] = path[begins & (path != BLANK)].tolist()
    return ids


def log_softmax(outputs: Float32Array) -> Float32Array:
    """Return the log-probabilities (T, K) of outputs (T, K)."""
    shifted = outputs - outputs.max(1, keepdims=True)
    result: Float32Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return result
