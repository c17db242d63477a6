"""The text that a model was trained on, as far as it can be found."""

from dataclasses import dataclass
from pathlib import Path

from charrnn.data.excerpt import AnyIds
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import CorpusError
from charrnn.evaluation.scoring import held_out
from charrnn.storage import token_cache
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import read_evaluated, read_training_corpus


@dataclass(frozen=True)
class TrainingText:
    """The text that a model was trained on, as far as it can be read.

    Attributes:
        training, validation: its ids, and those that were held out; None where it cannot be read.
        problem: why it cannot be read.
    """

    training: AnyIds | None
    validation: AnyIds | None
    problem: str = ""


def read_training_text(
    directory: Path | None, progress: ReadingProgress = no_progress
) -> TrainingText:
    """Read the text that the model in a directory was trained on, if it can be found and has not
    changed. None stands for a model in memory.

    `progress` is called while the text is read, see ReadingProgress. Raises ModelError.
    """
    if directory is None:
        return TrainingText(None, None, "a model in memory does not say where its text is")
    model, checkpoint = read_evaluated(directory)
    asked = EvaluationRequest(
        model=model, read=ReadOptions(), directory=directory, checkpoint=checkpoint
    )
    try:
        corpus = read_training_corpus(asked, progress, token_cache.keep_for_now)
        return TrainingText(*held_out(model, corpus))
    except CorpusError as error:
        return TrainingText(None, None, str(error))
