"""Tiny transducers with random weights, and what they compute by definition."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from charrnn.model.config import ModelConfig
from charrnn.model.networks import build_network
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce import ADVANCE, COPY, FIRST_SYMBOL
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.plan import arrays
from tests.provenance import make_provenance

TOKENIZER = PairTokenizer("abx", ("a", "b"), ("PL",))
"""`x` equals no symbol of targets."""


def make_network(
    tokenizer: PairTokenizer = TOKENIZER, *, advance: float = 1.0, seed: int = 1, **sizes: Any
) -> tuple[Any, Model]:
    """A network with weights large enough that a mistake would show, and its model.

    `advance` is added to the bias of advancing, so that short targets are probable.
    """
    defaults: dict[str, Any] = {
        "vocabulary_size": tokenizer.vocabulary_size,
        "outputs": tokenizer.outputs,
        "cell": "lstm",
        "embedding_size": 4,
        "hidden_size": 6,
        "layers": 1,
        "bidirectional": True,
        "task": "transduce",
    }
    config = ModelConfig(**(defaults | sizes))
    network: Any = build_network(config, generator=torch.Generator().manual_seed(seed)).eval()
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.from_numpy(random.normal(0, 0.5, parameter.shape)))
        for member in network.members:
            member.head.bias[ADVANCE] += advance
    return network, Model(config, tokenizer, dict(arrays(network)), make_provenance())


def node_probabilities(members: Sequence[Any], source: list[int], written: list[int]) -> Any:
    """The probabilities (S, U + 1, K) of all nodes, by the networks' own `forward`."""
    found: Any = 0.0
    for member in members:
        with torch.no_grad():
            logits = member(
                torch.tensor(source)[:, None],
                torch.tensor([len(source)]),
                torch.tensor([0, *(number + 1 for number in written)])[:, None],
            )
        found = found + torch.softmax(logits.double(), -1)[:, :, 0].numpy()
    return found / len(members)


def exact_probability(
    members: Sequence[Any], tokenizer: PairTokenizer, source: list[int], target: Sequence[int]
) -> float:
    """The probability of a target: that of the members that read forwards, or the geometric mean of
    theirs and of those that read backwards, every other one."""
    forwards = probability_one_way(members[::2], tokenizer, source, target)
    if len(members) == 1:
        return forwards
    turned = [source[0], *source[-2:0:-1], source[-1]]
    backwards = probability_one_way(members[1::2], tokenizer, turned, target[::-1])
    return float(np.sqrt(forwards * backwards))


def probability_one_way(
    members: Sequence[Any], tokenizer: PairTokenizer, source: list[int], target: Sequence[int]
) -> float:
    """The probability of a target, summed over all alignments node by node.

    The symbol -1 is a copy of a character that equals no symbol.
    """
    probabilities = node_probabilities(members, source, [*target])
    forward = np.zeros((len(source) + 1, len(target) + 1))
    forward[0, 0] = 1
    for i, id_ in enumerate(source):
        for j in range(len(target) + 1):
            here = probabilities[i, j]
            forward[i + 1, j] += forward[i, j] * here[ADVANCE]
            if j == len(target):
                continue
            equal, share = tokenizer.target_of(id_), 0.0
            if target[j] >= 0:
                share = here[FIRST_SYMBOL + target[j]]
                share += here[COPY] if equal == target[j] else 0
            elif equal is None and 2 <= id_ < 3 + len(tokenizer.source):
                share = here[COPY]
            forward[i, j + 1] += forward[i, j] * share
    return float(forward[-1, -1])
