"""The explanation of a language model.

Legend: N characters, S characters shown.
"""

import warnings
from itertools import pairwise
from typing import Final

import numpy as np

from charrnn.data.tokenizer import Ids
from charrnn.engines import Engine, best_engine
from charrnn.errors import CharRNNWarning, ModelError
from charrnn.explanation.copy_records import Copying
from charrnn.explanation.copying import copied_passages, describe_copies, find_matches
from charrnn.explanation.embeddings import explain_embeddings
from charrnn.explanation.explanation import (
    NOT_ASKED_FOR,
    Explanation,
    alphabet,
    model_facts,
    text_facts,
)
from charrnn.explanation.learning import explain_learning
from charrnn.explanation.memory import LONGEST_CONTEXT, OCCLUSION_IDS, explain_memory
from charrnn.explanation.network_records import Cells, Embeddings, Memory
from charrnn.explanation.request import ExplainRequest
from charrnn.explanation.surprise import Surprisals, describe_surprise, measure_surprisals
from charrnn.explanation.text_records import Learning, Surprise
from charrnn.explanation.texts import ReadText
from charrnn.explanation.units import explain_cells
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import read_model
from charrnn.storage.run import Run, is_run
from charrnn.training.explained_text import choose_text
from charrnn.training.training_text import read_training_text

_READING: Final = 800e9
"""The products of reading the text, about: ten to twenty seconds of a processor. Larger networks
read less of it."""

_WORK: Final = 100e9
"""The products of any other part, about."""

_LEAST: Final = 20_000
_MOST: Final = 1_000_000
_MOST_ACTIVITIES: Final = 30_000_000
_MOST_COMPARED: Final = 100_000
"""The most activities that are in memory (characters times units), and the most characters on which
units are compared with concepts."""

_OWN_SAMPLES: Final = 40
_SAMPLE_LENGTH: Final = 500
_CHECKPOINTS: Final = 12
_LARGEST_TRAINING: Final = 50_000_000
"""The most ids of a training text in which copies are looked for."""


