"""charrnn: a character-level language model you train on your own text.

    import charrnn

    run = charrnn.train("book.txt", budget="5m", name="book")
    print(charrnn.sample("book", "It was", length=300, temperature=0.7))
    print(charrnn.evaluate("book", "another.txt")["bits_per_character"])

The functions are `train`, `sample`, `evaluate`, `explain`, `score`, `fill`, `proofread`, `predict`,
`translate`, `compress` and `decompress`; see charrnn.api and docs/python.md. `stream_train`,
`stream_sample` and `stream_translate` yield while they work.

Names are imported when they are first used, so that `import charrnn` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import charrnn.forks  # noqa: F401  (it watches for forks from now on)

if TYPE_CHECKING:
    from charrnn.api import (
        compress,
        decompress,
        evaluate,
        explain,
        fill,
        load,
        predict,
        proofread,
        sample,
        score,
        stream_sample,
        stream_train,
        stream_translate,
        train,
        translate,
    )
    from charrnn.data.corpus import Corpus, TokenizedCorpus, open_corpus, tokenize
    from charrnn.data.dataloader import TBPTTLoader
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
    from charrnn.errors import (
        CharRNNError,
        CharRNNWarning,
        ConfigError,
        CorpusError,
        DivergedError,
        HubError,
        ModelError,
        NotFittedError,
        StorageError,
        TrainingError,
        UnknownCharacterError,
    )
    from charrnn.estimators.classifier import RecurrentClassifier
    from charrnn.estimators.loading import load_estimator
    from charrnn.estimators.regressor import RecurrentRegressor
    from charrnn.estimators.transcription.transcriber import RecurrentTranscriber
    from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler
    from charrnn.model.config import ModelConfig
    from charrnn.model.language_model import CharRNN
    from charrnn.storage.model_directory import Model
    from charrnn.storage.run import Run
    from charrnn.tasks.classify.predict import Classifier, Prediction
    from charrnn.tasks.infill.config import FillConfig, ProofreadConfig
    from charrnn.tasks.infill.corrections import Finding, apply_corrections
    from charrnn.tasks.infill.fill import Filling
    from charrnn.tasks.transduce.translate import Candidate, Translation, Translator
    from charrnn.training.config import TrainingConfig
    from charrnn.training.options import TrainingOptions
    from charrnn.training.progress import Progress
    from charrnn.training.trainer import Trainer

__version__ = "0.1.0"

_HOMES: Final = {
    "charrnn.api": (
        "train",
        "stream_train",
        "sample",
        "stream_sample",
        "evaluate",
        "explain",
        "score",
        "fill",
        "proofread",
        "predict",
        "translate",
        "stream_translate",
        "compress",
        "decompress",
        "load",
    ),
    "charrnn.data.corpus": ("Corpus", "TokenizedCorpus", "open_corpus", "tokenize"),
    "charrnn.data.dataloader": ("TBPTTLoader",),
    "charrnn.data.read_options": ("ReadOptions",),
    "charrnn.data.tokenizer": ("ByteTokenizer", "CharTokenizer"),
    "charrnn.errors": (
        "CharRNNError",
        "CharRNNWarning",
        "ConfigError",
        "CorpusError",
        "DivergedError",
        "HubError",
        "ModelError",
        "NotFittedError",
        "StorageError",
        "TrainingError",
        "UnknownCharacterError",
    ),
    "charrnn.estimators.classifier": ("RecurrentClassifier",),
    "charrnn.estimators.loading": ("load_estimator",),
    "charrnn.estimators.regressor": ("RecurrentRegressor",),
    "charrnn.estimators.transcription.transcriber": ("RecurrentTranscriber",),
    "charrnn.evaluation.dynamic_evaluation": ("AdaptationConfig", "Adapter"),
    "charrnn.generation.config": ("SamplingConfig",),
    "charrnn.generation.sampler": ("Sampler",),
    "charrnn.model.config": ("ModelConfig",),
    "charrnn.model.language_model": ("CharRNN",),
    "charrnn.storage.model_directory": ("Model",),
    "charrnn.storage.run": ("Run",),
    "charrnn.tasks.classify.predict": ("Classifier", "Prediction"),
    "charrnn.tasks.infill.config": ("FillConfig", "ProofreadConfig"),
    "charrnn.tasks.infill.corrections": ("Finding", "apply_corrections"),
    "charrnn.tasks.infill.fill": ("Filling",),
    "charrnn.tasks.transduce.translate": ("Candidate", "Translation", "Translator"),
    "charrnn.training.config": ("TrainingConfig",),
    "charrnn.training.options": ("TrainingOptions",),
    "charrnn.training.progress": ("Progress",),
    "charrnn.training.trainer": ("Trainer",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AdaptationConfig",
    "Adapter",
    "ByteTokenizer",
    "Candidate",
    "CharRNN",
    "CharRNNError",
    "CharRNNWarning",
    "CharTokenizer",
    "Classifier",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "DivergedError",
    "FillConfig",
    "Filling",
    "Finding",
    "HubError",
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
    "RecurrentTranscriber",
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
    "Translation",
    "Translator",
    "UnknownCharacterError",
    "apply_corrections",
    "compress",
    "decompress",
    "evaluate",
    "explain",
    "fill",
    "load",
    "load_estimator",
    "open_corpus",
    "predict",
    "proofread",
    "sample",
    "score",
    "stream_sample",
    "stream_train",
    "stream_translate",
    "tokenize",
    "train",
    "translate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
