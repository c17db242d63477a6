"""The explanation of a model of any task."""

from pathlib import Path
from typing import Any

from charrnn.data.tokenizer import check_text
from charrnn.explanation.config import ExplainConfig
from charrnn.explanation.explanation import Explanation
from charrnn.explanation.request import ExplainRequest
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import load_with_directory
from charrnn.training.explained_text import read_text
from charrnn.training.task import task_definition


def explain(
    model: str | Path | Model, text: str | Path | None = None, **settings: Any
) -> Explanation:
    """Explain a model and a text; see `charrnn.explain`."""
    config, source = ExplainConfig(**settings), "the text"
    directory, found = load_with_directory(model, lists=False)
    if isinstance(text, Path):
        source, text = text.name, read_text(str(text), found.tokenizer)
    elif text is not None:
        check_text(text, source)
    return explain_request(
        ExplainRequest(model=found, directory=directory, text=text, source=source, config=config)
    )


def explain_request(request: ExplainRequest) -> Explanation:
    """Explain the model and the text of a request. Raises ModelError, ConfigError, CorpusError."""
    return task_definition(request.model.config.task).explain(request)
