"""What holds of every network that reads from left to right."""

import torch
from torch import Tensor

from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import State


def check_chunks_are_one_long_pass(network: CharRNN, ids: Tensor, lengths: list[int]) -> None:
    """Chunks of ids (B, T) with the state carried give what the whole gives, in float64."""
    state: State | None = None
    pieces = []
    with torch.no_grad():
        whole, end = network(ids)
        for chunk in torch.split(ids, lengths, dim=1):
            logits, state = network(chunk, state)
            pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-10)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-10)


def check_a_character_changes_only_what_follows(network: CharRNN, ids: Tensor) -> None:
    """Nothing before it changes, nor anything in the other lane of ids (2, T)."""
    changed = ids.clone()
    changed[0, 6] = (changed[0, 6] + 1) % network.config.vocabulary_size
    before, after = network(ids)[0], network(changed)[0]
    assert torch.equal(before[0, :6], after[0, :6])
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0, 6:], after[0, 6:])
