"""What a training may be asked for on the command line: each option written once, for `train` and
`plan`."""

from typing import Annotated, Final, Literal

import typer

from charrnn.cli.options import TEXT, complete_corpora, complete_runs

RUN: Final = "The run"
NETWORK: Final = "The network"
LEARNING: Final = "Learning"
LENGTH: Final = "How long, and what is kept"
_CHOSEN: Final = "chosen for the text"

Corpora = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CORPUS]...",
        help="Files, folders, names in corpora/, - (stdin), python-docs (Python's manual) or "
        "hf:owner/name:split:column; several are joined.",
        autocompletion=complete_corpora,
        show_default="python-docs",
    ),
]
StartFrom = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Fine-tune this model instead of starting afresh.",
        autocompletion=complete_runs,
        rich_help_panel=RUN,
    ),
]
TokenizerKind = Annotated[
    Literal["char", "byte"] | None,
    typer.Option(
        help="Unicode characters, or the bytes of any file.",
        show_default="char",
        rich_help_panel=TEXT,
    ),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Each line is a document of its own.", rich_help_panel=TEXT),
]
MinCount = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Fold characters seen less often into U+FFFD.",
        rich_help_panel=TEXT,
    ),
]
ValidationFraction = Annotated[
    float,
    typer.Option(metavar="X", help="The share at the end to hold out.", rich_help_panel=TEXT),
]
Cell = Annotated[
    Literal["rnn", "gru", "lstm"] | None,
    typer.Option(help="The recurrent unit.", show_default="lstm", rich_help_panel=NETWORK),
]
Layers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Cells on top of each other.",
        show_default="2",
        rich_help_panel=NETWORK,
    ),
]
HiddenSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Of each layer.", show_default=_CHOSEN, rich_help_panel=NETWORK),
]
EmbeddingSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Of a character.", show_default="64", rich_help_panel=NETWORK),
]
Bidirectional = Annotated[
    bool,
    typer.Option(
        "--bidirectional",
        help="Read both ways: to restore what is missing in a text, for fill and proofread; with "
        "--label, to tell it.",
        rich_help_panel=NETWORK,
    ),
]
Pooling = Annotated[
    Literal["last", "mean", "max", "attention"] | None,
    typer.Option(
        help="With --label: how what is read of each character becomes one.",
        show_default="max; from a language model, attention",
        rich_help_panel=NETWORK,
    ),
]
Regress = Annotated[
    bool,
    typer.Option("--regress", help="The labels are numbers.", rich_help_panel=LEARNING),
]
ClassWeights = Annotated[
    Literal["none", "balanced"],
    typer.Option(
        help="With --label: balanced makes each class count the same, however rare.",
        rich_help_panel=LEARNING,
    ),
]
Attention = Annotated[
    int | None,
    typer.Option(
        "--attention",
        metavar="WINDOW",
        help="Look things up in so many of the last states: for texts that repeat themselves.",
        show_default="none",
        rich_help_panel=NETWORK,
    ),
]
Dropout = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Share of each layer's output to drop, one mask over time.",
        show_default=_CHOSEN,
        rich_help_panel=NETWORK,
    ),
]
WeightDropout = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Share of the recurrent connections to drop, one mask over time.",
        show_default=_CHOSEN,
        rich_help_panel=NETWORK,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Lanes read side by side.",
        show_default="32",
        rich_help_panel=LEARNING,
    ),
]
SequenceLength = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Characters of a lane in one step; backpropagation ends there.",
        show_default="48",
        rich_help_panel=LEARNING,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        metavar="X", help="At its highest.", show_default=_CHOSEN, rich_help_panel=LEARNING
    ),
]
ReadoutScale = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="How much larger and faster to begin and to learn what reads a layer's outputs.",
        show_default=_CHOSEN,
        rich_help_panel=LEARNING,
    ),
]
Clip = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Largest norm of the gradient; 0 is off.",
        show_default="1",
        rich_help_panel=LEARNING,
    ),
]
TrainingSeed = Annotated[
    int,
    typer.Option(metavar="N", min=0, help="Of everything random.", rich_help_panel=LEARNING),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        help="auto: the faster, by measuring where there is a time budget.",
        rich_help_panel=LEARNING,
    ),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, or auto: the best.", rich_help_panel=LEARNING)
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Time to take, like 90s, 10m or 2h.", show_default="5m", rich_help_panel=LENGTH
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(metavar="X", help="Times to read the text, instead.", rich_help_panel=LENGTH),
]
Steps = Annotated[
    int | None,
    typer.Option(metavar="N", help="Steps to take, instead.", rich_help_panel=LENGTH),
]
EvaluateEvery = Annotated[
    int | None,
    typer.Option(metavar="N", help="Steps.", show_default="about 20 times", rich_help_panel=LENGTH),
]
CheckpointEvery = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Steps.",
        show_default="at evaluations, and every 5 minutes",
        rich_help_panel=LENGTH,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Evaluations worse than the best after which it ends early; 0 is off.",
        show_default="5",
        rich_help_panel=LENGTH,
    ),
]
Keep = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Newest checkpoints to keep, beside the best.",
        rich_help_panel=LENGTH,
    ),
]
