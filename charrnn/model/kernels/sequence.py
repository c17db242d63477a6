"""One autograd.Function for a layer's whole sequence: a few large products instead of many small
ones.

- Forward, the input product of all steps is one matrix product. In the first layer it is a table
lookup where that is cheaper: embedding, input weights and biases become one table (V, G H), whose
rows are the characters' preactivations.
- Backward, the gradient of each weight is one product over all steps, where autograd would add up
one product for every step.
- Only the recurrent product and the gates are computed step by step, by a Recurrence.

Under autocast, numbers are stored and multiplied as bf16; the LSTM's cell state is float32.

Legend: T time, B batch, V vocabulary, E embedding, I input, H hidden, G gates.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from charrnn.model.cells import LayerState, LayerWeights
from charrnn.model.kernels.kernel import Kernel
from charrnn.model.kernels.recurrence import Activations, LayerInputs, Recurrence


class SequenceKernel(Kernel):
    """Computes a layer over a whole sequence at once, with its steps by a Recurrence."""

    def __init__(self, recurrence: Recurrence) -> None:
        self.recurrence = recurrence

    def layer(
        self, x: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        """Compute x (T, B, I), state before -> outputs (T, B, H), state after; see Cell."""
        return self._apply(None, x, state, weights)

    def first(
        self, ids: Tensor, embedding: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        """Compute the layer that reads characters: ids (T, B), embedding (V, E)."""
        # A table of all characters may cost more than it saves. PyTorch checks other types of ids.
        if len(embedding) > ids.numel() or ids.dtype != torch.int64:
            return super().first(ids, embedding, state, weights)
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(embedding):
            raise IndexError(f"ids from 0 to {len(embedding) - 1} were expected")
        return self._apply(ids, embedding, state, weights)

    def _apply(
        self, ids: Tensor | None, x: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        # A Function cannot know whether gradients are recorded.
        grad = torch.is_grad_enabled()
        outputs, *after = _Layer.apply(  # type: ignore[no-untyped-call]
            self.recurrence, _dtype(x), grad, ids, x, *weights, *state
        )
        return outputs, tuple(after)


def _dtype(x: Tensor) -> torch.dtype:
    """Return the type to compute in: autocast's, or that of the input."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


class _Layer(torch.autograd.Function):
    """The layer as a function of x (T, B, I), or of ids (T, B) and the embedding (V, I) as x."""

    @staticmethod
    def forward(
        ctx: Any,
        recurrence: Recurrence,
        dtype: torch.dtype,
        grad: bool,
        ids: Tensor | None,
        x: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        hidden = weight_hh.shape[1]
        bias = bias_ih + bias_hh
        if len(bias) == 3 * hidden:  # the GRU's candidate has a bias inside its reset gate
            bias[2 * hidden :] = bias_ih[2 * hidden :]
        with torch.autocast(x.device.type, enabled=False):
            if ids is None:
                x = x.to(dtype)
                preactivations = linear(x, weight_ih.to(dtype), bias.to(dtype))  # (T, B, G H)
            else:
                preactivations = linear(x, weight_ih, bias).to(dtype)  # (V, G H)
            keep = grad and any(ctx.needs_input_grad)
            activations = recurrence.forward(
                LayerInputs(preactivations, ids, state, weight_hh, bias_hh[-hidden:]), keep=keep
            )
        if keep:
            ctx.recurrence = recurrence
            ctx.state_dtypes = [part.dtype for part in state]
            ctx.save_for_backward(
                ids, x, weight_ih, weight_hh, activations.outputs, activations.gates, activations.c
            )
        after = tuple(
            part.to(old.dtype) for part, old in zip(activations.state, state, strict=True)
        )
        return activations.outputs[1:], *after

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, doutputs: Tensor | None, *dstate: Tensor | None) -> tuple[Any, ...]:
        ids, x, weight_ih, weight_hh, outputs, gates, c = ctx.saved_tensors
        recurrence = ctx.recurrence
        wide = torch.promote_types(outputs.dtype, torch.float32)
        after = tuple(
            outputs.new_zeros(outputs.shape[1:], dtype=wide) if part is None else part.to(wide)
            for part in dstate
        )
        with torch.autocast(outputs.device.type, enabled=False):
            gradients = recurrence.backward(
                Activations(outputs, gates, c, ()), weight_hh, doutputs, after
            )
            dpreactivations = gradients.preactivations.flatten(0, 1)  # (T B, G H)
            drecurrent = gradients.recurrent.flatten(0, 1)
            before = outputs[:-1].flatten(0, 1)  # (T B, H)
            dweight_hh = (drecurrent.T @ before).to(weight_hh.dtype)
            if ids is None:
                dx = (dpreactivations @ weight_ih.to(dpreactivations.dtype)).view(x.shape)
                dweight_ih = (dpreactivations.T @ x.flatten(0, 1)).to(weight_ih.dtype)
                dbias = recurrence.sum_rows(dpreactivations, None, 1)[0]
            else:
                dtable = recurrence.sum_rows(dpreactivations, ids.flatten(), len(x))  # (V, G H)
                dx, dweight_ih = dtable @ weight_ih.to(dtable.dtype), dtable.T @ x.to(dtable.dtype)
                dbias = dtable.sum(0)
            dbias_hh = dbias
            if gradients.recurrent is not gradients.preactivations:
                dbias_hh = recurrence.sum_rows(drecurrent, None, 1)[0]
        dbefore = (
            part.to(old) for part, old in zip(gradients.state, ctx.state_dtypes, strict=True)
        )
        return None, None, None, None, dx, dweight_ih, dweight_hh, dbias, dbias_hh, *dbefore
