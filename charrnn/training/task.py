"""The interface of a task: all that the core asks of what a network is trained for.

A task has two parts. Its TaskDefinition, found in the registry `charrnn.tasks` by the name in
config.json, answers what follows from the name alone, and loads no torch. Its Task holds a
tokenized corpus, and answers what a training needs: batches, an evaluation, a plan's choices.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from charrnn.data.loader import Loader, LoaderSettings
from charrnn.errors import ConfigError, ModelError
from charrnn.tasks import find_task
from charrnn.training.next_commands import NextCommand
from charrnn.training.report import Evaluate, EvaluationRequest, LossUnit, Rows, TrainingSummary

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.data.corpus import Corpus, TokenizedCorpus
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.model.config import ModelConfig
    from charrnn.model.recurrent import RecurrentNetwork, State
    from charrnn.storage.model_directory import Model, Provenance
    from charrnn.storage.run import Run
    from charrnn.training.checkpoint import TrainingState
    from charrnn.training.config import TrainingConfig
    from charrnn.training.forecast import Forecast
    from charrnn.training.options import TrainingOptions

HOPELESS_LOSS: Final = 1000.0
"""Nats per character from which a network does not recover (a uniform guess costs ln V, 14 at
most). With gradients clipped and gates saturated, an LSTM can train on forever with a loss of 1e30
and never reach infinity."""


class Learned(NamedTuple):
    """What the loss function of a task gives for a batch.

    Attributes:
        loss: its mean.
        state: what the next step begins with.
        unweighted: the same without weights, where the loss is weighted: it shows whether the
            network has diverged.
    """

    loss: "Tensor"
    state: "State"
    unweighted: "Tensor | None" = None


Loss = Callable[..., Learned]
"""The loss function of a task: `loss(network, batch, state, random=..., masks=...)`. `state` is
what the last step gave, None at the first; `random` (NumPy's) and `masks` (PyTorch's) are
generators for all that is random, both a function of (seed, step)."""


class TaskDefinition(ABC):
    """What follows from the name of a task. Subclasses set the attributes.

    Attributes:
        name: the entry of TASKS.
        usage: the commands that a trained model is for, with `{run}` where its name goes.
        labelled: whether each document has a label to learn, which its reading needs.
        has_classes: whether the model file names classes.
        fields: the fields of ModelConfig that only some networks have, and these do.
        bidirectional: whether networks read in both directions; None where that is an option.
        separate_directions: whether each direction is a stack of its own, which never sees the
            other's outputs.
        carries_state: whether a step begins with the state that the last one ended with.
        several_processes: whether several processes can train together.
        hopeless_loss: see HOPELESS_LOSS.
        evaluation_options: what `charrnn evaluate` can be asked for, of `protocol` and `adapt`.
        shown_measure: the entry of `Task.measures` that is shown beside the loss.
    """

    name: str
    usage: tuple[str, ...] = ()
    labelled: bool = False
    has_classes: bool = False
    fields: frozenset[str] = frozenset()
    bidirectional: bool | None = False
    separate_directions: bool = False
    carries_state: bool = False
    several_processes: bool = False
    hopeless_loss: float = HOPELESS_LOSS
    evaluation_options: frozenset[str] = frozenset()
    shown_measure: str | None = None

    @property
    def commands(self) -> str:
        """The commands that a model is for, such as `charrnn sample or charrnn repl`."""
        verbs = dict.fromkeys(usage.split()[0] for usage in self.usage)
        return " or ".join(f"charrnn {verb}" for verb in verbs)

    # The network

    @abstractmethod
    def network(self) -> "Callable[..., RecurrentNetwork]":
        """The class of networks: `network(config, kernel=..., generator=...)`."""

    @abstractmethod
    def loss(self) -> Loss:
        """What a network learns by."""

    def check_model(self, config: "ModelConfig") -> None:
        """Raises ConfigError where the network of a config is not one of this task."""
        if self.bidirectional not in (None, config.bidirectional):
            reads = "both directions" if self.bidirectional else "one"
            raise ConfigError(f"a network to {self.name} reads in {reads}")
        for name in ("pooling", "outputs", "attention"):
            if name not in self.fields and getattr(config, name) is not None:
                raise ConfigError(f"a network to {self.name} has no {name}; leave it out")

    def tensor_shapes(self, config: "ModelConfig") -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight, as `torch.nn` names and lays them out."""
        return config.layer_shapes() | config.head_shapes()

    # The corpus and the plan

    def check_options(self, options: "TrainingOptions") -> None:
        """Raises ConfigError for options that mean nothing to this task."""
        for name, off in (("regress", False), ("pooling", None), ("class_weights", "none")):
            if not self.labelled and getattr(options, name) != off:
                option = "--" + name.replace("_", "-")
                raise ConfigError(
                    f"{option}: there are no labels to learn; name their column with --label, or "
                    f"leave {option} out"
                )

    def check_processes(self, count: int) -> None:
        """Raises ConfigError where so many processes cannot train together."""
        if count > 1 and not self.several_processes:
            raise ConfigError(
                f"several processes do not train a network to {self.name} together; "
                "start charrnn train without torchrun"
            )

    @abstractmethod
    def inherit(self, options: "TrainingOptions", base: "Model") -> "TrainingOptions":
        """The options with the sizes of the model that a training starts from. Raises ConfigError
        where they ask for other sizes, ModelError where a training cannot start from it."""

    def read_corpus(self, corpus: "Corpus", **how: Any) -> "TokenizedCorpus":
        """The corpus as ids; `how` is that of `charrnn.data.corpus.tokenize`.

        Raises CorpusError.
        """
        from charrnn.data.corpus import tokenize

        return tokenize(corpus, **how)

    def held_out_seed(self, settings: "TrainingConfig | Provenance") -> int | None:
        """The seed that drew what is held out; None: it is the last part of the text."""
        return settings.split_seed

    def new_held_out_seed(self, options: "TrainingOptions") -> int | None:
        """The same for a new training."""
        return options.seed if options.lines else None

    @abstractmethod
    def make_task(
        self,
        corpus: "TokenizedCorpus",
        settings: "TrainingConfig | TrainingOptions",
        *,
        split_seed: int | None,
    ) -> "Task":
        """The task on a corpus; `split_seed` is that of TrainingConfig.

        Raises CorpusError when the text is not enough for it.
        """

    # What people are shown

    @abstractmethod
    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """The unit that losses are shown in."""

    def describe_loss(self, tokenizer: "Tokenizer", loss: float) -> str:
        """A validation loss with its unit."""
        unit = self.loss_unit(tokenizer)
        return f"{unit.show(loss)} {unit.name}"

    def model_rows(self, model: "Model") -> Rows:
        """What is particular about a model of this task, for `charrnn info`."""
        return ()

    @abstractmethod
    def describe_corpus(self, provenance: "Provenance") -> str:
        """How the corpus of a model is read."""

    @abstractmethod
    def describe_held_out(self, provenance: "Provenance") -> str:
        """What was held out of the corpus of a model."""

    # Evaluation

    def evaluation_read_options(
        self, file: str, read: "ReadOptions", trained_on: "ReadOptions | None"
    ) -> "ReadOptions":
        """How to read a file to evaluate on: the options, and what is open as in the training.
        Raises ConfigError."""
        return read

    def prepare_evaluation(
        self, request: EvaluationRequest, progress: "ReadingProgress"
    ) -> Evaluate:
        """Reads what an evaluation needs; gives the evaluation itself. Raises CorpusError,
        ConfigError, ModelError."""
        raise ModelError(
            f"the model of {request.model.provenance.corpus} was trained to {self.name}, which "
            f"charrnn evaluate does not measure: use it with {self.commands}"
        )


