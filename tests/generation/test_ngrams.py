from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.generation import ngrams
from charrnn.generation.ngrams import Followers

ids = st.lists(st.integers(0, 2), max_size=30)


def slow(size: int, text: Sequence[int]) -> set[int]:
    """What has followed the last n - 1, by looking through all of it."""
    if len(text) < size - 1:
        return set()
    end = list(text[len(text) - size + 1 :])
    places = range(len(text) - size + 1)
    return {text[at + size - 1] for at in places if list(text[at : at + size - 1]) == end}


@given(size=st.integers(1, 4), prompt=ids, one=ids, other=ids, new=st.sampled_from([1, 256]))
def test_what_has_followed_is_known_and_copies_do_not_mix(
    size: int, prompt: list[int], one: list[int], other: list[int], new: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "_NEW", new)
        followers = Followers(size, prompt)
        copy = followers.copy()
        for table, more in ((followers, one), (copy, other)):
            text = list(prompt)
            for each in more:
                assert set(table.after(text)) == slow(size, text)
                table.add(text, each)
                text.append(each)
            assert set(table.after(text)) == slow(size, text)
            assert len(set(table.after(text))) == len(table.after(text))


def test_a_copy_copies_little_of_a_long_text() -> None:
    long = [place * place % 1009 for place in range(20_000)]
    followers = Followers(5, long)
    for place in range(3000):
        followers.add(long, place)
        long.append(place)
        assert len(followers.copy()._new) <= ngrams._NEW + 1
