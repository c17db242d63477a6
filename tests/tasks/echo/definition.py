"""ECHO: the definition of the toy task."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from charrnn.training.loss import Loss
from charrnn.training.report import Evaluate, EvaluationReport, EvaluationRequest
from charrnn.training.text_definition import TextTaskDefinition

if TYPE_CHECKING:
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.model.language_model import CharRNN
    from tests.tasks.echo.task import EchoTask


class EchoDefinition(TextTaskDefinition):
    """Each character is predicted from itself."""

    name = "echo"
    carries_state = True
    usage = ("parrot {run} TEXT",)
    shown_measure = "repeated"

    def network(self) -> "Callable[..., CharRNN]":
        from charrnn.model.language_model import CharRNN

        return CharRNN

    def loss(self) -> Loss:
        from tests.tasks.echo.task import echo_loss

        return echo_loss

    def task_class(self) -> "type[EchoTask]":
        from tests.tasks.echo.task import EchoTask

        return EchoTask

    def prepare_evaluation(
        self, request: EvaluationRequest, progress: "ReadingProgress"
    ) -> Evaluate:
        def measure(_progress: Callable[[int, int], None] | None) -> EvaluationReport:
            loss = request.model.provenance.validation_nats
            return EvaluationReport(record={"loss": loss}, rows=(("loss", f"{loss:.3f}"),))

        return measure


ECHO: Final = EchoDefinition()
