"""charrnn: a character-level language model you train on your own text.

    import charrnn

    for progress in charrnn.train("book.txt", budget="5m", name="book"):
        pass
    print(charrnn.sample("book", "It was", length=300, temperature=0.7))
    model = charrnn.load("book")
    print(charrnn.evaluate(model, "another.txt").bits_per_character)

Everything below is imported when it is first used, so that `import charrnn` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import charrnn.forks  # noqa: F401  (it watches for forks from here on)

if TYPE_CHECKING:
    from charrnn.api import train
    from charrnn.data.corpus import Corpus, TokenizedCorpus, open_corpus, tokenize
    from charrnn.data.dataloader import TBPTTLoader
    from charrnn.data.sources import ReadOptions
    from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
    from charrnn.errors import (
        CharRNNError,
        CharRNNWarning,
        ConfigError,
        CorpusError,
        DivergedError,
        ModelError,
        NotFittedError,
        StorageError,
        TrainingError,
        UnknownCharacterError,
    )
    from charrnn.estimators.classifier import RecurrentClassifier
    from charrnn.estimators.regressor import RecurrentRegressor
    from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
    from charrnn.evaluation.scoring import Evaluation, evaluate
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler, load_sampler, sample
    from charrnn.model.config import ModelConfig
    from charrnn.model.language_model import CharRNN
    from charrnn.storage.model_directory import Model
    from charrnn.storage.run import Run
    from charrnn.storage.run_lookup import load
    from charrnn.tasks.classify.predict import Classifier, Prediction, predict
    from charrnn.tasks.infill.engine import RestoringEngine
    from charrnn.tasks.infill.fill import FillConfig, fill
    from charrnn.tasks.infill.proofread import ProofreadConfig, corrected, proofread
    from charrnn.training.config import TrainingConfig, TrainingOptions
    from charrnn.training.trainer import Progress, Trainer

__version__ = "0.1.0"

_HOMES: Final = {
    "charrnn.data.corpus": ("Corpus", "TokenizedCorpus", "open_corpus", "tokenize"),
    "charrnn.data.dataloader": ("TBPTTLoader",),
    "charrnn.data.sources": ("ReadOptions",),
    "charrnn.data.tokenizer": ("ByteTokenizer", "CharTokenizer"),
    "charrnn.errors": (
        "CharRNNError",
        "CharRNNWarning",
        "ConfigError",
        "CorpusError",
        "DivergedError",
        "ModelError",
        "NotFittedError",
        "StorageError",
        "TrainingError",
        "UnknownCharacterError",
    ),
    "charrnn.tasks.infill.proofread": ("ProofreadConfig", "corrected", "proofread"),
    "charrnn.evaluation.scoring": ("Evaluation", "evaluate"),
    "charrnn.evaluation.dynamic_evaluation": ("AdaptationConfig", "Adapter"),
    "charrnn.tasks.classify.predict": ("Classifier", "Prediction", "predict"),
    "charrnn.generation.config": ("SamplingConfig",),
    "charrnn.tasks.infill.engine": ("RestoringEngine",),
    "charrnn.tasks.infill.fill": ("FillConfig", "fill"),
    "charrnn.generation.sampler": ("Sampler", "load_sampler", "sample"),
    "charrnn.model.config": ("ModelConfig",),
    "charrnn.model.language_model": ("CharRNN",),
    "charrnn.storage.model_directory": ("Model",),
    "charrnn.storage.run": ("Run",),
    "charrnn.storage.run_lookup": ("load",),
    "charrnn.estimators.classifier": ("RecurrentClassifier",),
    "charrnn.training.config": ("TrainingConfig", "TrainingOptions"),
    "charrnn.estimators.regressor": ("RecurrentRegressor",),
    "charrnn.api": ("train",),
    "charrnn.training.trainer": ("Progress", "Trainer"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AdaptationConfig",
    "Adapter",
    "ByteTokenizer",
    "CharRNN",
    "CharRNNError",
    "CharRNNWarning",
    "CharTokenizer",
    "Classifier",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "DivergedError",
    "Evaluation",
    "FillConfig",
    "Model",
    "ModelConfig",
    "ModelError",
    "NotFittedError",
    "Prediction",
    "Progress",
    "ProofreadConfig",
    "ReadOptions",
    "RecurrentClassifier",
    "RecurrentRegressor",
    "RestoringEngine",
    "Run",
    "Sampler",
    "SamplingConfig",
    "StorageError",
    "TBPTTLoader",
    "TokenizedCorpus",
    "Trainer",
    "TrainingConfig",
    "TrainingError",
    "TrainingOptions",
    "UnknownCharacterError",
    "corrected",
    "evaluate",
    "fill",
    "load",
    "load_sampler",
    "open_corpus",
    "predict",
    "proofread",
    "sample",
    "tokenize",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
