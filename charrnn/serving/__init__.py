"""Serving: models over HTTP, as a completions API and as a page."""
