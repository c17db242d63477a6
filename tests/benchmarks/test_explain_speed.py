import pytest

from benchmarks.explain_speed import NETWORKS, Sizes, measure


def test_a_measurement() -> None:
    row = measure(Sizes("gru", 1, 8, "byte", 4), "The fox met the hen, and the hen left. " * 30)
    assert (row["cell"], row["attention"], row["characters"]) == ("gru", 4, 1170)
    assert row["seconds"] > 0


@pytest.mark.parametrize("sizes", NETWORKS)
def test_networks_are_of_known_kinds(sizes: Sizes) -> None:
    assert sizes.cell in ("rnn", "gru", "lstm")
    assert sizes.tokenizer in ("char", "byte")
