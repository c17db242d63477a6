"""What a text costs under a model, from the logits of one pass over all of it, in float64."""

import numpy as np
import numpy.typing as npt

from charrnn.engines import Engine


def exact_log_probabilities(engine: Engine, ids: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The log-probability of each id but the first, (T - 1,), in nats."""
    ids = np.asarray(ids, dtype=np.intp)
    logits, _ = engine.advance([ids[:-1]], None)
    exact = logits[0].astype(np.float64)
    exact -= exact.max(axis=-1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(axis=-1, keepdims=True))
    return exact[np.arange(len(ids) - 1), ids[1:]]  # type: ignore[no-any-return]
