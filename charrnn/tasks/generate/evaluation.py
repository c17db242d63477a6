"""Evaluation of a saved language model."""

import math
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from charrnn.data.excerpt import AnyIds
from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.errors import CharRNNWarning, CorpusError
from charrnn.evaluation.baselines import BASELINES
from charrnn.evaluation.scoring import Evaluation, evaluate, held_out
from charrnn.storage import token_cache
from charrnn.training.advice import describe_copies, is_much_copied
from charrnn.training.report import Evaluate, EvaluationReport, EvaluationRequest
from charrnn.training.saved_model_evaluation import read_training_corpus


def prepare_evaluation(request: EvaluationRequest, progress: ReadingProgress) -> Evaluate:
    """Read the training text. Its held-out part is evaluated on, unless there is a file, and
    baselines learn from the rest. Where it cannot be read there are no baselines, with a warning.

    Raises CorpusError, ModelError.
    """
    training: AnyIds | None = None
    validation: AnyIds | None = None
    request.model.require("generate")
    try:
        corpus = read_training_corpus(request, progress, token_cache.keep_for_now)
        training, validation = held_out(request.model, corpus)
    except CorpusError as error:
        if request.file is None:
            raise
        if request.directory is not None:
            lacking = (
                "no baselines, and a memory that is empty at first"
                if request.memory
                else ("no baselines")
            )
            message = f"{lacking}, as both learn from the training text: {error}"
            warnings.warn(message, CharRNNWarning, stacklevel=2)
    return partial(_evaluate, request, training, validation)


def _evaluate(
    request: EvaluationRequest,
    training: AnyIds | None,
    validation: AnyIds | None,
    progress: Callable[[int, int], None] | None,
) -> EvaluationReport:
    text = request.file if request.file is not None else validation
    assert text is not None
    result = evaluate(
        request.model,
        text,
        training=training,
        protocol=request.protocol,
        read=request.read,
        adapt=request.adapt,
        memory=request.memory,
        at_most=request.at_most,
        engine=request.engine,
        keep=token_cache.keep_for_now,
        progress=progress,
    )
    remarks = []
    if result.of_characters is not None:
        learns = request.adapt or request.memory
        where = "from the beginning" if learns else "in passages from all over the text"
        remarks.append(
            f"read {result.characters:,} of {result.of_characters:,} characters, {where}; "
            "--all reads everything"
        )
    repeated = (result.lines_in_training or 0) / (result.lines or 1)
    copied = result.copied_from_training
    if copied is not None and is_much_copied(copied, repeated_lines=repeated):
        remarks.append(describe_copies(copied, request.file))
    return EvaluationReport(
        record=asdict(result),
        rows=_rows(request, result),
        remarks=tuple(remarks),
        skipped=result.skipped,
    )


def _rows(request: EvaluationRequest, result: Evaluation) -> tuple[tuple[str, str], ...]:
    rows = [
        ("text", "held out of the training text" if request.file is None else request.file),
        ("characters", f"{result.characters:,}, protocol {result.protocol}"),
    ]
    if result.lines is not None:
        repeated = f"{result.lines_in_training or 'none'} of them also in the training text"
        rows.append(("lines", f"{result.lines:,}, {repeated}"))
    rows += [
        ("bits per character", f"{result.bits_per_character:.4f}"),
        ("bits per byte", f"{result.bits_per_byte:.4f}"),
        ("nats per character", f"{result.nats_per_character:.4f}"),
        ("perplexity", f"{result.perplexity:.3f}"),
    ]
    if (network := result.network_nats_per_character) is not None:
        bits = network / math.log(2)
        rows.append(("network alone", f"{bits:.4f} bits per character, {result.engine}"))
    if (exact := result.float32_nats_per_character) is not None:
        difference = result.nats_per_character - exact
        rows.append((f"{result.engine} - float32", f"{difference:+.5f} nats per character"))
    rows += [
        (BASELINES[name], f"{bits:.4f} bits per character")
        for name, bits in result.baselines.items()
    ]
    return tuple(rows)
