"""The interface of a task, the purpose that a network is trained for.

A task has two parts. The TaskDefinition, found in the registry `charrnn.tasks` by the name in
config.json, holds what follows from the name alone, and does not load torch. The Task holds a
tokenized corpus and what a training needs: batches, an evaluation, a plan's choices.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from charrnn.data.loader import Loader, LoaderSettings
from charrnn.errors import ConfigError, ModelError
from charrnn.tasks import find_task
from charrnn.training.corpus_definition import CorpusDefinition
from charrnn.training.loss import BETAS, HOPELESS_LOSS, Loss
from charrnn.training.report import (
    Evaluate,
    EvaluationRequest,
    LossUnit,
    NextCommand,
    Rows,
    TrainingSummary,
)

if TYPE_CHECKING:
    from charrnn.data.corpus import TokenizedCorpus
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.evaluation.baselines import Baseline
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.request import ExplainRequest
    from charrnn.model.config import ModelConfig
    from charrnn.model.recurrent import RecurrentNetwork
    from charrnn.storage.model_directory import Model, Provenance
    from charrnn.storage.run import Run
    from charrnn.training.checkpoint import TrainingState
    from charrnn.training.config import TrainingConfig
    from charrnn.training.forecast import Forecast
    from charrnn.training.options import TrainingOptions
    from charrnn.training.task_card import TaskCard


class TaskDefinition(CorpusDefinition, ABC):
    """The properties that follow from the name of a task, those of CorpusDefinition among them.
    Subclasses set the attributes.

    Attributes:
        name: the entry of TASKS.
        usage: the commands that a trained model is for, with `{run}` in place of its name.
        has_classes: whether the model file names classes.
        fields: the fields of ModelConfig that only some tasks have, this one among them.
        bidirectional: whether networks read in both directions; None: an option decides.
        separate_directions: whether each direction is a separate stack, which never sees the
            outputs of the other.
        carries_state: whether a step begins with the state that the last one ended with.
        several_processes: whether several processes can train together.
        hopeless_loss: see HOPELESS_LOSS.
        betas: the decay rates of AdamW's moments.
        evaluation_options: which of `protocol`, `adapt`, `memory` and `engine` apply to `charrnn
            evaluate`.
        has_int8: whether the int8 engine runs its networks.
        several_models: whether several models can work together.
        shown_measure: the entry of `Task.measures` that is shown beside the loss.
    """

    name: str
    usage: tuple[str, ...] = ()
    has_classes: bool = False
    fields: frozenset[str] = frozenset()
    bidirectional: bool | None = False
    separate_directions: bool = False
    carries_state: bool = False
    several_processes: bool = False
    hopeless_loss: float = HOPELESS_LOSS
    betas: tuple[float, float] = BETAS
    evaluation_options: frozenset[str] = frozenset()
    has_int8: bool = False
    several_models: bool = False
    shown_measure: str | None = None

    @property
    def commands(self) -> str:
        """The commands that a model is for, such as `charrnn sample or charrnn repl`."""
        verbs = dict.fromkeys(usage.split()[0] for usage in self.usage)
        return " or ".join(f"charrnn {verb}" for verb in verbs)

    # The network

    @abstractmethod
    def network(self) -> "Callable[..., RecurrentNetwork]":
        """Return the class of networks: `network(config, kernel=..., generator=...)`."""

    @abstractmethod
    def loss(self) -> Loss:
        """Return the loss function."""

    def check_model(self, config: "ModelConfig") -> None:
        """Raise ConfigError where a config does not describe a network of this task."""
        if self.bidirectional not in (None, config.bidirectional):
            reads = "both directions" if self.bidirectional else "one"
            raise ConfigError(f"a network to {self.name} reads in {reads}")
        for name, none in (
            ("pooling", None),
            ("outputs", None),
            ("attention", None),
            ("members", 1),
        ):
            if name not in self.fields and getattr(config, name) != none:
                raise ConfigError(f"a network to {self.name} has no {name}; leave it out")

    def tensor_shapes(self, config: "ModelConfig") -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight, as `torch.nn` names and lays them out."""
        return config.layer_shapes() | config.head_shapes()

    # The corpus and the plan

    def check_options(self, options: "TrainingOptions") -> None:
        """Raise ConfigError for options that do not apply to this task."""
        if not self.labelled and (option := options.for_labels):
            raise ConfigError(
                f"{option}: there are no labels to learn; name their column with --label, or "
                f"leave {option} out"
            )

    def check_processes(self, count: int) -> None:
        """Raise ConfigError where this many processes cannot train together."""
        if count > 1 and not self.several_processes:
            raise ConfigError(
                f"several processes do not train a network to {self.name} together; "
                "start charrnn train without torchrun"
            )

    @abstractmethod
    def inherit(self, options: "TrainingOptions", base: "Model") -> "TrainingOptions":
        """Return the options with the sizes of the model that a training starts from. Raises
        ConfigError where they ask for other sizes, ModelError where a training cannot start from
        it."""

    @abstractmethod
    def make_task(
        self,
        corpus: "TokenizedCorpus",
        settings: "TrainingConfig | TrainingOptions",
        *,
        split_seed: int | None,
    ) -> "Task":
        """Return the task on a corpus; for `split_seed`, see TrainingConfig. Raises CorpusError
        when the text is too short."""

    # Texts and units for people

    @abstractmethod
    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """Return the unit in which losses are shown."""

    def describe_loss(self, tokenizer: "Tokenizer", loss: float) -> str:
        """Describe a validation loss with its unit."""
        unit = self.loss_unit(tokenizer)
        return f"{unit.show(loss)} {unit.name}"

    def model_rows(self, model: "Model") -> Rows:
        """Return what `charrnn info` shows about a model of this task only."""
        return ()

    def card(self) -> "TaskCard | None":
        """Return what a model card says about models of this task only."""
        return None

    @abstractmethod
    def describe_corpus(self, provenance: "Provenance") -> str:
        """Describe how the corpus of a model is read."""

    def describe_held_out(self, provenance: "Provenance") -> str:
        """Describe what was held out of the corpus of a model: `held_out_items` drawn by a seed."""
        share = f"{100 * provenance.validation_fraction:.3g} %"
        seed = self.held_out_seed(provenance)
        return f"{share} of the {self.held_out_items}, drawn by the seed {seed}"

    # Evaluation

    def evaluation_read_options(
        self, file: str, read: "ReadOptions", trained_on: "ReadOptions | None"
    ) -> "ReadOptions":
        """Return the options to read a file to evaluate on; what they leave open is as in the
        training. Raises ConfigError."""
        return read

    def prepare_evaluation(
        self, request: EvaluationRequest, progress: "ReadingProgress"
    ) -> Evaluate:
        """Read what an evaluation needs; return the evaluation. Raises CorpusError, ConfigError,
        ModelError."""
        raise ModelError(
            f"the model of {request.model.provenance.corpus} was trained to {self.name}, which "
            f"charrnn evaluate does not measure: use it with {self.commands}"
        )

    def explain(self, request: "ExplainRequest") -> "Explanation":
        """Explain a model and a text. Raises CorpusError, ModelError."""
        raise ModelError(
            f"the model of {request.model.provenance.corpus} was trained to {self.name}, which "
            f"charrnn explain does not explain: use it with {self.commands}"
        )


