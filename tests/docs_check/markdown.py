"""Reads a document in Markdown: its fenced blocks, headings, links and code spans, each with the
number of its line."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w-]*)")
_DIRECTIVE = re.compile(r"^<!--\s*(?P<name>not run|exit)(?::\s*(?P<value>\d+))?\s*-->$")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$")
_SPAN = re.compile(r"(`+)(?P<code>.+?)\1(?!`)")
_LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?(?P<target>[^\s()<>]*(?:\([^)]*\))?)>?[^)]*\)"
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(?P<target>[^\s>]+)")
_ATTRIBUTE = re.compile(r"<[^>]*\b(?:href|src|srcset)=[\"'](?P<target>[^\"']+)[\"']")
_AUTOLINK = re.compile(r"<?(?P<target>\bhttps?:[^\s<>`)\]]*)")
_NAMED = re.compile(r"<[^>]*\b(?:id|name)=[\"']([^\"']+)[\"']")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block of code.

    Attributes:
        language: what its fence says; "" where it says nothing; "indented" for a block of
            indented lines.
        line: the number of the first line inside.
        runs: False where `<!-- not run -->` stands above.
        exit_code: the N of `<!-- exit: N -->` above.
    """

    language: str
    line: int
    lines: list[str]
    runs: bool = True
    exit_code: int | None = None


@dataclass
class Document:
    """A document; texts are given with the numbers of their lines."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    links: list[tuple[int, str]] = field(default_factory=list)
    spans: list[tuple[int, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The path as the project names it."""
        return str(self.path.relative_to(ROOT)) if ROOT in self.path.parents else self.path.name


def documents(root: Path = ROOT) -> list[Path]:
    """All documents of the project; those that a run or an environment may have are left out."""
    left_out = {"build", "dist", "node_modules"}
    found = []
    for path in sorted(root.rglob("*.md")):
        folders = path.relative_to(root).parts[:-1]
        in_a_run = folders[:1] == ("checkpoints",) and len(folders) > 1
        if not in_a_run and not any(each in left_out or each[0] == "." for each in folders):
            found.append(path)
    return found


def read(path: Path) -> Document:
    """Reads a document."""
    document = Document(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    anchors: Counter[str] = Counter()
    prose: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if fence := _FENCE.match(line):
            end = _end_of_fence(lines, at, fence["fence"])
            runs, exit_code = _directives(lines, at)
            inside = [each.removeprefix(fence["indent"]) for each in lines[at + 1 : end]]
            document.blocks.append(Block(fence["language"], at + 2, inside, runs, exit_code))
            at = end + 1
        elif _begins_indented(lines, at):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inside = [each[4:] for each in lines[at:end]]
            document.blocks.append(Block("indented", at + 1, inside))
            at = end
        else:
            if heading := _HEADING.match(line):
                anchor = _anchor(heading[1])
                number = anchors[anchor]
                anchors[anchor] += 1
                document.anchors.add(f"{anchor}-{number}" if number else anchor)
            document.anchors.update(_NAMED.findall(line))
            prose.append((at + 1, line))
            at += 1
    _read_prose(document, prose)
    return document


def _begins_indented(lines: list[str], at: int) -> bool:
    """Whether an indented block begins: behind an empty line that does not end a list's entry."""
    if not lines[at].startswith("    ") or not lines[at].strip() or (at and lines[at - 1].strip()):
        return False
    above = next((each for each in reversed(lines[:at]) if each.strip()), "")
    return not re.match(r"\s*([-*+]|\d+\.)\s|\s{2,}\S", above)


def _end_of_fence(lines: list[str], start: int, fence: str) -> int:
    for at in range(start + 1, len(lines)):
        stripped = lines[at].strip()
        if set(stripped) == {fence[0]} and len(stripped) >= len(fence):
            return at
    return len(lines)


def _directives(lines: list[str], fence: int) -> tuple[bool, int | None]:
    """What the comments directly above a block say of it."""
    runs, exit_code = True, None
    at = fence - 1
    while at >= 0 and (not lines[at].strip() or _DIRECTIVE.match(lines[at].strip())):
        if found := _DIRECTIVE.match(lines[at].strip()):
            if found["name"] == "exit":
                exit_code = int(found["value"] or 0)
            else:
                runs = False
        at -= 1
    return runs, exit_code


def _read_prose(document: Document, prose: list[tuple[int, str]]) -> None:
    """Finds links and code spans, which may go over the ends of lines inside a paragraph."""
    paragraph: list[tuple[int, str]] = []
    for number, line in [*prose, (0, "")]:
        starts_anew = re.match(r"\s*([-*+|]|\d+\.)\s|\s*#", line)
        if paragraph and (not line.strip() or starts_anew or number != paragraph[-1][0] + 1):
            _read_paragraph(document, paragraph)
            paragraph = []
        if line.strip():
            paragraph.append((number, line))


def _read_paragraph(document: Document, paragraph: list[tuple[int, str]]) -> None:
    text = "\n".join(line for _, line in paragraph)

    def line_of(place: int) -> int:
        return paragraph[text.count("\n", 0, place)][0]

    for span in _SPAN.finditer(text):
        document.spans.append((line_of(span.start()), " ".join(span["code"].split())))
    # Links are looked for where code was taken out, each character by one that means nothing.
    plain = _SPAN.sub(lambda span: re.sub(r"[^\n]", "x", span[0]), text)
    found: set[tuple[int, str]] = set()
    for pattern in (_LINK, _ATTRIBUTE, _AUTOLINK):
        found |= {(line_of(each.start()), each["target"]) for each in pattern.finditer(plain)}
    for place, line in zip(paragraph, plain.splitlines(), strict=True):
        if reference := _REFERENCE.match(line):
            found.add((place[0], reference["target"]))
    document.links.extend(sorted((number, target.rstrip(".,;")) for number, target in found))


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # of a link, its text
    text = re.sub(r"<[^>]+>", "", text).replace("`", "")
    text = re.sub(r"(?<!\w)[*_]+|[*_]+(?!\w)", "", text)  # emphasis
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
