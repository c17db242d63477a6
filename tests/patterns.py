"""Tests of regular expressions: they need outlines-core, which is optional."""

from importlib.util import find_spec

import pytest

needs_regex = pytest.mark.skipif(
    find_spec("outlines_core") is None, reason="patterns need outlines-core"
)
