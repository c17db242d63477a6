"""Graph: an ONNX graph under construction, from the weights of a model."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from charrnn.engines.engine import Array
from charrnn.errors import ModelError
from charrnn.storage.tensor_file import Tensors

BATCH: Final = "batch"
LENGTH: Final = "length"
"""The names of the dimensions that may have any size: B and T."""

IDS: Final = int(TensorProto.INT64)
NUMBERS: Final = int(TensorProto.FLOAT)
"""The types of inputs and outputs."""

_LENGTHS: Final = int(TensorProto.INT32)

Shape = Sequence[int | str]


class Graph:
    """The inputs, outputs, weights and operators of a network so far.

    Args:
        tensors: the weights of the model by name.

    Attributes:
        unused: the names of the weights that the graph does not have yet.
    """

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self.unused = set(tensors)
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._weights: dict[str, TensorProto] = {}
        self._nodes: list[NodeProto] = []

    def tensor(self, name: str) -> Array:
        """Return a weight of the model, for `weight`. Raises ModelError where it has none."""
        if name not in self._tensors:
            raise ModelError(f"the model has no weight {name}: ONNX files have no such networks")
        self.unused.discard(name)
        return self._tensors[name]

    def input(self, name: str, kind: int, shape: Shape) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: Shape, value: str) -> None:
        """Declare an output, which is this value."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def weight(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add an array to the file."""
        plain = np.ascontiguousarray(array) if array.ndim else array
        self._weights[name] = numpy_helper.from_array(plain, name)
        return name

    def integers(self, *values: int) -> str:
        """Add whole numbers (N,), such as axes; the same ones are in the file once."""
        name = "integers_" + "_".join(map(str, values))
        return self.weight(name, np.array(values, dtype=np.int64))

    def integer(self, value: int) -> str:
        """Add a whole number without axes."""
        return self.weight(f"integer_{value}", np.array(value, dtype=np.int64))

    def number(self, value: float) -> str:
        """Add a number without axes."""
        return self.weight(f"number_{value}", np.array(value, dtype=np.float32))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output, and return its name."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(
        self, operator: str, inputs: Iterable[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add an operator, and return the names of its outputs. An input without a name is left
        out."""
        place = f"{operator.lower()}_{len(self._nodes)}"
        names = [f"{place}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, [*inputs], names, name=place, **attributes))
        return names

    def linear(self, x: str, name: str) -> str:
        """Add a linear layer: x (..., I) -> (..., N). It has a bias where the model has one."""
        weight = self.weight(f"{name}.weight", self.tensor(f"{name}.weight").T)
        product = self.add("MatMul", x, weight)
        if f"{name}.bias" not in self._tensors:
            return product
        bias = self.weight(f"{name}.bias", self.tensor(f"{name}.bias"))
        return self.add("Add", product, bias)

    def as_lengths(self, lengths: str) -> str:
        """Add the conversion of lengths (B,), int64, to what recurrent operators take."""
        return self.add("Cast", lengths, to=_LENGTHS)

    def finish(self, name: str) -> GraphProto:
        """Return the graph."""
        return helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, [*self._weights.values()]
        )
