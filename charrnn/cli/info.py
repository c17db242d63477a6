"""charrnn info: what a model is, what it learned, how long and how well."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from charrnn.cli.options import Json, ModelArgument
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.storage.model_directory import Provenance


def info(model: ModelArgument = None, as_json: Json = False) -> None:
    """Show what a model is, what it was trained on, how long, and how good it is."""
    from charrnn.cli.display import UNITS, counted, duration, key_value_table, results
    from charrnn.storage.model_directory import read_model
    from charrnn.storage.run_lookup import read_found

    directory, read = read_found(model, read_model)
    config, tokenizer, provenance = read.config, read.tokenizer, read.provenance
    if as_json:
        record = {
            "path": str(directory),
            "tokenizer": tokenizer.kind,
            "parameters": config.parameters,
            "model": asdict(config),
            "labels": list(read.labels),
            "training": asdict(provenance),
        }
        print(dumps(record, indent=2))
        return
    nats = provenance.validation_nats
    unit = UNITS[tokenizer.kind]
    alphabet = "256 bytes" if tokenizer.kind == "byte" else f"{config.vocabulary_size} characters"
    ways = ", in both directions" if config.bidirectional else ""
    more = (
        []
        if config.attention is None
        else [("attention", f"to the last {config.attention:,} states")]
    )
    told, good = "", "not measured" if nats is None else f"{nats / math.log(2):.3f} bits per {unit}"
    good += "" if nats is None else f" ({nats:.4f} nats)"
    if config.task == "classify":
        told = "labelled documents"
        more.append(("classes", _classes(read.labels)))
        good = good if nats is None else f"{nats / math.log(2):.3f} bits per document"
    elif config.task == "regress":
        told = "documents with numbers"
        good = good if nats is None else f"root mean squared error {math.sqrt(nats):.4g}"
    if config.pooling is not None:
        more.append(("pooling", config.pooling))
    rows = [
        ("path", str(directory)),
        ("task", config.task),
        ("network", f"{config.cell}, {config.layers} x {config.hidden_size}{ways}"),
        *more,
        ("embedding", str(config.embedding_size)),
        ("dropout", f"{config.dropout:.2g}, of recurrent weights {config.weight_dropout:.2g}"),
        ("parameters", f"{config.parameters:,}"),
        ("alphabet", alphabet),
        ("corpus", provenance.corpus),
        ("", f"{provenance.corpus_characters:,} {unit}s, {provenance.corpus_bytes:,} bytes"),
        ("", f"SHA-256 {provenance.sha256}"),
        ("", told or ("each line a document" if provenance.lines else "one running text")),
        ("held out", _held_out(provenance, config.task)),
        ("trained", f"{counted(provenance.step, 'step')}, {counted(provenance.characters, unit)}"),
        ("", f"{duration(provenance.seconds)}, seed {provenance.seed}"),
        ("validation", good),
    ]
    results().print(key_value_table(rows))


def _held_out(provenance: "Provenance", task: str) -> str:
    """What was held out of the corpus."""
    share = f"{100 * provenance.validation_fraction:.3g} %"
    seed = provenance.split_seed
    if task in ("classify", "regress"):
        drawn = provenance.seed if seed is None else seed
        return f"{share} of the documents, drawn by the seed {drawn}"
    return (
        f"its last {share}" if seed is None else f"{share} of the lines, drawn by the seed {seed}"
    )


def _classes(labels: Sequence[str]) -> str:
    """How many classes there are, and the names of the first."""
    shown = ", ".join(label[:40] for label in labels[:12])
    return f"{len(labels):,}: {shown}{', ...' if len(labels) > 12 else ''}"
