"""Evaluation of a saved model that translates: how often its translations are wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from charrnn.data.corpus import open_corpus
from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.errors import ConfigError
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce.pair_rows import Source, read_pair_rows, references_of
from charrnn.tasks.transduce.pairs import PairCorpus
from charrnn.tasks.transduce.report import confusions_table, scores_record, scores_rows
from charrnn.tasks.transduce.scores import Scored, score
from charrnn.tasks.transduce.tokenizer import PairTokenizer, split_target
from charrnn.tasks.transduce.translate import TEXTS_AT_ONCE, Translation, Translator
from charrnn.training.report import Evaluate, EvaluationReport, EvaluationRequest
from charrnn.training.saved_model_evaluation import read_training_corpus
from charrnn.training.task import task_definition

References = Mapping[Source, set[str]]
"""The correct targets of each source."""


def prepare_evaluation(request: EvaluationRequest, progress: ReadingProgress) -> Evaluate:
    """Read the pairs to evaluate on: the held-out part of the model's corpus, or those of a file.

    A file is read as text, since its targets may have symbols that the model has never seen.
    Raises CorpusError, ConfigError.
    """
    model = request.model
    if request.file is None:
        references = held_out_pairs(request, progress)
    else:
        assert isinstance(model.tokenizer, PairTokenizer)
        separator = request.read.target_separator
        if separator not in (None, model.tokenizer.separator):
            raise ConfigError(
                f"--target-separator {separator!r}: the model divides targets otherwise; leave "
                "that out"
            )
        corpus = open_corpus([request.file], request.read)
        references = references_of(
            pair for name in corpus.sources for pair in read_pair_rows(name, request.read)
        )
    return lambda show: evaluate_translations(
        model, references, held_out=request.file is None, progress=show
    )


def held_out_pairs(request: EvaluationRequest, progress: ReadingProgress) -> References:
    """Read the pairs that were held out of the training of a model, or of all models of a list.

    Raises CorpusError where they cannot be read, ConfigError where there are none.
    """
    model = request.model
    definition = task_definition(model.config.task)
    held_out = {
        (each.sha256, each.validation_fraction, definition.held_out_seed(each))
        for each in (member.provenance for member in model.members)
    }
    if len(held_out) > 1:
        raise ConfigError(
            "the models were trained on different pairs, so none were held out of all of them; "
            "name a FILE of pairs"
        )
    corpus = read_training_corpus(request, progress)
    assert isinstance(corpus, PairCorpus)
    seed = definition.held_out_seed(model.provenance)
    assert seed is not None, "pairs are always drawn"
    _, rows = corpus.split_pairs(model.provenance.validation_fraction, seed=seed)
    return corpus.references(rows)


def evaluate_translations(
    model: Model,
    references: References,
    *,
    held_out: bool,
    progress: Callable[[int, int], None] | None = None,
    translator: Translator | None = None,
) -> EvaluationReport:
    """Translate sources, and compare with their correct targets.

    Args:
        held_out: whether they were held out of the training.
        progress: called with how many of how many sources have been translated.
        translator: what translates; None: the model with the default beam.
    """
    translator = translator or Translator(model)
    separator = translator.tokenizer.separator
    sources = list(references)
    translations: list[Translation] = []
    for start in range(0, len(sources), TEXTS_AT_ONCE):
        some = sources[start : start + TEXTS_AT_ONCE]
        texts, features = [each.text for each in some], [";".join(each.features) for each in some]
        translations += translator.translate(texts, features)
        if progress is not None:
            progress(len(translations), len(sources))

    def scored(source: Source, symbols: tuple[str, ...]) -> Scored:
        correct = sorted(tuple(split_target(each, separator)) for each in references[source])
        return Scored(len(source.text), symbols, tuple(correct))

    scores = score(
        [
            scored(source, each.targets[0].symbols if each.targets else ())
            for source, each in zip(sources, translations, strict=True)
        ]
    )
    copied = score([scored(each, tuple(split_target(each.text, separator))) for each in sources])
    record: dict[str, Any] = scores_record(scores, copied.rates)
    problems = [each.problem for each in translations if each.problem is not None]
    remarks: tuple[str, ...] = ()
    if problems:
        remarks = (
            f"{len(problems):,} of {len(sources):,} sources have no translation, and count as "
            f"wrong; the first: {problems[0]}",
        )
    dropped = dict.fromkeys(character for each in translations for character in each.dropped)
    return EvaluationReport(
        record=record,
        rows=scores_rows(scores, copied.rates, held_out=held_out),
        table=confusions_table(scores),
        remarks=remarks,
        skipped=tuple(dropped),
    )
