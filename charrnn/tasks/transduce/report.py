"""The scores of translations, for programs and for people."""

from typing import Any, Final

from charrnn.tasks.transduce.scores import ErrorRates, Scores
from charrnn.training.report import Rows, Table
from charrnn.wording import counted

CONFUSIONS: Final = 10
"""The most confusions that people are shown."""

NAMES: Final = {
    "word_error_rate": "word error rate",
    "symbol_error_rate": "symbol error rate",
}
"""The measures and their names."""

NOTHING: Final = "\N{EMPTY SET}"
"""What stands for the missing partner of a symbol."""


def scores_record(scores: Scores, copied: ErrorRates) -> dict[str, Any]:
    """Return all scores as plain values of JSON.

    Args:
        copied: the error rates of copying each source.
    """
    return {
        "sources": scores.rates.sources,
        **_rates_record(scores.rates),
        "baselines": {"copy": _rates_record(copied)},
        "by_length": [
            {
                "shortest": group.least,
                "longest": group.most,
                "sources": group.rates.sources,
                **_rates_record(group.rates),
            }
            for group in scores.by_length
        ],
        "confusions": [each._asdict() for each in scores.confusions],
    }


def _rates_record(rates: ErrorRates) -> dict[str, float]:
    return {name: getattr(rates, name) for name in NAMES}


def scores_rows(scores: Scores, copied: ErrorRates, *, held_out: bool) -> Rows:
    """Return the scores for people, beside those of copying each source."""
    rows = [("held-out sources" if held_out else "sources", f"{scores.rates.sources:,}")]
    for name, title in NAMES.items():
        value, of_copies = getattr(scores.rates, name), getattr(copied, name)
        rows.append((title, f"{percent(value)} (copying the source: {percent(of_copies)})"))
    for group in scores.by_length if len(scores.by_length) > 1 else ():
        lengths = str(group.least) if group.least == group.most else f"{group.least}-{group.most}"
        rates = group.rates
        rows.append(
            (
                f"  {lengths} characters",
                f"{percent(rates.word_error_rate)} of {counted(rates.sources, 'word')}, "
                f"{percent(rates.symbol_error_rate)} of symbols",
            )
        )
    return tuple(rows)


def confusions_table(scores: Scores) -> Table | None:
    """Return the most frequent confusions; None where nothing was confused."""
    if not scores.confusions:
        return None
    return Table(
        f"most frequent confusions ({NOTHING}: nothing)",
        ("correct symbol", "translated as", "times"),
        tuple(
            (_shown(each.correct), _shown(each.translated), f"{each.times:,}")
            for each in scores.confusions[:CONFUSIONS]
        ),
        left=2,
    )


def _shown(symbol: str | None) -> str:
    if symbol is None:
        return NOTHING
    return repr(symbol) if symbol.isspace() else symbol


def percent(share: float) -> str:
    """Return a share for people, such as 21.7 %."""
    return f"{100 * share:.1f} %"
