"""Loads charrnn, for the processes that are forked from the one which imports this."""

from tests.docs_check.server import preload

preload()
