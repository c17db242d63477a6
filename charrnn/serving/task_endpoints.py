"""POST /api/fill, /api/proofread, /api/predict, /api/score, /api/suggest and /api/known: what else
models do than complete a text."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from charrnn.errors import CorpusError
from charrnn.generation.selection import known_line
from charrnn.interactive.suggestions import UNITS, find_suggestions
from charrnn.serving.api_errors import ApiError
from charrnn.serving.configuration_fields import fields_of
from charrnn.serving.fields import Body, Field, ListOf, Number, Text
from charrnn.serving.request_body import read_json
from charrnn.serving.served_models import ServedModel
from charrnn.serving.service import Service
from charrnn.tasks.classify.predict import predict
from charrnn.tasks.infill.config import FillConfig, ProofreadConfig
from charrnn.tasks.infill.corrections import apply_corrections
from charrnn.tasks.infill.fill import fill
from charrnn.tasks.infill.proofread import proofread

LONGEST_TEXT: Final = 100_000
"""The most characters of a text in a request."""

MOST_SUGGESTIONS: Final = 20
MOST_TEXTS: Final = 1000

MODEL: Final = Field(
    Text(longest=4096), "The id of a model; the first one that can do this if none is given."
)
TEXT: Final = Text(longest=LONGEST_TEXT)

FILL: Final = Body(
    {
        "model": MODEL,
        "text": Field(TEXT, "A text with gaps.", required=True),
        **fields_of(FillConfig),
    }
)
PROOFREAD: Final = Body(
    {
        "model": MODEL,
        "text": Field(TEXT, "The text to read.", required=True),
        **fields_of(ProofreadConfig),
    }
)
PREDICT: Final = Body(
    {
        "model": MODEL,
        "texts": Field(ListOf(TEXT, 1, MOST_TEXTS), "The texts.", required=True),
    }
)
SCORE: Final = Body(
    {
        "model": MODEL,
        "text": Field(TEXT, "The text to score.", required=True),
        "alternatives": Field(
            Number(whole=True, least=0, most=MOST_SUGGESTIONS),
            "How many of the likeliest characters to return in the place of each.",
            default=0,
        ),
    }
)
SUGGEST: Final = Body(
    {
        "model": MODEL,
        "prompt": Field(TEXT, "The text before.", default=""),
        "unit": Field(Text(choices=UNITS), "What to suggest.", default="character"),
        "count": Field(
            Number(whole=True, least=1, most=MOST_SUGGESTIONS), "How many suggestions.", default=5
        ),
    }
)
KNOWN: Final = Body(
    {
        "model": MODEL,
        "texts": Field(ListOf(TEXT, 1, MOST_TEXTS), "The texts.", required=True),
    }
)


def fill_gaps(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `charrnn fill --json` prints."""
    fillings = fill(model.model, values["text"], FillConfig(**_settings(FillConfig, values)))
    return {"texts": [asdict(each) for each in fillings]}


def find_mistakes(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `charrnn proofread --json` prints."""
    text = values["text"]
    findings = proofread(model.model, text, ProofreadConfig(**_settings(ProofreadConfig, values)))
    corrected = apply_corrections(text, [each.correction for each in findings])
    return {"findings": [asdict(each) for each in findings], "corrected": corrected}


def predict_texts(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `charrnn predict --json` prints."""
    return {"predictions": [asdict(each) for each in predict(model.model, values["texts"])]}


def score_text(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the log-probability, the rank and the alternatives of each character."""
    sampler, text, count = model.sampler, values["text"], values["alternatives"]
    tokenizer = model.model.tokenizer
    characters: list[dict[str, Any]] = []
    ids = tokenizer.encode(tokenizer.without_unknown(text)).astype(np.int64)
    inputs = np.concatenate([sampler.prompt_ids("")[:1], ids[:-1]])
    logits = sampler.engine.advance(inputs[None], None)[0][0] if len(ids) else np.empty((0, 1))
    place, total = 0, 0.0
    for character in text:
        if tokenizer.unknown(character):
            characters.append(
                {"text": character, "log_probability": None, "rank": None, "alternatives": []}
            )
            continue
        row = logits[place].astype(np.float64)
        row -= np.logaddexp.reduce(row)
        own = float(row[ids[place]])
        best = np.argsort(-row, kind="stable")[:count]
        characters.append(
            {
                "text": character,
                "log_probability": own,
                "rank": 1 + int((row > own).sum()),
                "alternatives": [
                    {"text": tokenizer.decode([int(i)]), "probability": float(np.exp(row[i]))}
                    for i in best
                ],
            }
        )
        total -= own
        place += len(tokenizer.encode(character))
    scored = sum(each["log_probability"] is not None for each in characters)
    return {
        "characters": characters,
        "bits_per_character": total / np.log(2) / scored if scored else None,
        "characters_scored": scored,
    }


def suggest(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the likeliest next characters, words or lines."""
    sampler = model.sampler
    tokenizer = model.model.tokenizer
    ids = sampler.prompt_ids(tokenizer.without_unknown(values["prompt"]))
    logits, state = sampler.engine.advance([ids], None)
    found = find_suggestions(
        sampler.engine, tokenizer, logits[:, -1], state, values["unit"], values["count"]
    )
    return {"suggestions": [each._asdict() for each in found]}


def find_known(model: ServedModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return which texts have a line of the training text, as --novel of `charrnn sample` finds
    them. Raises ApiError where the training text cannot be read any more."""
    try:
        lines = model.training_lines
    except CorpusError as error:
        raise ApiError(
            f"the training text of {model.name} cannot be read: {error.__cause__ or error}",
            status=404,
            code="training_text_not_found",
        ) from error
    return {"known": [known_line(each, lines) is not None for each in values["texts"]]}


def _settings(configuration: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that are given."""
    return {name: values[name] for name in fields_of(configuration) if values[name] is not None}


ENDPOINTS: Final = {
    "/api/fill": (FILL, fill_gaps, ("restore",)),
    "/api/proofread": (PROOFREAD, find_mistakes, ("restore",)),
    "/api/predict": (PREDICT, predict_texts, ("classify", "regress")),
    "/api/score": (SCORE, score_text, ("generate",)),
    "/api/suggest": (SUGGEST, suggest, ("generate",)),
    "/api/known": (KNOWN, find_known, ("generate",)),
}
"""The body of each endpoint, its function, and the tasks of its models."""


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of these endpoints."""
    return [_route(service, path) for path in ENDPOINTS]


def _route(service: Service, path: str) -> BaseRoute:
    body, work, tasks = ENDPOINTS[path]

    async def answer(request: Request) -> JSONResponse:
        values = body.read(await read_json(request))
        model = service.models.find(values["model"], *tasks)
        return JSONResponse(await service.run(request.receive, lambda check: work(model, values)))

    return Route(path, answer, methods=["POST"])
