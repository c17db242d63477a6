"""charrnn plan: what `charrnn train` would choose, and how good the model is likely to be."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.environment import refuse_unused
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.shared_arguments import Corpora, Json, MinCount, TokenizerKind
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import ReadOptions
from charrnn.training.options import TrainingOptions

if TYPE_CHECKING:
    from charrnn.training.plan import Plan


@takes_options
def plan(
    *,
    context: typer.Context,
    corpus: Corpora = None,
    tokenizer: TokenizerKind = None,
    min_count: MinCount = 1,
    read: ReadOptions,
    options: Annotated[TrainingOptions, Fields(without=("checkpoint_every", "keep"))],
    as_json: Json = False,
) -> None:
    """Show what train would choose for a text and a time, and the loss to expect, without
    training."""
    from charrnn.cli.display import reading, results, say
    from charrnn.cli.folders import say_what_is_read
    from charrnn.data.corpus import open_corpus
    from charrnn.storage.token_cache import keep_for_now
    from charrnn.training.plan import make_plan

    refuse_unused(context, tokenizer=tokenizer)
    with reading("reading and measuring ...") as progress:
        made = make_plan(
            open_corpus(corpus or (), read),
            options,
            kind=tokenizer,
            min_count=min_count,
            keep=keep_for_now,
            progress=progress,
        )
        expected = made.task.forecast(made.epochs)
    if as_json:
        record = {
            "corpus": made.corpus.name,
            "characters": len(made.corpus.ids),
            "model": asdict(made.network.config),
            "training": asdict(made.config),
            "epochs": made.epochs,
            "seconds": made.seconds,
            "expected": asdict(expected) if expected is not None else None,
        }
        print(dumps(record, indent=2))
        return
    results().print(plan_table(made, named=bool(corpus)))
    say_what_is_read(made.corpus.folders, classes=read.label is not None)
    for note in made.notes:
        say(note)
    if expected is None:
        return
    bits, low, high = (
        nats / math.log(2)
        for nats in (
            expected.nats_per_character,
            expected.low_nats_per_character,
            expected.high_nats_per_character,
        )
    )
    unit = made.corpus.tokenizer.unit
    results().print(
        f"\nexpected: {bits:.2f} bits per {unit} on the held-out text, {low:.2f} to {high:.2f} in "
        "nine cases of ten"
    )


def _without_native(device: str) -> str:
    """What a person should know where charrnn's own C is not used."""
    from charrnn.model.kernels import native

    slower = device == "cpu" and not native.available()
    return "; charrnn's own C code, which is faster, is not available here" if slower else ""


def plan_table(plan: "Plan", *, named: bool, processes: int = 1) -> Any:
    """What was chosen, a row each, with the flags that choose otherwise."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from charrnn.cli.display import duration, key_value_table, printable
    from charrnn.wording import counted

    text, config, model = plan.corpus, plan.config, plan.network.config
    alphabet = "256 bytes" if text.tokenizer.kind == "byte" else f"{model.vocabulary_size} distinct"
    unnamed = "" if named else " (none was named)"
    time = f", about {duration(plan.seconds)}" if plan.seconds is not None else ""
    threads = counted(config.threads, "thread")
    patience = (
        f", until {config.patience} in a row are worse" if config.patience else ", to the end"
    )
    ways = "bidirectional " if model.bidirectional else ""
    network = (
        f"{ways}{model.cell} {model.layers} x {model.hidden_size}, embedding "
        f"{model.embedding_size}: {model.parameters:,} weights"
    )
    if model.pooling is not None:
        network += f", {model.pooling} pooling"
    attention = []
    if model.attention is not None:
        attention.append(("attention", f"to the last {model.attention:,} states", "--attention"))
    scale = config.readout_scale
    readout = f", {scale:g} times that from layer to layer" if scale != 1 else ""
    every = "step" if config.evaluate_every == 1 else f"{config.evaluate_every:,} steps"
    corpus = f"{text.name}{unnamed}: {plan.task.describe_corpus()}, {alphabet}"
    rows = [
        ("network", network, "--cell --layers --hidden-size --embedding-size"),
        *attention,
        (
            "dropout",
            f"{model.dropout:.2g}, of recurrent weights {model.weight_dropout:.2g}",
            "--dropout --weight-dropout",
        ),
        ("batch", plan.task.describe_batch(config), "--batch-size --sequence-length"),
        (
            "learning rate",
            f"{config.learning_rate:.2g}{readout}, gradients clipped at {config.clip:g}",
            "--learning-rate --readout-scale --clip",
        ),
        (
            "length",
            f"{counted(config.steps, 'step')}, {plan.epochs:.3g} epochs{time}",
            "--budget, --epochs or --steps",
        ),
        ("evaluation", f"every {every}{patience}", "--evaluate-every --patience"),
        (
            "machine",
            f"{config.precision} on {config.device}, {threads}{_without_native(config.device)}",
            "--precision --device",
        ),
        ("seed", str(config.seed), "--seed"),
    ]
    heading = [("corpus".ljust(len("learning rate")), corpus)]
    if processes > 1:
        heading.append(("processes", str(processes)))
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=3)
    table.add_column(overflow="fold", ratio=2)
    for name, value, flags in rows:
        table.add_row(Text(name, style="dim"), Text(printable(value)), Text(flags, style="dim"))
    return Group(key_value_table(heading), table)
