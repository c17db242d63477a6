"""build_network: builds the network of a config, for any task."""

import torch

from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork
from charrnn.tasks import find_task


def build_network(
    config: ModelConfig, *, kernel: str = "fused", generator: torch.Generator | None = None
) -> RecurrentNetwork:
    """Build the network that a config describes, with fresh weights; see CharRNN."""
    network: RecurrentNetwork = find_task(config.task).network()(
        config, kernel=kernel, generator=generator
    )
    return network
