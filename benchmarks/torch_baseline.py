"""The baseline of the benchmarks: a plain PyTorch module that loads the weights of a model."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

State = torch.Tensor | tuple[torch.Tensor, ...] | None


class Plain(torch.nn.Module):
    """A network of an embedding, a torch.nn.LSTM (or GRU, RNN) and a head."""

    def __init__(self, v: int, e: int, h: int, layers: int, cell: str) -> None:
        super().__init__()
        kinds = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
        self.embedding = torch.nn.Embedding(v, e)
        self.rnn = kinds[cell](e, h, layers, batch_first=True)
        self.head = torch.nn.Linear(h, v)

    @classmethod
    def load(cls, directory: Path) -> "Plain":
        """Return the network of a model directory."""
        sizes = json.loads((directory / "config.json").read_text())["model"]
        names = ("vocabulary_size", "embedding_size", "hidden_size", "layers", "cell")
        network = cls(*(sizes[name] for name in names))
        network.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
        return network.eval()

    def forward(self, ids: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Return the logits of the character after each id, and the last state."""
        outputs, state = self.rnn(self.embedding(ids), state)
        return self.head(outputs), state
