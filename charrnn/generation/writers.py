"""The choice among the writers of samples.

- `batch_samples` draws samples character by character, many side by side.
- `smc_sample` draws samples that match a regular expression.
- `beam_search` finds the likeliest texts.

`SampleStream` writes one sample that can be read meanwhile.
"""

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator

from threadpoolctl import threadpool_limits

from charrnn.generation.batch import batch_samples
from charrnn.generation.beam import beam_search
from charrnn.generation.request import GenerationRequest, Sample
from charrnn.generation.smc import smc_sample


def write_samples(
    request: GenerationRequest,
    indices: Iterable[int],
    *,
    beam_width: int | None = None,
    batch_size: int = 256,
    threads: int | None = None,
) -> Generator[Sample, None, None]:
    """Yield the samples of these indices, in their order; with a beam width, the likeliest texts.

    Args:
        request: the model, prompt and constraints.
        indices: the indices in the seed; may be endless. Beam search ignores them.
        beam_width: the number of hypotheses of beam search; None draws samples.
        batch_size, threads: see Sampler.samples.

    Raises ConfigError when the constraints allow no text, and CharRNNError when a text without a
    length does not end.
    """
    if beam_width is not None:
        yield from beam_search(request, width=beam_width)
    elif request.empty_draft.stop_reason is not None:  # the text has to be empty
        for index in indices:
            yield request.to_sample(index, request.empty_draft)
    elif request.constraints.automaton is not None:
        with one_blas_thread():
            for index in indices:
                yield smc_sample(request, index)
    else:
        with one_blas_thread():  # the batches run in threads already
            yield from batch_samples(request, indices, batch_size, threads)


_limited = 0
_limits: threadpool_limits | None = None
_limiting = threading.Lock()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last iterator that uses this is closed."""
    global _limited, _limits
    with _limiting:
        if _limited == 0:
            _limits = threadpool_limits(1, user_api="blas")
        _limited += 1
    try:
        yield
    finally:
        with _limiting:
            _limited -= 1
            if _limited == 0 and _limits is not None:
                _limits.restore_original_limits()
