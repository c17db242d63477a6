"""What a model card says about a model that translates."""

from charrnn.data.two_pass_reading import no_progress
from charrnn.tasks.transduce.evaluation import prepare_evaluation
from charrnn.tasks.transduce.report import NAMES, percent
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.task_card import CardSource, Results, TaskCard, training_results


class PairCard(TaskCard):
    """See TaskCard. It has no samples: they would need texts of somebody."""

    pipeline_tag = "translation"
    metrics = ("wer", "cer")

    def purpose(self, source: CardSource) -> str:
        """See TaskCard."""
        tokenizer = source.model.tokenizer
        assert isinstance(tokenizer, PairTokenizer)
        features = ", given its features" if tokenizer.features else ""
        return f"It translates a short text into another, symbol by symbol{features}."

    def results(self, source: CardSource) -> Results:
        """Measure the translations of the held-out pairs, where they can be read; otherwise return
        what the training measured."""
        if source.corpus is not None:
            report = prepare_evaluation(source.request, no_progress)(None)
            return Results(report.rows, report.table, report.remarks)
        rows = tuple(
            (NAMES[name], percent(value))
            for name, value in source.measures.items()
            if name in NAMES
        )
        remark = (
            "These are the measures of the training, on pairs held out from it. What is confused "
            "with what could not be measured: the pairs are not where they were."
        )
        return training_results(source, rows, remark)

    def limits(self, source: CardSource) -> list[str]:
        """See TaskCard."""
        tokenizer = source.model.tokenizer
        assert isinstance(tokenizer, PairTokenizer)
        characters = source.model.provenance.corpus_characters
        return [
            f"All it knows comes from pairs of {characters:,} characters and symbols: it writes "
            "something for any text, also for one that is unlike them.",
            f"It knows {len(tokenizer.source):,} characters of sources, and writes "
            f"{tokenizer.outputs:,} symbols; other characters it can only copy or leave out.",
        ]


__all__ = ["PairCard"]
