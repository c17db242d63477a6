"""charrnn translate: translates lines with a model that was trained on pairs."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from charrnn.cli.environment import is_typed
from charrnn.cli.shared_arguments import complete_runs
from charrnn.cli.unicode_json import dumps
from charrnn.tasks.transduce import LARGEST_BEAM

if TYPE_CHECKING:
    from charrnn.data.documents import Document
    from charrnn.storage.model_directory import Model
    from charrnn.tasks.transduce.translate import Translation, Translator

    Lines = Iterator[list[Document]]


def translate(
    *,
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's name, a run directory or a model directory, trained with --source and "
            "--target; or the list of several.",
            autocompletion=complete_runs,
            show_default=False,
        ),
    ],
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help="A text, or an existing file, whose lines are translated one by one; - is stdin.",
            show_default=False,
        ),
    ],
    features: Annotated[
        str | None,
        typer.Option(
            metavar="FEATURES",
            help="Give every line these features, such as V;PST.",
            show_default="for a model with features, what follows a tab in each line",
        ),
    ] = None,
    beam: Annotated[
        int, typer.Option(metavar="N", min=1, max=LARGEST_BEAM, help="Keep the N best hypotheses.")
    ] = 4,
    number: Annotated[
        int,
        typer.Option(
            "--number",
            "-n",
            metavar="N",
            min=1,
            max=LARGEST_BEAM,
            help="Print the N best translations of each line, each on a line of its own: the "
            "source, the translation and its probability, separated by tabs.",
        ),
    ] = 1,
    encoding: Annotated[
        str, typer.Option(help="Decode the file, or stdin, from this encoding.")
    ] = "utf-8",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each line, on a line.")
    ] = False,
    attention_map: Annotated[
        Path | None,
        typer.Option(
            "--attention-map",
            metavar="FILE",
            help="Write an HTML page that shows which characters wrote which symbols.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at the first line that has no translation, with exit code 4."
        ),
    ] = False,
) -> None:
    """Translate each line with a model trained on pairs of a source and a target.

    Each line gets a line on stdout, as soon as it is translated: its most probable translation. A
    line that cannot be translated gets an empty one, and stderr says why. Characters that the model
    has never seen are copied, or left out, which stderr says too.
    """
    from charrnn.cli.display import TextOutput, say, warn
    from charrnn.data.tokenizer import unknown_error
    from charrnn.storage.run_lookup import load
    from charrnn.tasks.transduce.translate import Translator

    translator = Translator(load(model), beam=beam, n=number, alignment=attention_map is not None)
    lines = _lines(context, text, encoding)
    output = TextOutput()
    seen = _Seen(keep=attention_map is not None)
    for translation, document in _translated(translator, lines, features, output):
        seen.add(translation, document, strict=strict)
        if as_json:
            output.write(dumps(_record(translation), ensure_ascii=False) + "\n")
        else:
            output.write(_text(translation, several=number > 1))
    output.close()
    if seen.dropped:
        shown = unknown_error(translator.tokenizer, list(seen.dropped)).shown
        warn(f"the model has never seen {shown}: left out")
    if seen.problems:
        warn(
            f"{seen.problems:,} of {seen.lines:,} lines have no translation; the first: "
            f"{seen.first_problem}; --strict stops there"
        )
    if attention_map is not None:
        _write_map(attention_map, seen, translator.model)
    if not seen.lines:
        say(f"{text}: it has no lines")


@dataclass
class _Seen:
    """What is said of the lines at the end.

    Attributes:
        keep: whether the translations are kept, for a page.
        lines: how many there were.
        problems: how many have no translation.
        first_problem: the place of the first of those, and the reason.
        dropped: the unknown characters that were left out, as keys.
        kept: the translations, if they are kept.
    """

    keep: bool
    lines: int = 0
    problems: int = 0
    first_problem: str = ""
    dropped: dict[str, None] = field(default_factory=dict)
    kept: "list[Translation]" = field(default_factory=list)

    def add(self, translation: "Translation", document: "Document", *, strict: bool) -> None:
        """Count a translation. Raises CorpusError where it has a problem and is the only one, or
        `strict`."""
        from charrnn.errors import CorpusError
        from charrnn.tasks.transduce.attention_map import MOST_TEXTS

        self.lines += 1
        self.dropped |= dict.fromkeys(translation.dropped)
        if translation.problem is not None:
            problem = f"{document.where}: {translation.problem}"
            if strict or document.place is None:
                raise CorpusError(problem)
            self.problems += 1
            self.first_problem = self.first_problem or problem
        if self.keep and len(self.kept) < MOST_TEXTS:
            self.kept.append(translation)


def _lines(context: typer.Context, text: str, encoding: str) -> "Lines":
    """Return the lines of the file or stdin that `text` is, or of `text` itself, in groups that are
    there at the same time.

    Raises CorpusError, ConfigError.
    """
    from charrnn.cli.infill_common import is_file
    from charrnn.data.documents import Document, read_line_groups
    from charrnn.data.read_options import ReadOptions
    from charrnn.errors import ConfigError, CorpusError

    if os.path.isdir(text):
        raise CorpusError(f"{text}: it is a folder; name a file")
    if is_file(text):
        read = ReadOptions(encoding=encoding)
        return read_line_groups(text, read, as_they_come=True)
    if is_typed(context, "encoding"):
        raise ConfigError("--encoding applies to a file, and this is a text; leave it out")
    texts = text.rstrip("\n").split("\n")
    if len(texts) == 1:
        return iter([[Document("the text", text)]])
    places = enumerate(texts, 1)
    return iter([[Document(f"line {n}", each, place=("line", n)) for n, each in places]])


def _translated(
    translator: "Translator", lines: "Lines", features: str | None, output: Any
) -> "Iterator[tuple[Translation, Document]]":
    """Yield the translation of each line, in order, before waiting for more lines."""
    from charrnn.tasks.transduce.translate import TEXTS_AT_ONCE

    divided = features is None and bool(translator.tokenizer.features)
    for arrived in lines:
        for start in range(0, len(arrived), TEXTS_AT_ONCE):
            group = arrived[start : start + TEXTS_AT_ONCE]
            given = [features] * len(group)
            if divided:
                parts = [document.text.partition("\t") for document in group]
                given = [part[2] for part in parts]
                group = [
                    document._replace(text=part[0])
                    for document, part in zip(group, parts, strict=True)
                ]
            yield from zip(translator.translate(group, given), group, strict=True)
        output.flush()


_ON_A_LINE: Final = {9: "\\t", 10: "\\n", 13: "\\r"}


def _text(translation: "Translation", *, several: bool) -> str:
    """Return the line of a translation, or of each of several."""
    if not several:
        return translation.text.translate(_ON_A_LINE) + "\n"
    source = translation.source.translate(_ON_A_LINE)
    return "".join(
        f"{source}\t{each.text.translate(_ON_A_LINE)}\t{each.probability:.4f}\n"
        for each in translation.targets
    )


def _record(translation: "Translation") -> dict[str, Any]:
    record: dict[str, Any] = {
        "source": translation.source,
        "candidates": [
            {"text": each.text, "probability": each.probability} for each in translation.targets
        ],
        "unknown": list(translation.unknown),
    }
    if translation.problem is not None:
        record["reason"] = translation.problem
    return record


def _write_map(path: Path, seen: _Seen, model: "Model") -> None:
    from charrnn.cli.display import say
    from charrnn.tasks.transduce.attention_map import write_alignments

    title = f"Alignments by a model of {model.provenance.corpus}"
    shown = write_alignments(path, seen.kept, title=title)
    if shown < seen.lines:
        say(f"{path}: it shows the first {shown:,} of {seen.lines:,} lines")
