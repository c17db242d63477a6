"""Generates samples from a prompt: encodes it, calls a writer, and selects among the samples."""

import contextlib
from collections.abc import Generator, Iterator
from itertools import islice

from charrnn.ambient import as_usual, stepwise, usual_numpy
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig, SelectionConfig
from charrnn.generation.passages import Passages, without_copies
from charrnn.generation.request import Sample
from charrnn.generation.sampler import Sampler
from charrnn.generation.selection import Lines, best_of, known_line, novel, unique
from charrnn.generation.writers import write_samples


@as_usual
def generate_samples(
    sampler: Sampler,
    prompt: str = "",
    config: SamplingConfig | None = None,
    selection: SelectionConfig | None = None,
    *,
    score: bool = False,
    training_lines: Lines | None = None,
    training_passages: Passages | None = None,
) -> Generator[Sample, None, None]:
    """Yield the selected samples, each as soon as it is known.

    Args:
        sampler: the sampler of a model.
        prompt: the beginning of the texts, which is not part of the samples.
        config: the sampling settings.
        selection: which samples to yield.
        score: whether to add log-probabilities and nats. Beam search always gives nats, and never
            log-probabilities.
        training_lines: the lines that `selection.novel` compares with.
        training_passages: the passages that `selection.novel_length` compares with.

    Raises UnknownCharacterError and ConfigError as `Sampler.samples` does, and CharRNNError when no
    more unique or novel texts are found. Warns with CharRNNWarning of settings without effect.
    """
    config, selection = config or SamplingConfig(), selection or SelectionConfig()
    config.require_end()
    if selection.novel:
        if training_lines is None:
            raise ConfigError("novel: give the training lines to compare with")
        whole_lines = prompt[: prompt.rfind("\n") + 1]  # the text continues the last one
        line = known_line(whole_lines, training_lines)
        if line is not None:
            raise ConfigError(
                f"novel: the prompt has {line!r}, a line of the training text; leave it out"
            )
    if selection.novel_length is not None:
        _check_passages(selection.novel_length, training_passages, prompt)
    request = sampler.request(prompt, config, score=score or selection.best_of is not None)
    samples = stepwise(
        write_samples(request, selection.indices, beam_width=selection.beam), usual_numpy
    )
    return _select(samples, selection, training_lines, training_passages, prompt)


def _check_passages(length: int, known: Passages | None, prompt: str) -> None:
    """Raise ConfigError where there is nothing to compare with, and where no text with the prompt
    can be novel."""
    if known is None or known.length != length:
        raise ConfigError(f"novel_length: give the passages of {length} characters to compare with")
    if (passage := known.find(prompt)) is not None:
        raise ConfigError(
            f"novel {length}: the prompt has {passage!r}, a passage of the training text; "
            "leave it out"
        )


def _select(
    samples: Generator[Sample, None, None],
    selection: SelectionConfig,
    training_lines: Lines | None,
    training_passages: Passages | None,
    prompt: str,
) -> Generator[Sample, None, None]:
    """Yield the selected samples, and close the writer at the end."""
    with contextlib.closing(samples):
        selected: Iterator[Sample] = samples
        if selection.novel and training_lines is not None:
            selected = novel(selected, training_lines, prompt)
        if training_passages is not None and selection.novel_length is not None:
            selected = without_copies(selected, training_passages, prompt)
        if selection.best_of is not None:
            selected = best_of(selected, selection.best_of)
        if selection.unique:
            selected = unique(selected)
        yield from islice(selected, selection.number)
