"""An ONNX file: a model for onnxruntime and other programs that read this format (onnx.ai).

Its inputs, outputs and metadata are described in docs/sharing.md.
"""

import json
from dataclasses import asdict
from typing import Any, Final

import charrnn
from charrnn.errors import ConfigError, ModelError
from charrnn.storage.model_directory import Model

OPSET: Final = 17
"""The version of ONNX's operators, of 2022: the first with LayerNormalization."""

_FORMAT: Final = 8
"""The version of ONNX's file format that belongs to OPSET; older programs read no newer one."""

LARGEST: Final = 2_000_000_000
"""The most bytes of weights: protobuf, the format of the file, ends at 2 GiB."""


def check_onnx() -> None:
    """Raise ConfigError where the package that writes ONNX is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ConfigError('ONNX files need a package: pip install "charrnn-lm[onnx]"') from error


def make_onnx_file(model: Model) -> bytes:
    """Return an ONNX file that computes what the network of a model does, in float32.

    Raises ConfigError where the package for it is missing, ModelError for a model that is too large
    or whose network ONNX files do not have.
    """
    check_onnx()
    size = sum(tensor.nbytes for tensor in model.tensors.values())
    if size > LARGEST:
        raise ModelError(
            f"its weights have {size:,} bytes: an ONNX file holds up to {LARGEST:,}; share the "
            "model directory instead"
        )
    from onnx import helper

    from charrnn.export.onnx_graph import Graph
    from charrnn.export.onnx_networks import add_network

    graph = Graph(model.tensors)
    add_network(graph, model.config)
    file = helper.make_model(
        graph.finish("charrnn"),
        producer_name="charrnn",
        producer_version=charrnn.__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_FORMAT,
    )
    helper.set_model_props(file, _metadata(model))
    content: bytes = file.SerializeToString(deterministic=True)
    return content


def _metadata(model: Model) -> dict[str, str]:
    """Return what else the file says: the entries of a model directory, as JSON in ASCII, since the
    names of texts may have characters that are no Unicode."""
    entries: dict[str, Any] = {
        "model": model.config.to_json(),
        "training": asdict(model.provenance),
        "tokenizer": model.tokenizer.to_json(),
    }
    if model.labels:
        entries["labels"] = list(model.labels)
    said = {f"charrnn.{name}": json.dumps(entry) for name, entry in entries.items()}
    return {"charrnn.task": model.config.task, **said}
