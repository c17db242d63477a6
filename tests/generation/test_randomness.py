from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.generation.randomness import sample_keys, split, uniforms

Keys = npt.NDArray[np.uint64]


def splitmix64(key: int, position: int) -> int:
    """As the paper has it, in Python's own integers."""
    mixed = (key + (position + 1) * 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return mixed ^ mixed >> 31


def numbers(keys: Keys, count: int) -> npt.NDArray[np.float64]:
    """The first numbers (K, T) of each key (K,)."""
    return uniforms(keys[:, None], np.arange(count, dtype=np.uint64))


def test_the_numbers_are_those_of_splitmix64() -> None:
    # What java.util.SplittableRandom gives for the seed 1234567.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [splitmix64(1234567, position) for position in range(5)] == published
    expected = [(number >> 11) / 2**53 for number in published]
    assert numbers(np.array([1234567], dtype=np.uint64), 5)[0].tolist() == expected


@pytest.mark.parametrize("seed", [0, 7, 2**64 + 7])
def test_a_sample_has_a_key_of_its_own_and_a_part_of_it_too(seed: int) -> None:
    # A seed that somebody wrote down gives the same text with the next version.
    digest = blake2b(str(seed).encode(), digest_size=8).digest()
    begin = int.from_bytes(digest, "little")
    indices = [0, 3, 2**40, 2**63]
    keys = sample_keys(seed, indices)
    assert keys.tolist() == [splitmix64(begin, index) for index in indices]
    parts = split(keys[1:2], 3)
    assert parts.tolist() == [splitmix64(int(keys[1]), 2**63 + part) for part in range(3)]


def test_a_key_depends_on_its_seed_and_index_alone() -> None:
    together = sample_keys(3, range(50))
    assert [int(sample_keys(3, [index])[0]) for index in range(50)] == together.tolist()
    assert sample_keys(3, [7, 2, 7]).tolist() == together[[7, 2, 7]].tolist()
    assert sample_keys(3, []).tolist() == []


def test_a_number_depends_on_its_key_and_position_alone() -> None:
    keys = sample_keys(3, range(7))
    whole = numbers(keys, 20)
    for row in range(7):
        for position in (0, 1, 19):
            alone = uniforms(keys[row : row + 1], np.array([position], dtype=np.uint64))
            assert alone.tolist() == [whole[row, position]]
    # The numbers of some lanes, each at a position of its own.
    positions = [5, 0, 19, 3, 3, 7, 1]
    mixed = uniforms(keys, np.array(positions, dtype=np.uint64))
    assert mixed.tolist() == [whole[row, position] for row, position in enumerate(positions)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, 1), (1, 0)),
        ((1, 23), (12, 3)),
        ((5, 0), (5, 1)),
        ((2**64 + 5, 0), (5, 0)),
        ((2**200, 0), (2**200 + 1, 0)),
        ((0, 2**63), (0, 2**63 + 1)),
    ],
)
def test_other_seeds_and_indices_have_other_keys(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    first, again, second = (sample_keys(seed, [index])[0] for seed, index in (one, one, other))
    assert first == again != second


def test_no_two_of_many_keys_are_the_same() -> None:
    keys = np.concatenate([sample_keys(seed, range(1000)) for seed in range(100)])
    parts = np.concatenate([split(key, 100) for key in keys[:100, None]])
    assert len(np.unique(np.concatenate([keys, parts]))) == 110_000


@pytest.mark.parametrize(
    "keys",
    [
        np.arange(1000, dtype=np.uint64),
        sample_keys(0, range(1000)),
        split(sample_keys(0, [0]), 1000),
        np.concatenate([sample_keys(seed, [0]) for seed in range(1000)]),
    ],
    ids=["counted", "samples", "parts", "seeds"],
)
def test_the_numbers_are_uniform(keys: Keys) -> None:
    # Also along keys at one position: the first characters of many texts.
    drawn = numbers(keys, 100)
    assert drawn.min() >= 0 and drawn.max() < 1
    for these in (drawn.reshape(-1), drawn[:, 0], drawn[0], drawn[:10].reshape(-1)):
        bins = len(these) // 10
        counts = np.bincount((these * bins).astype(np.intp), minlength=bins)
        chi_square = ((counts - 10) ** 2 / 10).sum()
        assert abs(chi_square - (bins - 1)) < 4 * np.sqrt(2 * (bins - 1))


def test_numbers_do_not_follow_from_their_neighbours() -> None:
    drawn = numbers(sample_keys(0, range(300)), 300)
    for one, other in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        cells = (one * 10).astype(np.intp) * 10 + (other * 10).astype(np.intp)
        counts = np.bincount(cells.reshape(-1), minlength=100)
        chi_square = ((counts - cells.size / 100) ** 2 / (cells.size / 100)).sum()
        assert abs(chi_square - 99) < 4 * np.sqrt(2 * 99)
