"""What a model card says about a model that classifies or regresses."""

from charrnn.data.two_pass_reading import no_progress
from charrnn.tasks.classify.evaluation import prepare_evaluation
from charrnn.tasks.classify.report import NAMES
from charrnn.training.task_card import (
    CardSource,
    Results,
    TaskCard,
    describe_alphabet,
    describe_size,
    training_results,
)


class DocumentCard(TaskCard):
    """See TaskCard. It has no samples: they would need texts of somebody.

    Args:
        has_classes: whether the model predicts classes, and not numbers.
    """

    pipeline_tag = "text-classification"

    def __init__(self, *, has_classes: bool) -> None:
        self.metrics = ("accuracy", "f1") if has_classes else ("mse",)

    def purpose(self, source: CardSource) -> str:
        """See TaskCard."""
        if source.model.labels:
            return f"It predicts one of {len(source.model.labels):,} classes for a text."
        return "It predicts a number for a text."

    def results(self, source: CardSource) -> Results:
        """Measure the predictions of the held-out documents, where they can be read; otherwise
        return what the training measured."""
        if source.corpus is not None:
            report = prepare_evaluation(source.request, no_progress)(None)
            return Results(report.rows, report.table)
        rows = tuple((NAMES[name], f"{value:.3f}") for name, value in source.measures.items())
        remark = (
            "These are the measures of the training, on documents held out from it. Which classes "
            "are taken for which could not be measured: the documents are not where they were."
        )
        return training_results(source, rows, remark)

    def limits(self, source: CardSource) -> list[str]:
        """See TaskCard."""
        model = source.model
        limits = [describe_size(model)]
        if model.labels:
            limits.append(
                "It always chooses one of its classes, also for a text that belongs to none of "
                "them, and its probabilities hold only for texts like those it was trained on."
            )
        else:
            limits.append("It predicts a number for any text, also for one that has none.")
        limits.append(
            "It should not decide about people by itself: it repeats whatever is one-sided in its "
            "documents."
        )
        return [*limits, describe_alphabet(model)]
