"""POST /api/fill, /api/proofread, /api/predict, /api/score, /api/suggest and /api/known: what
models do besides completing a text."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn.interactive.suggestions import UNITS, find_suggestions
from charrnn.serving.api_errors import ApiError
from charrnn.serving.configuration_fields import fields_of
from charrnn.serving.fields import Body, Field, Flag, ListOf, Number, Schema, Text
from charrnn.serving.jobs import Check
from charrnn.serving.large_json import encode_in_slices
from charrnn.serving.operations import (
    BOOLEAN,
    PROBABILITY,
    REAL,
    STRING,
    WHOLE,
    Operation,
    list_of,
    object_of,
    or_null,
)
from charrnn.serving.request_body import read_json
from charrnn.serving.served_models import ServedModel
from charrnn.serving.service import Service
from charrnn.serving.text_scores import score_text
from charrnn.tasks.classify.predict import Classifier
from charrnn.tasks.infill.config import FillConfig, ProofreadConfig
from charrnn.tasks.infill.corrections import apply_corrections
from charrnn.tasks.infill.fill import fill
from charrnn.tasks.infill.proofread import proofread

LONGEST_TEXT: Final = 100_000
"""The most characters of a text in a request."""

MOST_SCORES: Final = 1 << 19
"""The most characters and alternatives in an answer of /api/score, which memory has to hold."""

LONGEST_FILL: Final = 64
MOST_FILLS: Final = 64
MOST_SUGGESTIONS: Final = 20
MOST_TEXTS: Final = 1000

MODEL: Final = Field(
    Text(longest=4096), "The id of a model; the first one that can do this if none is given."
)
_TEXT: Final = Text(longest=LONGEST_TEXT)
_TEXTS: Final = Field(ListOf(_TEXT, 1, MOST_TEXTS), "The texts.", required=True)

Work = Callable[[Service, ServedModel, Mapping[str, Any], Check], dict[str, Any]]


@dataclass(frozen=True)
class TaskEndpoint:
    """An endpoint that computes its answer as a whole.

    Attributes:
        path, summary: see Operation.
        tasks: the tasks of the models that it is for.
        fields: its fields besides `model`.
        answer: the JSON Schema of its answer.
        work: makes the answer of a model and the values of the fields.
    """

    path: str
    summary: str
    tasks: tuple[str, ...]
    fields: Mapping[str, Field]
    answer: Schema
    work: Work

    @property
    def body(self) -> Body:
        """Its request."""
        return Body({"model": MODEL, **self.fields})

    @property
    def operation(self) -> Operation:
        """Its entry in the OpenAPI document."""
        return Operation("POST", self.path, self.summary, self.body, self.answer)


def _fill_gaps(
    _: Service, model: ServedModel, values: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    config = FillConfig(**_settings(FillConfig, values))
    fillings = fill(model.model, values["text"], config, progress=lambda *_: check())
    return {"texts": [asdict(each) for each in fillings]}


def _find_mistakes(
    _: Service, model: ServedModel, values: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    text = values["text"]
    config = ProofreadConfig(**_settings(ProofreadConfig, values))
    findings = proofread(model.model, text, config, progress=lambda *_: check())
    corrected = apply_corrections(text, [each.correction for each in findings])
    return {"findings": [asdict(each) for each in findings], "corrected": corrected}


def _predict(
    _: Service, model: ServedModel, values: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    predictions = []
    for each in Classifier(model.model).stream(values["texts"]):
        check()
        predictions.append(
            {
                "label": each.label,
                "probabilities": each.probabilities or None,
                "number": each.number,
                "reason": each.problem,
                "skipped": list(each.skipped),
            }
        )
    return {"predictions": predictions}


def _score(
    service: Service, model: ServedModel, values: Mapping[str, Any], check: Check
) -> dict[str, Any]:
    tokenizer, text, alternatives = model.model.tokenizer, values["text"], values["alternatives"]
    if len(text) * (1 + alternatives) > MOST_SCORES:
        raise ApiError(
            f"{alternatives} alternatives: choose at most {MOST_SCORES // len(text) - 1} for "
            f"{len(text):,} characters",
            param="alternatives",
        )
    return score_text(service.scorer(model), tokenizer, text, alternatives, check)


def _suggest(
    service: Service, model: ServedModel, values: Mapping[str, Any], _: Check
) -> dict[str, Any]:
    sampler, tokenizer = model.sampler, model.model.tokenizer
    ids = sampler.prompt_ids(tokenizer.without_unknown(values["prompt"]), lines=values["lines"])
    state = service.scorer(model).state(ids[:-1])
    logits, state = sampler.engine.advance([ids[-1:]], state)
    found = find_suggestions(
        sampler.engine, tokenizer, logits[:, -1], state, values["unit"], values["count"]
    )
    return {"suggestions": [each._asdict() for each in found]}


def _find_known(
    service: Service, model: ServedModel, values: Mapping[str, Any], _: Check
) -> dict[str, Any]:
    lines = model.training_lines
    return {"known": [any(each in lines for each in _lines(text)) for text in values["texts"]]}


def _lines(text: str) -> list[str]:
    """Return the lines of a text that are not empty."""
    lines = (each.removesuffix("\r") for each in text.split("\n"))
    return [each for each in lines if each]


def _settings(configuration: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that are given."""
    return {name: values[name] for name in fields_of(configuration) if values[name] is not None}


