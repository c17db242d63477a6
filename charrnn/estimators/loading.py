"""Loading a fitted estimator of any class. No torch."""

from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.estimators.base import RecurrentEstimator
from charrnn.estimators.classifier import RecurrentClassifier
from charrnn.estimators.regressor import RecurrentRegressor
from charrnn.estimators.storage import read_estimator
from charrnn.estimators.transcription.transcriber import RecurrentTranscriber
from charrnn.storage.model_directory import CONFIG

ESTIMATORS: Final[dict[str, type[RecurrentEstimator]]] = {
    each.__name__: each for each in (RecurrentClassifier, RecurrentRegressor, RecurrentTranscriber)
}


def load_estimator(directory: Path | str) -> RecurrentEstimator:
    """Read a fitted estimator that `save` wrote, of the class that it was saved from.

    Raises ModelError where the directory is damaged, or is no estimator.
    """
    stored, path = read_estimator(Path(directory)), Path(directory) / CONFIG
    if stored.estimator not in ESTIMATORS:
        raise ModelError(
            f"{path}: the estimator {stored.estimator!a:.100} is unknown: expected "
            f"{', '.join(ESTIMATORS)}"
        )
    return ESTIMATORS[stored.estimator]._of(stored, path)
