"""A reader of what a scheduler delivers, for tests."""

import threading
from collections import defaultdict
from typing import Any

from charrnn.data.tokenizer import CharTokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.texts import Piece, TextRequest
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import drawn_model
from tests.provenance import make_provenance

CHARACTERS = "\n ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,;"


def model_of(network: str = "lstm", **sizes: Any) -> Model:
    """A model whose characters follow one another with very different probabilities."""
    config, tensors = drawn_model(network, **{"hidden_size": 37, "layers": 2, **sizes})
    tensors["head.weight"] *= 8
    return Model(config, CharTokenizer(CHARACTERS), tensors, make_provenance())


class Reader:
    """Collects the pieces of texts, by their places."""

    def __init__(self) -> None:
        self.pieces: dict[int, list[Piece]] = defaultdict(list)
        self._changed = threading.Condition()

    def __call__(self, place: int, piece: Piece) -> None:
        with self._changed:
            before = self.pieces[place]
            assert not (before and before[-1].is_last), "a piece after the last one"
            before.append(piece)
            self._changed.notify_all()

    def wait(self, *places: int, seconds: float = 20) -> None:
        """Wait until the texts at some places have ended."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: all(self.pieces[each] and self.pieces[each][-1].is_last for each in places),
                seconds,
            ), "a text has not ended"

    def wait_for_ids(self, place: int, count: int, seconds: float = 20) -> None:
        """Wait until a text has so many ids."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ids(place)) >= count, seconds)

    def ids(self, place: int) -> list[int]:
        return [each for piece in self.pieces[place] for each in piece.ids]

    def log_probabilities(self, place: int) -> list[float]:
        return [each for piece in self.pieces[place] for each in piece.log_probabilities]

    def end(self, place: int) -> Piece:
        return self.pieces[place][-1]

    def text(self, place: int, sampler: Sampler) -> str:
        """The text at a place, without its stop string."""
        ids, last = self.ids(place), self.end(place)
        assert last.error is None, last.error
        return sampler.model.tokenizer.decode(ids[: len(ids) - last.cut])


def request_of(
    sampler: Sampler, prompt: str = "", index: int = 0, *, scored: bool = False, **settings: Any
) -> TextRequest:
    config = SamplingConfig(**settings)
    ids = sampler.prompt_ids(prompt, lines=config.lines)
    return TextRequest(ids, config, index, scored)


def write(scheduler: Scheduler, *requests: TextRequest) -> Reader:
    """Write texts together, and wait for all of them."""
    reader = Reader()
    scheduler.submit(requests, reader)
    reader.wait(*range(len(requests)))
    return reader