def task_definition(name: str) -> TaskDefinition:
    """Return the definition of an entry of TASKS."""
    definition: TaskDefinition = find_task(name)
    return definition


class Task(ABC):
    """A corpus, and what a network learns from it.

    Attributes:
        name: the entry of TASKS.
        corpus: the corpus, as ids.
        labels: the names of the classes, in the order of the outputs.
        unit: the unit of the head's outputs during training; see RecurrentNetwork.
    """

    name: str
    corpus: "TokenizedCorpus"
    labels: tuple[str, ...] = ()
    unit: float = 1.0

    @property
    def definition(self) -> TaskDefinition:
        """The definition of this task."""
        return task_definition(self.name)

    @property
    @abstractmethod
    def training_characters(self) -> int:
        """The number of characters to learn from."""

    @property
    @abstractmethod
    def validation_characters(self) -> int:
        """The number of held-out characters."""

    def loader(
        self,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> Loader:
        """Return the batches of a training, from the first; for `rank` of `world_size` processes,
        its share. Raises ConfigError where this many processes cannot train together."""
        self.definition.check_processes(world_size)
        return self.make_loader(LoaderSettings(batch_size, sequence_length, seed, rank, world_size))

    @abstractmethod
    def make_loader(self, settings: LoaderSettings) -> Loader:
        """Return the loader for `loader`, which has checked the number of processes."""

    @abstractmethod
    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """Return the number of steps that read all of the training text once."""

    @abstractmethod
    def evaluate(
        self, network: "RecurrentNetwork", *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """Yield the loss on the held-out part and the number of characters it is of, after each
        part; the last is the result.

        Args:
            at_most: the evaluation may end after this many characters, which are spread over the
                text, or belong to documents drawn by chance, always the same.
            at_once: how many characters may be read together, as far as a single document allows;
                None: as many as is fast.
        """

    def is_better(self, nats: float, best_nats: float) -> bool:
        """Return whether a model with this validation loss takes the place of the best so far."""
        return nats < best_nats

    @abstractmethod
    def sample(self, model: "Model", seed: int) -> str:
        """Return a text that shows how good the model is. Raises ModelError."""

    def measures(self) -> dict[str, float]:
        """Return measures of the last evaluation besides the loss, by name."""
        return {}

    @property
    def baselines(self) -> "Mapping[str, Baseline]":
        """The simpler models to compare with on the held-out part by name, the quickest first."""
        return {}

    def prepare(self, network: "RecurrentNetwork") -> None:
        """Set the attributes that a network needs before training and that are not weights."""
        network.unit = self.unit

    def initialize(self, network: "RecurrentNetwork") -> None:
        """Set what a fresh network knows about the corpus before its first step; see `prepare`."""
        self.prepare(network)

    # The plan

    @abstractmethod
    def choose_batch(self, options: "TrainingOptions") -> tuple[int, int]:
        """Return the batch size and the sequence length."""

    def step_characters(self, batch_size: int, sequence_length: int) -> float:
        """Return how many characters a step reads on average."""
        return batch_size * sequence_length

    @abstractmethod
    def choose_model(
        self,
        options: "TrainingOptions",
        sequence_length: int,
        characters: "Callable[[ModelConfig], float]",
    ) -> "ModelConfig":
        """Choose the sizes of the network, where the options leave them open; `characters` returns
        how many characters a network can read in the given time."""

    @abstractmethod
    def regularize(
        self,
        options: "TrainingOptions",
        config: "TrainingConfig",
        model: "ModelConfig",
        epochs: float,
    ) -> "tuple[TrainingConfig, ModelConfig]":
        """Return the settings and the network with what depends on how often the text is read."""

    def notes(
        self, options: "TrainingOptions", batch_size: int, sequence_length: int, *, fresh: bool
    ) -> list[str]:
        """Return notes on the corpus for the user, a sentence each; `fresh`: the network does not
        start from another model."""
        return []

    @abstractmethod
    def copy_weights(self, base: "Model", network: "RecurrentNetwork") -> list[str]:
        """Copy the weights of the model that the training starts from into a fresh network; return
        notes for the user, a sentence each."""

    def forecast(self, epochs: float) -> "Forecast | None":
        """Return the expected validation loss after `epochs` epochs; None: no forecast."""
        return None

    # Texts and units for people

    @abstractmethod
    def describe_size(self) -> str:
        """Describe how much text there is, such as `a text of 1,200 characters`."""

    @abstractmethod
    def describe_corpus(self) -> str:
        """Describe the size of the corpus, to be shown after its name."""

    @abstractmethod
    def describe_batch(self, config: "TrainingConfig") -> str:
        """Describe what a step reads."""

    @abstractmethod
    def headline(self, position: "TrainingState", config: "TrainingConfig") -> str:
        """Describe the best model of a training, and its loss where it is meaningful."""

    def next_commands(self) -> tuple[NextCommand, ...]:
        """Return the commands to try after a training, the most useful first."""
        return tuple(NextCommand(f"charrnn {each}", "") for each in self.definition.usage)

    def gain_of_epochs(self, config: "TrainingConfig", times: float) -> float:
        """Return the share by which the loss is expected to fall with `times` as many epochs."""
        return 0.0

    def summarize(self, run: "Run") -> TrainingSummary:
        """Return measures of the best model of a training besides its loss; this may take long.
        Raises ModelError, CorpusError."""
        return TrainingSummary()
