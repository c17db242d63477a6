"""RESTORE: the definition of a masked language model, which predicts each character from those on
both sides. No torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from charrnn.training.loss import Loss
from charrnn.training.text_definition import TextTaskDefinition

if TYPE_CHECKING:
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.request import ExplainRequest
    from charrnn.model.config import ModelConfig
    from charrnn.tasks.infill.card import InfillCard
    from charrnn.tasks.infill.network import InfillNetwork
    from charrnn.tasks.infill.task import InfillTask


class InfillDefinition(TextTaskDefinition):
    """The definition of a masked language model, which fills gaps and finds errors.

    Each direction is a separate stack: a stack that reads the outputs of the other would see the
    character that it predicts.
    """

    name = "restore"
    usage = ("fill {run} TEXT", "proofread {run} FILE")
    bidirectional = True
    separate_directions = True

    def network(self) -> "Callable[..., InfillNetwork]":
        """Return InfillNetwork."""
        from charrnn.tasks.infill.network import InfillNetwork

        return InfillNetwork

    def loss(self) -> Loss:
        """See `infill_loss`."""
        from charrnn.tasks.infill.task import infill_loss

        return infill_loss

    def tensor_shapes(self, config: "ModelConfig") -> dict[str, tuple[int, ...]]:
        """See TaskDefinition: the mask is one more symbol, and the head reads a join of both
        directions."""
        hidden = config.hidden_size
        join = {"join.weight": (hidden, 2 * hidden), "join.bias": (hidden,)}
        return config.layer_shapes(more_symbols=1) | join | config.head_shapes(hidden)

    def card(self) -> "InfillCard":
        """See TaskDefinition."""
        from charrnn.tasks.infill.card import InfillCard

        return InfillCard()

    def explain(self, request: "ExplainRequest") -> "Explanation":
        """See `charrnn.tasks.infill.explanation`."""
        from charrnn.tasks.infill.explanation import explain

        return explain(request)

    def task_class(self) -> "type[InfillTask]":
        """Return InfillTask."""
        from charrnn.tasks.infill.task import InfillTask

        return InfillTask


RESTORE: Final = InfillDefinition()
