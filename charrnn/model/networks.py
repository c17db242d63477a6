"""NETWORKS: the network of each task."""

from collections.abc import Callable
from typing import Final

import torch

from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.tasks.classify.network import SequenceClassifier
from charrnn.tasks.infill.network import InfillNetwork

NETWORKS: Final[dict[str, Callable[..., RecurrentNetwork]]] = {
    "generate": CharRNN,
    "restore": InfillNetwork,
    "classify": SequenceClassifier,
    "regress": SequenceClassifier,
}


def build_network(
    config: ModelConfig, *, kernel: str = "fused", generator: torch.Generator | None = None
) -> RecurrentNetwork:
    """The network that a config describes, its weights fresh; see CharRNN."""
    return NETWORKS[config.task](config, kernel=kernel, generator=generator)
