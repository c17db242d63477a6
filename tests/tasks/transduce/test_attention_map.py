import base64
import hashlib
import re
from pathlib import Path

import pytest

from charrnn.tasks.transduce import attention_map
from charrnn.tasks.transduce.attention_map import to_html, write_alignments
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.tasks.transduce.translate import Translation, Translator
from tests.tasks.transduce.fakes import TOKENIZER, UpperCase, make_pair_model


def translations(*texts: str, tokenizer: PairTokenizer = TOKENIZER) -> list[Translation]:
    engine = UpperCase(tokenizer)
    translator = Translator(make_pair_model(tokenizer), engine=engine, alignment=True)
    return list(translator.stream(texts))


def test_a_cell_is_coloured_where_a_character_wrote_a_symbol() -> None:
    page = to_html(translations("ab"), title="x")
    rows = re.findall(r"<tr><th>(.)</th>(.*?)</tr>", page)
    assert [(symbol, cells.count("w10")) for symbol, cells in rows if "td" in cells] == [
        ("A", 1),
        ("B", 1),
    ]
    assert rows[-1][1].index("w10") > rows[-1][1].index("<td></td>")


def test_nothing_in_a_text_is_markup() -> None:
    tokenizer = PairTokenizer("<>&", ("<i>", "&", '"'), separator=" ")
    page = to_html(translations("<&>", tokenizer=tokenizer), title="<script>")
    assert "<i>" not in page and "<script>" not in page
    assert "&lt;i&gt;" in page and "&lt;script&gt;" in page


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    page = to_html(translations("ab"), title="x")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert "style=" not in page and "http" not in page.replace("http-equiv", "")


def test_a_line_without_a_translation_says_why() -> None:
    page = to_html([Translation("ab", (), problem="it is <too> long")], title="x")
    assert "it is &lt;too&gt; long" in page
    assert "nothing to translate" in to_html(translations(""), title="x")


def test_a_page_ends_at_the_most_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_map, "MOST_CELLS", 10)
    path = tmp_path / "page.html"
    assert write_alignments(path, translations("ab", "ab", "ab"), title="x") == 2
    assert path.read_text().count("<section>") == 2


def test_bytes_that_are_not_text_do_not_stop_the_page(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert write_alignments(path, translations("a\udcff"), title="x") == 1
    path.read_text(encoding="utf-8")
