"""NETWORKS: the network of each task."""

from collections.abc import Callable

import torch

from charrnn.model.classifier import SequenceClassifier
from charrnn.model.config import ModelConfig
from charrnn.model.network import CharRNN
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.model.restorer import Restorer

NETWORKS: dict[str, Callable[..., RecurrentNetwork]] = {
    "generate": CharRNN,
    "restore": Restorer,
    "classify": SequenceClassifier,
    "regress": SequenceClassifier,
}


def build_network(
    config: ModelConfig, *, kernel: str = "fused", generator: torch.Generator | None = None
) -> RecurrentNetwork:
    """The network that a config describes, its weights fresh; see CharRNN."""
    return NETWORKS[config.task](config, kernel=kernel, generator=generator)
