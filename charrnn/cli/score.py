"""charrnn score: how likely a text is, character by character; or which of several is likelier."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from charrnn.cli.shared_arguments import Json, complete_runs
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.serving.token_scores import TokenScorer
    from charrnn.storage.model_directory import Model

ALTERNATIVES: Final = 5
"""The likeliest characters that the JSON lists in each place."""


def score(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's name, a run directory or a model directory.",
            autocompletion=complete_runs,
            show_default=False,
        ),
    ],
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|-",
            help="The text; or - to read texts from stdin, one a line, and rank them.",
            show_default=False,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Score a text with a language model: show how much each character surprises it.

    With -, each line of stdin is a text, and the likeliest comes first: its log-probability in
    bits, bits per character, and the text, separated by tabs. --json has each character's
    log-probability in nats, its rank and the likeliest others.
    """
    from charrnn.generation.sampler import Sampler
    from charrnn.serving.token_scores import TokenScorer
    from charrnn.storage.run_lookup import load

    found = load(model)
    scorer = TokenScorer(Sampler(found, "float32"))
    if text != "-":
        _show(_record(scorer, found, text), as_json=as_json)
        return
    records = [
        _record(scorer, found, line, alternatives=0) | {"line": number}
        for number, line in _lines(found)
    ]
    records.sort(key=lambda each: -each["log_probability"])
    if as_json:
        print(dumps(records, indent=2, ensure_ascii=False))
        return
    _print_ranked(records)


def _lines(model: "Model") -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of stdin that is not empty."""
    from charrnn.training.explained_text import read_text

    for number, line in enumerate(read_text("-", model.tokenizer).split("\n"), 1):
        if line.rstrip("\r"):
            yield number, line.rstrip("\r")


def _record(
    scorer: "TokenScorer", model: "Model", text: str, *, alternatives: int = ALTERNATIVES
) -> dict[str, Any]:
    """Return what is printed as JSON: the text, its log-probability in nats and its bits per
    character, and each character. Warns of characters that the model has never seen."""
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error
    from charrnn.errors import CorpusError
    from charrnn.serving.text_scores import score_text

    tokenizer = model.tokenizer
    unknown = tokenizer.unknown(text)
    if len(tokenizer.without_unknown(text)) < len(text):
        warn(f"the model has never seen {unknown_error(tokenizer, unknown, text).shown}: left out")
    found = score_text(scorer, tokenizer, text, alternatives, lambda: None)
    if not found["characters_scored"]:
        raise CorpusError(f"{text!r}: it has no character that the model knows")
    likely = [each["log_probability"] for each in found["characters"]]
    return {"text": text, "log_probability": sum(filter(None, likely))} | found


def _show(record: dict[str, Any], *, as_json: bool) -> None:
    from charrnn.cli.display import key_value_table, printable, results
    from charrnn.cli.surprise_colours import surprise

    if as_json:
        print(dumps(record, indent=2, ensure_ascii=False))
        return
    bits = [
        (
            printable(each["text"]),
            math.nan if each["log_probability"] is None else -each["log_probability"] / math.log(2),
        )
        for each in record["characters"]
    ]
    for shown in surprise(bits, results()):
        results().print(shown, soft_wrap=True)
    total = -record["log_probability"] / math.log(2)
    rows = [
        ("bits", f"{total:.2f}"),
        ("bits per character", f"{record['bits_per_character']:.4f}"),
    ]
    results().print(key_value_table(rows))


def _print_ranked(records: list[dict[str, Any]]) -> None:
    from charrnn.cli.display import TextOutput

    output = TextOutput()
    for each in records:
        bits = -each["log_probability"] / math.log(2)
        shown = each["text"].replace("\t", "\\t")
        output.write(f"{bits:.2f}\t{each['bits_per_character']:.4f}\t{shown}\n")
    output.close()
