"""Writing together with a model: a manuscript, suggestions and ghost text."""
