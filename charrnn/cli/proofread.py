"""charrnn proofread: finds probable mistakes in a text."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from charrnn.cli.infill_common import FileEncoding, InfillModel
from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.shared_arguments import Json
from charrnn.cli.unicode_json import dumps
from charrnn.option_declaration import Relations
from charrnn.tasks.infill.config import ProofreadConfig
from charrnn.wording import counted

if TYPE_CHECKING:
    from rich.text import Text

    from charrnn.data.text_file import TextFile
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.tasks.infill.corrections import Correction, Finding

FOUND: Final = 1
FAILED: Final = 5
"""The exit codes for mistakes that were found, and for a failure without a code of its own."""

_AROUND: Final = 32
"""Characters of the text that are shown on each side of a finding."""


@takes_options
def proofread(
    *,
    context: typer.Context,
    model: InfillModel,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="The text to read; - is stdin.", show_default=False),
    ],
    config: ProofreadConfig,
    as_diff: Annotated[
        bool,
        typer.Option("--diff", help="Print a unified diff, which patch can apply."),
        Relations(excludes=("as_json",)),
    ] = False,
    encoding: FileEncoding = None,
    as_json: Json = False,
) -> None:
    """Find probable mistakes in a text, and suggest corrections.

    The exit code is 0 if no mistakes were found, 1 if some were, and above 1 on failure: 2 wrong
    usage, 3 unusable model, 4 unusable text, 5 any other error.
    """
    from charrnn.cli.display import working
    from charrnn.cli.infill_common import load_model, read_text, warn_of_unknown
    from charrnn.tasks.infill.proofread import proofread as proofread_text

    loaded = load_model(model)
    read = read_text(context, file, loaded.tokenizer, encoding)
    _require_known(loaded.tokenizer, read)
    warn_of_unknown(loaded.tokenizer, read.text)
    with working("reading ...") as set_status:
        findings = proofread_text(
            loaded,
            read.text,
            config,
            progress=lambda done, total: set_status(f"correcting {done / total:.0%}"),
        )
    # The exit code reports mistakes even if the reader closes the pipe early.
    with contextlib.suppress(BrokenPipeError):
        if as_json:
            _print_json(findings, read.text)
        elif as_diff:
            _print_diff(findings, read, "text" if file == "-" else file)
        else:
            _print_findings(findings, read.text)
    if findings:
        raise typer.Exit(FOUND)


def _print_json(findings: "Sequence[Finding]", text: str) -> None:
    from charrnn.cli.display import TextOutput

    output = TextOutput()
    record = {
        "findings": [asdict(each) for each in findings],
        "corrected": _correct(text, findings),
    }
    output.write(dumps(record, indent=2) + "\n")
    output.close()


def _print_diff(findings: "Sequence[Finding]", file: "TextFile", name: str) -> None:
    """Print a unified diff: as text on a terminal, as the bytes of the file elsewhere."""
    from charrnn.cli.display import TextOutput
    from charrnn.tasks.infill.unified_diff import unified_diff

    output = TextOutput()
    fixed = _correct(file.text, findings)
    if findings and output.terminal:
        before, after = (each.encode("utf-8", "surrogateescape") for each in (file.text, fixed))
        output.write(unified_diff(before, after, name).decode("utf-8", "surrogateescape"))
    elif findings:
        output.write_bytes(unified_diff(file.content, file.mark + file.encode(fixed), name))
    output.close()


def _print_findings(findings: "Sequence[Finding]", text: str) -> None:
    from charrnn.cli.display import results, say

    console = results()
    marks = console.no_color or console.color_system is None
    for finding in findings:
        console.print(_view(text, finding, marks=marks), soft_wrap=True)
    say(_summary(findings), "dim")


def _correct(text: str, findings: "Sequence[Finding]") -> str:
    from charrnn.tasks.infill.corrections import apply_corrections

    return apply_corrections(text, [finding.correction for finding in findings])


def _require_known(tokenizer: "Tokenizer", file: "TextFile") -> None:
    """Raise CorpusError for a text that has too many unknown characters to be judged."""
    from charrnn.data.tokenizer import unknown_error
    from charrnn.errors import CorpusError
    from charrnn.tasks.infill.proofread import MOST_UNKNOWN, count_unknown

    if (count := count_unknown(tokenizer, file.text)) > MOST_UNKNOWN * len(file.text):
        raise CorpusError(
            f"{file.name}: the model has never seen {count:,} of its {len(file.text):,} "
            f"characters, {unknown_error(tokenizer, tokenizer.unknown(file.text)).shown}; read as "
            f"{file.encoding}: is it in another --encoding, or another language?"
        )


def _view(text: str, finding: "Finding", *, marks: bool) -> "Text":
    """Format a finding as a line: its position, the text around it, other corrections.

    Args:
        marks: marks the replaced text as [- -] and its replacement as {+ +}, as wdiff does; for
            terminals without colours.
    """
    from rich.text import Text

    change = finding.correction
    line_begin = change.begin - finding.column + 1
    line_end = text.find("\n", change.end)
    line_end = len(text) if line_end < 0 else line_end
    if text.endswith("\r", change.end, line_end):
        line_end -= 1
    first, last = max(line_begin, change.begin - _AROUND), min(line_end, change.end + _AROUND)
    view = Text()
    view.append(f"{finding.line}:{finding.column}: ", style="cyan")
    view.append(_shown(text[first : change.begin]))
    if finding.original:
        removed = _shown(finding.original)
        view.append(f"[-{removed}-]" if marks else removed, style="bold red strike")
    if change.replacement:
        added = _shown(change.replacement)
        view.append(f"{{+{added}+}}" if marks else added, style="bold green")
    view.append(_shown(text[change.end : last]))
    view.append(f"  {change.kind}, {change.gain:.1f} nats", style="dim")
    if finding.others:
        words = dict.fromkeys(_word(text, other) for other in finding.others)
        view.append(f"; or {', '.join(words)}", style="dim")
    return view


def _word(text: str, correction: "Correction") -> str:
    """Return the word that results from a correction."""
    begin, end = correction.begin, correction.end
    while begin > 0 and not text[begin - 1].isspace() and correction.begin - begin < _AROUND:
        begin -= 1
    while end < len(text) and not text[end].isspace() and end - correction.end < _AROUND:
        end += 1
    word = text[begin : correction.begin] + correction.replacement + text[correction.end : end]
    return _shown(word)


def _shown(text: str) -> str:
    """Return a part of a text on one line, with marks for newlines and tabs."""
    from charrnn.cli.display import printable

    return printable(text.replace("\n", "↵").replace("\t", "→"))


def _summary(findings: "Sequence[Finding]") -> str:
    if not findings:
        return "no mistakes found"
    count = counted(len(findings), "probable mistake")
    return f"{count}; --diff prints the corrections as a diff that patch can apply"