def _fill_fields() -> dict[str, Field]:
    """Return the fields of FillConfig, with limits: time grows with both numbers."""
    fields = fields_of(FillConfig)
    for name, most in (("longest", LONGEST_FILL), ("alternatives", MOST_FILLS)):
        fields[name] = replace(fields[name], kind=Number(whole=True, least=1, most=most))
    fields["gap"] = replace(fields["gap"], kind=Text(shortest=1, longest=1))
    return fields


_CORRECTION: Final = object_of(begin=WHOLE, end=WHOLE, replacement=STRING, kind=STRING, gain=REAL)

ENDPOINTS: Final = (
    TaskEndpoint(
        "/api/fill",
        "Fill the gaps of a text, the most probable text first.",
        ("restore",),
        {"text": Field(_TEXT, "A text with gaps.", required=True), **_fill_fields()},
        object_of(
            texts=list_of(
                object_of(
                    text=STRING,
                    probability=PROBABILITY,
                    gaps=list_of(
                        object_of(
                            position=WHOLE, length=WHOLE, filled=STRING, probability=PROBABILITY
                        )
                    ),
                )
            )
        ),
        _fill_gaps,
    ),
    TaskEndpoint(
        "/api/proofread",
        "Find probable mistakes in a text, with corrections.",
        ("restore",),
        {
            "text": Field(_TEXT, "The text to read.", required=True),
            **fields_of(ProofreadConfig),
        },
        object_of(
            findings=list_of(
                object_of(
                    line=WHOLE,
                    column=WHOLE,
                    original=STRING,
                    correction=_CORRECTION,
                    surprise=REAL,
                    others=list_of(_CORRECTION),
                )
            ),
            corrected=STRING,
        ),
        _find_mistakes,
    ),
    TaskEndpoint(
        "/api/predict",
        "Predict the class of each text with the probabilities of all, or a number.",
        ("classify", "regress"),
        {"texts": _TEXTS},
        object_of(
            predictions=list_of(
                object_of(
                    label=or_null(STRING),
                    probabilities=or_null({"type": "object", "additionalProperties": PROBABILITY}),
                    number=or_null(REAL),
                    reason=or_null(STRING),
                    skipped=list_of(STRING),
                )
            )
        ),
        _predict,
    ),
    TaskEndpoint(
        "/api/score",
        "Return the log-probability of each character, in nats, and its rank.",
        ("generate",),
        {
            "text": Field(_TEXT, "The text to score.", required=True),
            "alternatives": Field(
                Number(whole=True, least=0, most=MOST_SUGGESTIONS),
                "How many of the likeliest characters to return in the place of each.",
                default=0,
            ),
        },
        object_of(
            characters=list_of(
                object_of(
                    text=STRING,
                    log_probability=or_null(REAL),
                    rank=or_null(WHOLE),
                    alternatives=list_of(object_of(text=STRING, probability=PROBABILITY)),
                )
            ),
            bits_per_character=or_null(REAL),
            characters_scored=WHOLE,
        ),
        _score,
    ),
    TaskEndpoint(
        "/api/suggest",
        "Return the likeliest next characters, words or lines of a text, the likeliest first.",
        ("generate",),
        {
            "prompt": Field(
                _TEXT,
                "The text before. Characters that the model has never seen are left out.",
                default="",
            ),
            "unit": Field(Text(choices=UNITS), "What to suggest.", default="character"),
            "count": Field(
                Number(whole=True, least=1, most=MOST_SUGGESTIONS),
                "How many suggestions.",
                default=5,
            ),
            "lines": Field(Flag(), "Begin as after a newline.", default=False),
        },
        object_of(suggestions=list_of(object_of(text=STRING, probability=PROBABILITY))),
        _suggest,
    ),
    TaskEndpoint(
        "/api/known",
        "Say of each text whether it has a line of the training text.",
        ("generate",),
        {"texts": _TEXTS},
        object_of(known=list_of(BOOLEAN)),
        _find_known,
    ),
)
"""The endpoints."""

OPERATIONS: Final = tuple(each.operation for each in ENDPOINTS)


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of these endpoints."""
    return [_route(service, each) for each in ENDPOINTS]


def _route(service: Service, endpoint: TaskEndpoint) -> BaseRoute:
    body = endpoint.body

    async def answer(request: Request) -> Response:
        values = body.read(await read_json(request))
        model = service.models.find(values["model"], *endpoint.tasks)
        given = values.get("texts") or [values.get("text") or values.get("prompt") or ""]
        service.metrics.read += sum(map(len, given))
        if endpoint.tasks == ("generate",):
            service.scorer(model)  # made in this thread

        def work(check: Check) -> bytes:
            return encode_in_slices(endpoint.work(service, model, values, check), ascii=False)

        content = await service.answer(request.receive, work)
        return Response(content, media_type="application/json")

    return Route(endpoint.path, answer, methods=["POST"])