class Explainer:
    """The explanation of one language model and text.

    Raises CorpusError where no text is given and that of the training cannot be read, ModelError
    when the model's numbers overflow.
    """

    def __init__(self, request: ExplainRequest) -> None:
        self.request, self.config, self.model = request, request.config, request.model
        request.stage("reading the text")
        self.corpus = read_training_text(request.directory)
        self.sampler = Sampler(self.model, "float32")
        self.engine: Engine = self.sampler.engine
        affordable = max(int(_READING / self.model.config.parameters), _LEAST)
        self.chosen = choose_text(request, self.corpus, min(affordable, _MOST))
        self.text = self._read_text(self.chosen.text)
        self.shown = min(self.config.shown, len(self.chosen.text))
        self.absent: dict[str, str] = {"attribution": "the model does not classify texts"}

    def explain(self) -> Explanation:
        """Return all parts that the request wants."""
        self.request.stage("measuring the surprise of each character")
        found = measure_surprisals(self.engine, self.text, self.shown)
        surprise: Surprise | None = None
        if self.wants("surprise"):
            surprise = describe_surprise(self.text, found, self._own_surprisals())
        return Explanation(
            model=model_facts(self.model),
            text=text_facts(
                self.chosen.text,
                source=self.chosen.source,
                shown=self.shown,
                of_characters=self.chosen.of_characters,
                skipped=self.chosen.skipped,
            ),
            alphabet=alphabet(self.model),
            surprise=surprise,
            cells=self._cells(),
            memory=self._memory(found),
            copying=self._copying(),
            learning=self._learning(),
            embeddings=self._embeddings(),
            absent=self.absent,
        )

    def wants(self, part: str) -> bool:
        """Return whether a part is to be computed; where not, note that."""
        if not self.config.wants(part):
            self.absent[part] = NOT_ASKED_FOR
        return self.config.wants(part)

    def _read_text(self, text: str) -> ReadText:
        return ReadText.of(text, self.model.tokenizer, self.sampler.prompt_ids("")[0])

    def _own_surprisals(self) -> list[np.typing.NDArray[np.float64]]:
        """Return the surprisals of samples at temperature 1, under the model itself."""
        count = min(self.config.samples, _OWN_SAMPLES)
        settings = SamplingConfig(length=_SAMPLE_LENGTH, temperature=1.0, seed=self.config.seed)
        samples = self.sampler.samples("", settings, indices=range(count), score=True)
        return [-np.array(each.log_probabilities) for each in samples] if count else []

    def _cells(self) -> Cells | None:
        if not self.wants("cells"):
            return None
        self.request.stage("comparing units with concepts")
        config = self.model.config
        units = config.layers * config.hidden_size
        most = max(min(_MOST_ACTIVITIES // units, _MOST_COMPARED), 2_000)
        held = int(np.clip(_WORK / 8 / config.parameters, 2_000, 10_000))
        return explain_cells(
            self.model,
            self._read_text(self.text.text[:most]),
            shown=self.shown,
            make_engine=best_engine,
            held_ids=held,
        )

    def _memory(self, found: Surprisals) -> Memory | None:
        if not self.wants("memory"):
            return None
        self.request.stage("measuring memory")
        affordable = _WORK / self.model.config.parameters  # ids
        return explain_memory(
            self.model,
            self.engine,
            self.text,
            found.of_ids,
            shown=self.shown,
            windows=int(np.clip(affordable / LONGEST_CONTEXT, 8, 128)),
            replacements=int(np.clip(affordable / OCCLUSION_IDS, 1, 4)),
        )

    def _copying(self) -> Copying | None:
        if not self.wants("copying"):
            return None
        training = self.corpus.training
        if training is None or len(training) > _LARGEST_TRAINING:
            self.absent["copying"] = (
                self.corpus.problem
                if training is None
                else f"the training text is longer than {_LARGEST_TRAINING:,}"
            )
            return None
        self.request.stage("looking for copies of the training text")
        groups: dict[str, list[Ids]] = {}
        if self.config.samples:
            settings = SamplingConfig(length=_SAMPLE_LENGTH, seed=self.config.seed)
            writer = Sampler(self.model)
            samples = writer.samples("", settings, indices=range(self.config.samples))
            groups["samples"] = [self.model.tokenizer.encode(each.text) for each in samples]
        groups["text"] = [self.text.ids]
        validation = self.corpus.validation
        if self.request.text is not None and validation is not None and len(validation):
            groups["held_out"] = [np.asarray(validation[: len(self.text.ids)])]
        texts = [text for group in groups.values() for text in group]
        matches = find_matches(np.asarray(training), texts)
        figures, passages = [], []
        bounds = np.cumsum([0, *map(len, groups.values())]).tolist()
        for (name, group), (first, last) in zip(groups.items(), pairwise(bounds), strict=True):
            part = matches.of(first, last)
            figures.append(describe_copies(name, part, group, training, self.model.tokenizer))
            if name == "text":
                passages = self._in_characters(copied_passages(part))
        return Copying(
            training_characters=len(training), figures=tuple(figures), passages=tuple(passages)
        )

    def _in_characters(self, passages: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Return the passages whose beginning is shown, in characters instead of ids."""
        found = []
        for place, length, other in passages:
            begin, end = np.searchsorted(self.text.starts, [place, place + length]).tolist()
            if begin < self.shown and end > begin:
                found.append((begin, end - begin, other))
        return found

    def _learning(self) -> Learning | None:
        if not self.wants("learning"):
            return None
        directory = self.request.directory
        run = None if directory is None else directory.resolve().parent
        if run is None or not is_run(run):
            self.absent["learning"] = "the model is not one of a run, whose checkpoints are kept"
            return None
        self.request.stage("reading with the checkpoints")
        kept = Run(run).checkpoints()
        places = np.unique(np.linspace(0, len(kept) - 1, min(len(kept), _CHECKPOINTS)).round())
        affordable = int(np.clip(_WORK / _CHECKPOINTS / self.model.config.parameters, 5e3, 5e4))
        text = self._read_text(self.text.text[:affordable])
        models = []
        for place in places.astype(int).tolist():
            try:
                models.append(read_model(kept[place]))
            except ModelError as error:
                warnings.warn(str(error), CharRNNWarning, stacklevel=4)
        found = explain_learning(
            models, text.text, lambda model: measure_surprisals(best_engine(model), text, 0).nats
        )
        if found is None:
            self.absent["learning"] = "fewer than two checkpoints are kept; train with --keep"
        return found

    def _embeddings(self) -> Embeddings | None:
        if not self.wants("embeddings"):
            return None
        return explain_embeddings(self.model.tensors["embedding.weight"], self.text.ids)


def explain(request: ExplainRequest) -> Explanation:
    """Explain a language model and a text. Raises as Explainer does."""
    request.model.require("generate")
    return Explainer(request).explain()
