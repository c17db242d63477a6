"""charrnn corpora: lists the corpora that can be named."""

from typing import Annotated, Any

from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.shared_arguments import Json
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import ReadOptions


@takes_options
def corpora(
    *, read: Annotated[ReadOptions, Fields("encoding", "glob")], as_json: Json = False
) -> None:
    """List the corpora that train finds by name: those in corpora/, and Python's help()."""
    from charrnn.cli.display import printable, results, say
    from charrnn.data.sources import CORPORA, PYTHON_DOCS, corpus_names

    records = [_describe(name, read) for name in [*corpus_names(), PYTHON_DOCS]]
    if as_json:
        print(dumps(records, indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("name")
    table.add_column("bytes", justify="right")
    table.add_column("characters", justify="right")
    table.add_column("distinct", justify="right")
    table.add_column("encoding", overflow="fold")
    for record in records:
        numbers = (record[key] for key in ("bytes", "characters", "distinct"))
        table.add_row(
            Text(printable(record["name"])),
            *("" if number is None else f"{number:,}" for number in numbers),
            Text(printable(record["encoding"])),
        )
    results().print(table)
    if not CORPORA.is_dir():
        say(f"no folder {CORPORA}/ here; text files in it would be listed too", "dim")


def _describe(name: str, options: ReadOptions) -> dict[str, Any]:
    """Return one row. For a file that is not text, the reason stands in place of its encoding."""
    from charrnn.data.corpus import measure, open_corpus
    from charrnn.data.tables import is_table
    from charrnn.errors import CharRNNError

    record: dict[str, Any] = {"name": name, "bytes": None, "characters": None, "distinct": None}
    if is_table(name):
        return {**record, "encoding": "a table: choose --column, or --source and --target"}
    try:
        size = measure(open_corpus([name], options))
    except CharRNNError as error:
        return {**record, "encoding": f"unusable: {error}"}
    return {
        "name": name,
        "bytes": size.bytes,
        "characters": size.characters,
        "distinct": size.distinct,
        "encoding": "ascii" if size.bytes == size.characters else options.encoding,
    }
