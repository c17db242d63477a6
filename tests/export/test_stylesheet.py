"""The style of a page loses comments, indentation, and rules for what the page does not have."""

import pytest

from charrnn.export.html import page_parts
from charrnn.export.stylesheet import shortened_style


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("/* a\nb */ a {\n  b: c;\n}\n", "a{b: c;}\n"),
        (".used { a: b; }\n.not-used { a: b; }\n", ".used{a: b;}\n"),
        (".used, .not-used b { a: b; }\n", ".used{a: b;}\n"),
        (".used.not-used { a: b; }\n", ""),
        ("a:is(.used, b) c { a: b; }\n", "a:is(.used, b) c{a: b;}\n"),
        (".theme-dark { a: b; }\n", ".theme-dark{a: b;}\n"),
        ("@media (a: b) { .used { c: d; } .not-used { e: f; } }\n", None),
        ("@media (a: b) { .not-used { e: f; } }\n", ""),
        ("@keyframes a { from { b: 0.5em; } }\n", "@keyframes a{from { b: 0.5em; }}\n"),
    ],
)
def test_rules_without_use_go(style: str, expected: str | None) -> None:
    if expected is None:
        expected = "@media (a: b){\n.used{c: d;}\n}\n"
    assert shortened_style(style, 'class: "used", `theme-${a}`') == expected


def test_an_open_brace_is_an_error() -> None:
    with pytest.raises(ValueError, match="not closed"):
        shortened_style("a { b: c;", "")


def test_the_page_has_what_its_parts_need_and_nothing_of_others() -> None:
    style = page_parts().style
    for each in (".many-list", ".about-line", ".ghost", ".theme-", ":root"):
        assert each in style, each
    assert ".finding" not in style and ".predictions" not in style
