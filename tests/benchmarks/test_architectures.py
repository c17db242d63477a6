from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.architectures import (
    BY_STEPS,
    PLAIN,
    VARIANTS,
    Mogrifier,
    Multiplicative,
    Trial,
    Variant,
    VariantRNN,
    main,
)
from benchmarks.quality_table import parse_budget
from charrnn.data.corpus import open_corpus, tokenize
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN

V, E, H = 7, 5, 6


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sizes(layers: int) -> ModelConfig:
    return ModelConfig(vocabulary_size=V, embedding_size=E, hidden_size=H, layers=layers)


def varied(variant: Variant) -> VariantRNN:
    config = sizes(variant.layers)
    return VariantRNN(config, variant, kernel="equations", generator=seeded()).eval()


def some_ids() -> Tensor:
    return torch.randint(V, (3, 9), generator=seeded(1))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_variant_without_a_change_is_the_network(layers: int) -> None:
    plain = CharRNN(sizes(layers), kernel="equations", generator=seeded()).eval()
    logits, state = varied(Variant(layers))(some_ids())
    expected, after = plain(some_ids())
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(state, after)


@pytest.mark.parametrize("name", VARIANTS)
def test_chunks_give_what_the_whole_gives_and_every_weight_learns(name: str) -> None:
    network = varied(VARIANTS[name])
    whole, after = network(some_ids())
    first, state = network(some_ids()[:, :4])
    second, state = network(some_ids()[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, after)
    whole.logsumexp(-1).sum().backward()
    for each, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, each


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {PLAIN, BY_STEPS, "plain, 3 layers"}))
def test_every_change_changes_something(name: str) -> None:
    variant = VARIANTS[name]
    plain = CharRNN(sizes(variant.layers), kernel="equations", generator=seeded()).eval()
    assert not torch.allclose(varied(variant)(some_ids())[0], plain(some_ids())[0], atol=1e-3)


def test_a_residual_stack_of_two_layers_is_the_sum_of_both() -> None:
    residual, summed = (
        varied(variant)(some_ids())[0] for variant in (Variant(residual=True), Variant(summed=True))
    )
    torch.testing.assert_close(residual, summed)


def test_a_mogrifier_whose_gates_are_half_open_changes_nothing() -> None:
    gating = Mogrifier(E, H, seeded())
    torch.nn.utils.vector_to_parameters(
        torch.zeros(sum(each.numel() for each in gating.parameters())), gating.parameters()
    )
    x, h = torch.randn(3, E, generator=seeded()), torch.randn(3, H, generator=seeded())
    torch.testing.assert_close(gating(x, h), (x, h))


def test_what_multiplies_is_the_product_of_both_sides() -> None:
    gating = Multiplicative(E, H, seeded())
    x, h = torch.randn(3, E, generator=seeded()), torch.randn(3, H, generator=seeded(1))
    kept, m = gating(x, h)
    assert kept is x
    torch.testing.assert_close(m, (x @ gating.from_x.T) * (h @ gating.from_h.T))


def test_a_time_is_turned_into_steps() -> None:
    trial = Trial(tokenize(open_corpus(["fables"])), 16, parse_budget("1s"))
    result = trial.run(VARIANTS[PLAIN], seed=0)
    assert result.steps == int(1 / result.step_seconds) > 1


def test_a_row_for_each_that_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat. " * 400)
    command = [str(text), PLAIN, "normalized", "--budget", "30steps", "--hidden-size", "16"]
    main([*command, "--seeds", "0,1"])
    *_, plain, normalized = capsys.readouterr().out.splitlines()
    assert plain.startswith("| plain |") and normalized.startswith("| normalized |")
    nats = [float(each) for each in plain.split("|")[2].split(",")]
    assert len(nats) == 2 and all(0 < each < 3.2 for each in nats)
    assert plain.split("|")[4].strip() == "30"


def test_an_unknown_name_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fables", "wavelet"])
    assert "'wavelet': choose from plain; " in capsys.readouterr().err
