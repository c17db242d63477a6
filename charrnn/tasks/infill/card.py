"""What a model card says about a masked language model."""

import math

from charrnn.evaluation.scoring import held_out
from charrnn.tasks.infill.accuracy import CONTEXT, masked_accuracy
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.task import SPANS
from charrnn.training.task_card import (
    CardSource,
    Results,
    TaskCard,
    describe_alphabet,
    describe_size,
)


class InfillCard(TaskCard):
    """See TaskCard. It has no samples: they would be passages of the training text."""

    pipeline_tag = "fill-mask"
    metrics = ("accuracy",)

    def purpose(self, source: CardSource) -> str:
        """See TaskCard."""
        unit = source.model.tokenizer.unit
        return f"It predicts missing {unit}s from both sides: it fills gaps and finds errors."

    def results(self, source: CardSource) -> Results:
        """Measure the share of masked characters that are infilled right, where the text is."""
        model = source.model
        unit, nats = model.tokenizer.unit, model.provenance.validation_nats
        rows = []
        if nats is not None:
            rows.append(("masked as in training", f"{nats / math.log(2):.3f} bits per {unit}"))
        if source.corpus is None:
            remark = (
                "The share of masked characters that it infills right could not be measured: the "
                "training text is not where it was."
            )
            return Results(tuple(rows), remarks=(remark,))
        _, validation = held_out(model, source.corpus)
        if len(validation) <= 2 * CONTEXT + max(SPANS):
            remark = "The held-out text is too short to measure how much it infills right."
            return Results(tuple(rows), remarks=(remark,))
        engine = InfillEngine.of(model)
        for span, what in SPANS.items():
            share = masked_accuracy(engine, validation, span)
            rows.append((f"infilled right {what}", f"{100 * share:.0f} %"))
        return Results(tuple(rows))

    def limits(self, source: CardSource) -> list[str]:
        """See TaskCard."""
        return [
            describe_size(source.model),
            "What it proposes is likely in its text, which need not be right: names and numbers "
            "cannot be restored from their surroundings.",
            describe_alphabet(source.model),
        ]
