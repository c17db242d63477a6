"""ForecastConfig: the sizes of the networks of a forecaster, and the shapes of their tensors. No
torch.

Legend: M members, V variables, C covariates, E inputs of a step, F features, K outputs (2 V).
"""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.estimators.network_config import NetworkConfig

LIKELIHOODS: Final = ("student-t", "gaussian")
"""The distributions of the next value, given those before."""

LOG_SCALES: Final = (-7.0, 7.0)
"""The limits of the logarithm of a standardized scale: a series that can be predicted exactly has
no likelihood, and one that the network does not know no largest scale."""

MOST_MEMBERS: Final = 1 << 10


@dataclass(frozen=True, kw_only=True)
class ForecastConfig(NetworkConfig):
    """The sizes of an ensemble of networks, each of which reads the earlier values of a series.

    Attributes:
        members: M, the number of networks.
        variables: V; the outputs are a location and the logarithm of a scale for each.
        covariates: C.
        likelihood: an entry of LIKELIHOODS.
    """

    members: int
    variables: int
    covariates: int
    likelihood: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pooling is not None or self.bidirectional:
            raise ConfigError("a forecaster has no pooling, and reads in one direction")
        if not 1 <= self.members <= MOST_MEMBERS:
            raise ConfigError(f"members {self.members}: choose from 1 to {MOST_MEMBERS}")
        if self.likelihood not in LIKELIHOODS:
            raise ConfigError(
                f"likelihood {self.likelihood!r}: choose from {', '.join(LIKELIHOODS)}"
            )
        if self.covariates < 0 or self.outputs != 2 * self.variables:
            raise ConfigError(f"outputs {self.outputs}: expected a location and a scale each")

    def member_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors of one network."""
        shapes = super().tensor_shapes()
        shapes["skip.weight"] = (self.variables, self.input_size)
        if self.likelihood == "student-t":
            shapes["log_degrees"] = (self.variables,)
        return shapes

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor by its name: PyTorch's own, after the member's."""
        return {
            f"members.{member}.{name}": shape
            for member in range(self.members)
            for name, shape in self.member_shapes().items()
        }
