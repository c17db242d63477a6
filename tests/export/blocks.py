"""What is in a page in one file."""

import base64
import hashlib
import json
import zlib
from html.parser import HTMLParser
from typing import Final

DIGITS: Final = bytes.maketrans(b",.", b"<&")

WAYS_TO_MARKUP_OR_CODE: Final = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"),
    "eval(",
)


class Blocks(HTMLParser):
    """The elements of a page: their tags, attributes and texts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self._open = False
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))
        self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, attributes, text = self.found[-1]
            self.found[-1] = tag, attributes, text + data

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, text) for each, attributes, text in self.found if each == tag]

    def block(self, name: str) -> str:
        (text,) = (text for attributes, text in self.of("script") if attributes.get("id") == name)
        return text


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text.encode().translate(DIGITS)))


def parts_of(page: bytes) -> dict[str, str]:
    """The parts that the loader unpacks, by id."""
    packed = unpacked(Blocks(page).block("charrnn-page"))
    return {name: text for _, _, name, text in json.loads(packed)}


def check_policy(page: bytes, *more: str) -> None:
    """Asserts that the policy allows the scripts and the style of the file and nothing else, `more`
    directives left out, and that it stands before them."""
    blocks, parts = Blocks(page), parts_of(page)
    (policy,) = (
        attributes["content"]
        for attributes, _ in blocks.of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    (loader,) = (text for attributes, text in blocks.of("script") if not attributes)

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src {digest(loader)} {digest(parts['page-main'])}",
        f"style-src {digest(parts['page-style'])}",
        *more,
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    first = next(k for k, (tag, _, _) in enumerate(blocks.found) if tag in ("script", "link"))
    assert any(each.get("content") == policy for _, each, _ in blocks.found[:first])


def check_names_no_other_place(page: bytes) -> None:
    """Asserts that nothing of a page's own names an address."""
    for text in (page.decode(), *parts_of(page).values()):
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    for tag, attributes, _ in Blocks(page).found:
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
        assert tag != "link" or str(attributes["href"]).startswith("data:")


def check_makes_no_markup(page: bytes) -> None:
    """Asserts that no part of a page makes markup or code of text."""
    for name, text in parts_of(page).items():
        for way in WAYS_TO_MARKUP_OR_CODE:
            assert way not in text, f"{name} uses {way}"
