"""The command line, the only package that imports Typer, Rich and prompt_toolkit."""
