"""The embeddings of characters on a plane, and their neighbours.

Legend: V vocabulary, E embedding.
"""

from typing import Final

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.data.tokenizer import Ids
from charrnn.explanation.network_records import EmbeddedCharacter, Embeddings

NEIGHBOURS: Final = 5
LARGEST: Final = 1000


def explain_embeddings(weight: Float32Array, ids: Ids) -> Embeddings:
    """Return the two principal components of embeddings (V, E), and the nearest of each by cosine.

    Of a large vocabulary, only the LARGEST that come most often in some ids are compared.

    The signs are such that the largest coordinate of either component is positive.
    """
    chosen = np.arange(len(weight))
    if len(weight) > LARGEST:
        counts = np.bincount(ids.astype(np.int64), minlength=len(weight))[: len(weight)]
        chosen = np.sort(np.argsort(-counts, kind="stable")[:LARGEST])
    vectors = weight[chosen].astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(vectors), 2))
    kept = min(2, len(spread))
    plane[:, :kept] = left[:, :kept] * spread[:kept]
    largest = np.take_along_axis(plane, np.abs(plane).argmax(axis=0)[None], axis=0)[0]
    plane *= np.where(largest < 0, -1.0, 1.0)
    shares = np.zeros(2)
    total = float((spread**2).sum())
    shares[:kept] = spread[:kept] ** 2 / total if total > 0 else 0
    norms = np.linalg.norm(vectors, axis=1)
    directions = vectors / np.where(norms > 0, norms, 1.0)[:, None]
    characters = []
    for place, (x, y) in enumerate(plane.tolist()):
        cosines = directions @ directions[place]
        cosines[place] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[: min(NEIGHBOURS, len(vectors) - 1)]
        neighbours = tuple((int(chosen[other]), float(cosines[other])) for other in nearest)
        characters.append(EmbeddedCharacter(id=int(chosen[place]), x=x, y=y, neighbours=neighbours))
    return Embeddings(characters=tuple(characters), variance=(float(shares[0]), float(shares[1])))
