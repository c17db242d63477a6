import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charrnn.serving.prefix_cache import PrefixCache


def state_of(number: int, size: int = 4) -> tuple[np.ndarray, ...]:
    return (np.full((1, 1, size), number, dtype=np.float32),)


texts = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@given(kept=st.lists(texts, max_size=8), asked=texts)
def test_the_longest_beginning_is_found(kept: list[list[int]], asked: list[int]) -> None:
    cache = PrefixCache()
    for number, ids in enumerate(kept):
        cache.keep(cache.prefixes(ids), len(ids), state_of(number))
    matching = [ids for ids in kept if ids == asked[: len(ids)]]
    length, state = cache.longest(cache.prefixes(asked))
    assert length == max(map(len, matching), default=0)
    if length:
        last = max(number for number, ids in enumerate(kept) if ids == asked[:length])
        assert state is not None
        assert state[0][0, 0, 0] == last
    else:
        assert state is None


def test_equal_fingerprints_of_other_ids_are_told_apart() -> None:
    cache = PrefixCache()
    first, second = cache.prefixes([1, 2, 3]), cache.prefixes([4, 5, 6])
    cache.keep(first, 3, state_of(1))
    second.sums[2] = first.sums[2]
    assert cache.longest(second) == (0, None)
    assert cache.longest(first)[0] == 3


def test_the_order_of_ids_matters() -> None:
    cache = PrefixCache()
    cache.keep(cache.prefixes([1, 2]), 2, state_of(1))
    assert cache.longest(cache.prefixes([2, 1]))[0] == 0
    assert cache.longest(cache.prefixes([1, 2, 2, 1]))[0] == 2


def test_the_memory_is_bounded_and_what_is_used_stays() -> None:
    cache = PrefixCache(100_000)
    often = cache.prefixes([7] * 20)
    cache.keep(often, 20, state_of(1, 1000))
    for number in range(1000):
        ids = cache.prefixes([number, 1])
        cache.keep(ids, 2, state_of(2, 1000))
        assert cache.longest(ids)[0] == 2
        assert cache.longest(often)[0] == 20
        assert cache.nbytes <= 100_000
    assert 10 < len(cache) < 30
    assert cache.longest(cache.prefixes([0, 1]))[0] == 0
    cache.keep(cache.prefixes([1]), 1, state_of(3, 50_000))
    assert cache.longest(cache.prefixes([1]))[0] == 0  # larger than the whole cache


def test_a_state_kept_twice_counts_once() -> None:
    cache = PrefixCache()
    ids = cache.prefixes([1, 2, 3])
    cache.keep(ids, 3, state_of(1))
    before = cache.nbytes
    cache.keep(ids, 3, state_of(2))
    assert cache.nbytes == before
    assert len(cache) == 1
