"""GENERATE: the definition of a language model, which predicts each character from all before it.
No torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from charrnn.training.loss import Loss
from charrnn.training.text_definition import TextTaskDefinition

if TYPE_CHECKING:
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.request import ExplainRequest
    from charrnn.model.config import ModelConfig
    from charrnn.model.language_model import CharRNN
    from charrnn.storage.model_directory import Model
    from charrnn.tasks.generate.card import GenerateCard
    from charrnn.tasks.generate.task import GenerationTask
    from charrnn.training.report import Evaluate, EvaluationRequest, Rows


class GenerateDefinition(TextTaskDefinition):
    """The definition of a language model, which continues a text."""

    name = "generate"
    usage = ("sample {run}", "repl {run}")
    fields = frozenset({"attention"})
    carries_state = True
    several_processes = True
    evaluation_options = frozenset({"protocol", "adapt", "memory", "engine"})
    has_int8 = True

    def network(self) -> "Callable[..., CharRNN]":
        """Return CharRNN."""
        from charrnn.model.language_model import CharRNN

        return CharRNN

    def loss(self) -> Loss:
        """See `generation_loss`."""
        from charrnn.tasks.generate.task import generation_loss

        return generation_loss

    def tensor_shapes(self, config: "ModelConfig") -> dict[str, tuple[int, ...]]:
        """See TaskDefinition."""
        return config.layer_shapes() | config.attention_shapes() | config.head_shapes()

    def task_class(self) -> "type[GenerationTask]":
        """Return GenerationTask."""
        from charrnn.tasks.generate.task import GenerationTask

        return GenerationTask

    def model_rows(self, model: "Model") -> "Rows":
        """Return the attention, where there is one."""
        window = model.config.attention
        return () if window is None else (("attention", f"to the last {window:,} states"),)

    def card(self) -> "GenerateCard":
        """See TaskDefinition."""
        from charrnn.tasks.generate.card import GenerateCard

        return GenerateCard()

    def prepare_evaluation(
        self, request: "EvaluationRequest", progress: "ReadingProgress"
    ) -> "Evaluate":
        """See `charrnn.tasks.generate.evaluation`."""
        from charrnn.tasks.generate.evaluation import prepare_evaluation

        return prepare_evaluation(request, progress)

    def explain(self, request: "ExplainRequest") -> "Explanation":
        """See `charrnn.tasks.generate.explanation`."""
        from charrnn.tasks.generate.explanation import explain

        return explain(request)


GENERATE: Final = GenerateDefinition()
