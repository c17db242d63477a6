"""POST /tokenize and /detokenize: text to token ids and back, in the form of vLLM's server."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from charrnn.serving.api_errors import ApiError
from charrnn.serving.fields import Body, Field, Flag, ListOf, Number, Text
from charrnn.serving.logprobs import TokenNames
from charrnn.serving.operations import STRING, WHOLE, Operation, list_of, object_of, or_null
from charrnn.serving.request_body import read_json
from charrnn.serving.served_models import ServedModel
from charrnn.serving.service import Service, api_errors
from charrnn.wording import valid_text

_MODEL: Final = Field(Text(longest=4096), "The id of a model; the first one if none is given.")

TOKENIZE: Final = Body(
    {
        "model": _MODEL,
        "prompt": Field(Text(), "The text.", required=True),
        "return_token_strs": Field(Flag(), "Return the name of each token, too.", default=False),
        "add_special_tokens": Field(Flag(), "Accepted, and ignored: there are none."),
    }
)
DETOKENIZE: Final = Body(
    {
        "model": _MODEL,
        "tokens": Field(
            ListOf(Number(whole=True, least=0)), "The token ids of the text.", required=True
        ),
    }
)

OPERATIONS: Final = (
    Operation(
        "POST",
        "/tokenize",
        "Return the token ids of a text.",
        TOKENIZE,
        object_of(
            count=WHOLE,
            max_model_len=WHOLE,
            tokens=list_of(WHOLE),
            token_strs=or_null(list_of(STRING)),
        ),
    ),
    Operation(
        "POST",
        "/detokenize",
        "Return the text of token ids.",
        DETOKENIZE,
        object_of(prompt=STRING),
    ),
)


def check_ids(model: ServedModel, ids: list[int], param: str) -> None:
    """Raise ApiError for token ids that a model does not know."""
    size = model.model.tokenizer.vocabulary_size
    if ids and max(ids) >= size:
        raise ApiError(f"{param}: token {max(ids)}: ids go from 0 to {size - 1}", param=param)


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of these endpoints."""

    async def tokenize(request: Request) -> JSONResponse:
        values = TOKENIZE.read(await read_json(request))
        model = service.models.find(values["model"])
        tokenizer = model.model.tokenizer
        with api_errors():
            ids: list[int] = tokenizer.encode(values["prompt"]).tolist()
        names = TokenNames(tokenizer)
        return JSONResponse(
            {
                "count": len(ids),
                "max_model_len": service.config.max_tokens,
                "tokens": ids,
                "token_strs": [names[i] for i in ids] if values["return_token_strs"] else None,
            }
        )

    async def detokenize(request: Request) -> JSONResponse:
        values = DETOKENIZE.read(await read_json(request))
        model = service.models.find(values["model"])
        check_ids(model, values["tokens"], "tokens")
        text = model.model.tokenizer.decode(values["tokens"])
        return JSONResponse({"prompt": valid_text(text)})

    return [
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/detokenize", detokenize, methods=["POST"]),
    ]
