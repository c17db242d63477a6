"""charrnn info: shows a model's size, training and loss."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from charrnn.cli.shared_arguments import Json, ModelArgument
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.storage.model_directory import Model


def info(model: ModelArgument = None, as_json: Json = False) -> None:
    """Show a model's network, its training and its loss."""
    from charrnn.cli.display import duration, key_value_table, results
    from charrnn.engines.int8_description import describe_bits, int8_bits
    from charrnn.storage.model_list import read_model_or_list
    from charrnn.storage.run_lookup import read_found
    from charrnn.training.task import task_definition
    from charrnn.wording import counted

    directory, read = read_found(model, read_model_or_list, lists=True)
    config, tokenizer, provenance = read.config, read.tokenizer, read.provenance
    definition = task_definition(config.task)
    bits = int8_bits(read) if definition.has_int8 else None
    if as_json:
        record = {
            "path": str(directory),
            "tokenizer": tokenizer.kind,
            "parameters": config.parameters,
            "models": len(read.members),
            "int8_bits": bits,
            "model": asdict(config),
            "labels": list(read.labels),
            "training": asdict(provenance),
        }
        print(dumps(record, indent=2))
        return
    alphabet = "256 bytes" if tokenizer.kind == "byte" else f"{config.vocabulary_size} characters"
    ways = ", in both directions" if config.bidirectional else ""
    loss, unit = provenance.validation_nats, tokenizer.unit
    rows = [
        ("path", str(directory)),
        ("task", config.task),
        (
            "network",
            f"{config.cell}, {counted(config.layers, 'layer')}, hidden size {config.hidden_size}, "
            f"embedding size {config.embedding_size}{ways}",
        ),
        *definition.model_rows(read),
        ("dropout", f"{config.dropout:.2g}, weight dropout {config.weight_dropout:.2g}"),
        ("parameters", f"{config.parameters:,}"),
        *([("models", _describe_members(read))] if read.others else []),
        ("int8 engine", "none for this task" if bits is None else describe_bits(bits)),
        *(() if definition.pairs else (("alphabet", alphabet),)),
        ("corpus", provenance.corpus),
        ("", f"{provenance.corpus_characters:,} {unit}s, {provenance.corpus_bytes:,} bytes"),
        ("", definition.describe_corpus(provenance)),
        ("SHA-256", provenance.sha256),
        ("held out", definition.describe_held_out(provenance)),
        ("trained", f"{counted(provenance.step, 'step')}, {counted(provenance.characters, unit)}"),
        ("", f"{duration(provenance.seconds)}, seed {provenance.seed}"),
        (
            "validation",
            "not measured" if loss is None else definition.describe_loss(tokenizer, loss),
        ),
    ]
    results().print(key_value_table(rows))


def _describe_members(model: "Model") -> str:
    """Describe the models of a list; what is shown besides is of the first."""
    seeds = ", ".join(str(each.provenance.seed) for each in model.members)
    return f"{len(model.members)} models, which work together, of the seeds {seeds}"
