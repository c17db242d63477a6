"""Fixtures of what writes texts."""

from importlib.util import find_spec

import pytest


@pytest.fixture
def patterns_compile_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiles patterns in this process: what needs no bounds need not wait for another."""
    if find_spec("outlines_core") is not None:
        from charrnn.generation import regex

        monkeypatch.setattr(
            regex,
            "compile_apart",
            lambda pattern, symbols, _: regex.compile_steps(pattern, symbols),
        )
