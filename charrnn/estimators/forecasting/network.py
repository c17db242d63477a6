"""ForecastNetwork: stacked cells -> the distribution of the next values.

Legend: B windows, T time, E inputs of a step, V variables, F features.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from charrnn.array_types import Float32Array
from charrnn.estimators.fitting import stack_config
from charrnn.estimators.forecasting.network_config import LOG_SCALES, ForecastConfig
from charrnn.model.recurrent import RecurrentNetwork, reset_linear


class Distribution(NamedTuple):
    """The distribution of each value: Student's t, or Gaussian where `degrees` is None."""

    location: Tensor  # (T, B, V)
    log_scale: Tensor  # (T, B, V)
    degrees: Tensor | None  # (V,), above 2

    def negative_log_likelihood(self, values: Tensor) -> Tensor:
        """Return the negative log-likelihoods (T, B, V) of values, in nats."""
        errors = (values - self.location) * torch.exp(-self.log_scale)
        if self.degrees is None:
            return 0.5 * errors.square() + self.log_scale + 0.5 * math.log(2 * math.pi)
        half = self.degrees / 2
        constant = torch.lgamma(half + 0.5) - torch.lgamma(half)
        constant = constant - 0.5 * torch.log(math.pi * self.degrees)
        tails = (half + 0.5) * torch.log1p(errors.square() / self.degrees)
        return tails + self.log_scale - constant


class ForecastNetwork(RecurrentNetwork):
    """A network that reads the earlier values of a series, and predicts the distribution of the
    next ones (DeepAR: Salinas et al., 2020).

    Its location is the sum of a linear autoregression, as in LSTNet (Lai et al., 2018), and of what
    the cells add.

    Args:
        config: the sizes.
        autoregression: (V, E) the initial weights of the linear part.
        scale: (V,) the initial scales.
        dropout: the share of each layer's outputs that is dropped during training.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights.
    """

    def __init__(
        self,
        config: ForecastConfig,
        *,
        autoregression: Float32Array,
        scale: Float32Array,
        dropout: float = 0.0,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(stack_config(config, dropout), kernel=kernel)
        with torch.device("meta"):
            self.head = nn.Linear(config.features, config.outputs)
            self.skip = nn.Linear(config.input_size, config.variables, bias=False)
            self.log_degrees: nn.Parameter | None = None
            if config.likelihood == "student-t":
                self.log_degrees = nn.Parameter(torch.empty(config.variables))
        self.allocate()
        self.reset_layers(generator)
        self._begin(torch.from_numpy(autoregression), torch.from_numpy(scale), generator)

    @torch.no_grad()
    def _begin(
        self, autoregression: Tensor, scale: Tensor, generator: torch.Generator | None
    ) -> None:
        """Begin as the linear autoregression: the cells add little at first."""
        reset_linear(self.head.weight, self.head.bias, generator=generator)
        self.head.weight.mul_(0.1)
        self.head.bias.zero_()
        self.head.bias[len(scale) :] = scale.log()
        self.skip.weight.copy_(autoregression)
        if self.log_degrees is not None:
            self.log_degrees.fill_(math.log(8.0))

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs."""
        return [*self.between_layers(), self.head.weight]

    def forward(self, inputs: Tensor, *, generator: torch.Generator | None = None) -> Distribution:
        """Compute the distribution of the values of each step from its inputs (T, B, E)."""
        features = self.read(inputs, generator=generator)
        location, log_scale = self.head(features).chunk(2, dim=-1)
        degrees = None if self.log_degrees is None else 2 + self.log_degrees.exp()
        return Distribution(location + self.skip(inputs), log_scale.clamp(*LOG_SCALES), degrees)