def task_definition(name: str) -> TaskDefinition:
    """The definition of an entry of TASKS."""
    definition: TaskDefinition = find_task(name)
    return definition


class Task(ABC):
    """A corpus, and what a network is to learn from it.

    Attributes:
        name: the entry of TASKS.
        corpus: the corpus, as ids.
        labels: the names of the classes, in the order of the outputs.
        unit: what the head's outputs are measured in while the network learns; see
            RecurrentNetwork.
    """

    name: str
    corpus: "TokenizedCorpus"
    labels: tuple[str, ...] = ()
    unit: float = 1.0

    @property
    def definition(self) -> TaskDefinition:
        """What follows from its name."""
        return task_definition(self.name)

    # Training

    @property
    @abstractmethod
    def training_characters(self) -> int:
        """How many characters are learned from."""

    @property
    @abstractmethod
    def validation_characters(self) -> int:
        """How many characters are held out."""

    def loader(
        self,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> Loader:
        """The batches of a training, from the first; of `rank` among `world_size` processes, its
        share of them. Raises ConfigError where so many processes cannot train together."""
        self.definition.check_processes(world_size)
        return self.make_loader(LoaderSettings(batch_size, sequence_length, seed, rank, world_size))

    @abstractmethod
    def make_loader(self, settings: LoaderSettings) -> Loader:
        """See `loader`, which has checked how many processes there are."""

    @abstractmethod
    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """How many steps read all of the training text once."""

    @abstractmethod
    def evaluate(
        self, network: "RecurrentNetwork", *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """The loss on what was held out, and of how many characters, after each part of it; the
        last is the result.

        Args:
            at_most: it may end early once it has read so many characters, which lie all over the
                text, or are of documents drawn by chance, always the same.
            at_once: how many characters may be read together, as far as a single document allows:
                as many as a training step reads, so that who has the memory to train can evaluate;
                None: as many as is fast.
        """

    @abstractmethod
    def sample(self, model: "Model", seed: int) -> str:
        """Something that the model makes, for a person to see how good it is. Raises ModelError."""

    def measures(self) -> dict[str, float]:
        """Measures of the last evaluation beside the loss, by name."""
        return {}

    def prepare(self, network: "RecurrentNetwork") -> None:
        """Sets the attributes that a network needs before it is trained and are not weights."""
        network.unit = self.unit

    def initialize(self, network: "RecurrentNetwork") -> None:
        """Sets what a fresh network knows of the corpus before its first step; see `prepare`."""
        self.prepare(network)

    # The plan

    @abstractmethod
    def choose_batch(self, options: "TrainingOptions") -> tuple[int, int]:
        """The batch size and the sequence length."""

    def step_characters(self, batch_size: int, sequence_length: int) -> float:
        """How many characters a step reads, on average."""
        return batch_size * sequence_length

    @abstractmethod
    def choose_model(
        self,
        options: "TrainingOptions",
        sequence_length: int,
        characters: "Callable[[ModelConfig], float]",
    ) -> "ModelConfig":
        """The sizes of the network, where the options leave them open.

        Args:
            characters: how many characters a network can read in the time there is.
        """

    @abstractmethod
    def regularize(
        self,
        options: "TrainingOptions",
        config: "TrainingConfig",
        model: "ModelConfig",
        epochs: float,
    ) -> "tuple[TrainingConfig, ModelConfig]":
        """The settings and the network with what depends on how often the text is read."""

    def notes(
        self, options: "TrainingOptions", batch_size: int, sequence_length: int, *, fresh: bool
    ) -> list[str]:
        """What a person should know of the corpus before the training, a sentence each; `fresh`:
        the network does not start from another model."""
        return []

    @abstractmethod
    def copy_weights(self, base: "Model", network: "RecurrentNetwork") -> list[str]:
        """Copies the weights of the model that the training starts from into a fresh network; what
        a person should know of that, a sentence each."""

    def forecast(self, epochs: float) -> "Forecast | None":
        """The validation loss to expect when the text is read so often; None: no forecast."""
        return None

    # What people are shown

    @abstractmethod
    def describe_size(self) -> str:
        """How much there is to learn from, such as `a text of 1,200 characters`."""

    @abstractmethod
    def describe_corpus(self) -> str:
        """How large the corpus is, after its name."""

    @abstractmethod
    def describe_batch(self, config: "TrainingConfig") -> str:
        """What a step reads."""

    @abstractmethod
    def headline(self, position: "TrainingState", config: "TrainingConfig") -> str:
        """Which model of a training is the best, and its loss where that says something by
        itself."""

    def next_commands(self) -> tuple[NextCommand, ...]:
        """The commands to try after a training, the most useful first."""
        return tuple(NextCommand(f"charrnn {each}", "") for each in self.definition.usage)

    def gain_of_epochs(self, config: "TrainingConfig", times: float) -> float:
        """The share by which so many times the epochs of a training are expected to lower its
        loss."""
        return 0.0

    def summarize(self, run: "Run") -> TrainingSummary:
        """How good the best model of a training is, beside its loss; it may take long. Raises
        ModelError, CorpusError."""
        return TrainingSummary()
