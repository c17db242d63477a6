from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from charrnn.engines.native_engine import available
from charrnn.engines.stack import stack_engine
from charrnn.model.cells import CELLS
from charrnn.storage.model_directory import Model

needs_library = pytest.mark.skipif(not available(), reason="the native engine was not built")


@pytest.mark.parametrize("native", [False, pytest.param(True, marks=needs_library)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_gives_its_head_of_what_torch_nn_gives(
    cell: str, layers: int, reverse: bool, native: bool, make_model: Callable[..., Model]
) -> None:
    model = make_model(cell=cell, hidden_size=9, layers=2, task="restore")
    head = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)
    engine = stack_engine(
        model.config, model.tensors, head=head, reverse=reverse, layers=layers, native=native
    )
    suffix = "_reverse" if reverse else ""
    plain = getattr(nn, cell.upper())(model.config.embedding_size, 9, layers, batch_first=True)
    names = plain.state_dict()
    weights = {name: torch.tensor(model.tensors[f"rnn.{name}{suffix}"]) for name in names}
    plain.load_state_dict(weights)
    mask = model.config.vocabulary_size
    ids = np.append(np.random.default_rng(1).integers(mask, size=(2, 7)), [[mask]] * 2, axis=1)
    with torch.no_grad():
        outputs, _ = plain(torch.tensor(model.tensors["embedding.weight"])[ids])
    found, _ = engine.advance(ids, None)
    np.testing.assert_allclose(found, outputs.numpy() @ head.T, rtol=0, atol=2e-6)
