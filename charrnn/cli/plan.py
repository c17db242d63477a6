"""charrnn plan: shows what `charrnn train` would choose, and the loss to expect."""

import math
from dataclasses import asdict
from typing import Annotated

import typer

from charrnn.cli.environment import refuse_unused
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.plan_table import plan_table
from charrnn.cli.shared_arguments import Corpora, Json, MinCount, TokenizerKind
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import ReadOptions
from charrnn.training.options import TrainingOptions


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
    """Show the settings that train would choose, and the loss to expect, without training."""
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
            "characters": made.corpus.characters,
            "model": asdict(made.network.config),
            "training": asdict(made.config),
            "epochs": made.epochs,
            "seconds": made.seconds,
            "expected": asdict(expected) if expected is not None else None,
        }
        print(dumps(record, indent=2))
        return
    results().print(plan_table(made, named=bool(corpus)), soft_wrap=True)
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
        "nine of ten cases"
    )
