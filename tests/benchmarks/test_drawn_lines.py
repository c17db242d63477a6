"""Drawn lines, in the font that Pillow brings."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from benchmarks.drawn_lines import (
    FAMILIES,
    HANDWRITTEN,
    draw_lines,
    family_of,
    normalized,
    split_families,
)


def drawn(text: str, size: int, *, paper: int = 255, ink: int = 0) -> npt.NDArray[np.uint8]:
    """Return the gray values of a line."""
    font = ImageFont.load_default(size)
    image = Image.new("L", (int(font.getlength(text)) + 40, 3 * size), paper)
    ImageDraw.Draw(image).text((20, size), text, fill=ink, font=font)
    return np.asarray(image)


def test_every_fifth_family_is_tested_on() -> None:
    families = {family_of(each): [Path()] for each in FAMILIES + HANDWRITTEN}
    seen, unseen = split_families(dict(sorted(families.items())))
    assert sorted(seen + unseen) == sorted(families)
    assert 0.17 < len(unseen) / len(families) <= 0.2
    assert {family_of(each) for each in HANDWRITTEN} & set(unseen)


def test_a_family_is_the_first_word_of_a_name() -> None:
    assert family_of("DejaVu Sans Mono") == family_of("DejaVu Serif") == "dejavu"
    assert family_of("Oxygen-Sans") == family_of("Oxygen Mono")


@pytest.mark.parametrize("size", [20, 30])
@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (180, 90)])
def test_size_place_and_contrast_are_normalized(size: int, paper: int, ink: int) -> None:
    """The same line is nearly the same, however it was drawn."""
    text = "The mole drew a map"
    expected = normalized(drawn(text, 25))
    columns = normalized(np.pad(drawn(text, size, paper=paper, ink=ink), 9, "edge"))
    assert columns.shape[1] == expected.shape[1] == 32
    assert abs(len(columns) - len(expected)) < 0.06 * len(expected)
    rows, expected_rows = columns.mean(0), expected.mean(0)
    assert np.corrcoef(rows, expected_rows)[0, 1] > 0.95
    assert columns.min() >= 0 and columns.max() <= 1 and columns.max() > 0.9


def test_noise_is_paper() -> None:
    gray = drawn("The mole drew a map", 30).astype(float)
    noisy = (gray * 0.7 + 40 + np.random.default_rng(0).normal(0, 8, gray.shape)).clip(0, 255)
    columns = normalized(noisy.astype(np.uint8))
    assert np.corrcoef(columns.mean(0), normalized(gray.astype(np.uint8)).mean(0))[0, 1] > 0.95
    assert columns[:, :2].mean() < 0.1


def test_a_line_is_drawn_differently_each_time_and_alike_for_a_seed() -> None:
    font = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    first, second = draw_lines(["a line", "a line"], [font, font], seed=3)
    again = draw_lines(["a line", "a line"], [font, font], seed=3)
    assert np.array_equal(first, again[0]) and np.array_equal(second, again[1])
    assert first.shape != second.shape or not np.allclose(first, second, atol=0.1)
