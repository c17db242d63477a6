"""Lines of text drawn in fonts of Debian packages, for benchmarks/text_lines.py.

A line is drawn in black on white, and then changed as a scanner or a camera does: slanted, turned,
blurred, thicker or thinner, of less contrast, in uneven light, in noise. `normalized` makes of any
image of a line the columns that a network reads.

Legend: T columns, E rows.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = npt.NDArray[np.float32]

FONTS: Final = Path("/usr/share/fonts")

FAMILIES: Final = (
    *("Accanthis ADF Std", "Andika", "Anonymous Pro", "Arapey", "Averia Sans GWF"),
    *("Averia Serif GWF", "B612", "B612 Mono", "Baskervald ADF Std", "Berenis ADF Pro"),
    *("C059", "CMU Bright", "CMU Concrete", "CMU Sans Serif", "CMU Serif", "CMU Typewriter Text"),
    *("Cabin", "Caladea", "Cantarell", "Cardo", "Century Catalogue", "Charis SIL"),
    *("Clear Sans", "Comfortaa", "Courier Prime", "DejaVu Sans", "DejaVu Sans Mono"),
    *("DejaVu Serif", "Dosis", "EB Garamond", "Essays1743", "Fanwood"),
    *("Fira Code", "Gentium Basic", "Gillius ADF", "Go", "Go Mono", "Goudy Bookletter 1911"),
    *("Inconsolata", "Inter", "JetBrains Mono", "Junction", "Junicode Two Beta", "Jura", "Karla"),
    *("Lato", "League Mono", "Liberation Mono", "Liberation Sans", "Liberation Serif"),
    *("Libris ADF Std", "Linden Hill", "Linux Biolinum O", "Linux Libertine O", "Manrope"),
    *("Mekanus ADF Std", "Nimbus Mono PS", "Old Standard TT", "Open Sans", "OpenDyslexic"),
    *("Oxygen Mono", "Oxygen-Sans", "P052", "PT Mono", "PT Sans", "PT Serif", "Play", "Prociono"),
    *("Quattrocento", "Quicksand", "Roboto", "Roboto Slab", "Romande ADF Std"),
    *("STIXGeneral", "Sora", "Tlwg Typist", "Tribun ADF Std", "Tuffy"),
    *("URW Bookman", "URW Gothic", "Universalis ADF Std", "Vollkorn", "Yrsa"),
    "monofur",
)
"""Fonts of running text, no two of one design."""

HANDWRITTEN: Final = (
    *("Breip", "Chilanka", "Comic Neue", "DkgHandwriting", "Klee One", "Purisa", "Rufscript"),
    "Steve",
)
"""Fonts of separate handwritten letters, small and capital."""

STYLES: Final = frozenset(
    (
        *("Regular", "Book", "Roman", "Medium", "Bold", "Light", "Demi", "Semibold", "SemiBold"),
        *("Italic", "Oblique", "Bold Italic", "BoldItalic", "Bold Oblique", "Medium Italic"),
        *("Light Italic", "Demi Italic", "Standard", "Hand", "Sans-Book", "Sans-Bold"),
    )
)

EVERY: Final = 5
"""Every fifth family, in the order of the alphabet, is not trained on."""


SLANT: Final = 0.2
"""Each of these is the end of a uniform distribution: columns a row is moved by."""
TURN: Final = 0.8
"""Degrees."""
BLUR: Final = 1.0
"""The deviation of a Gaussian, in pixels of a font of 30 pixels."""
NOISE: Final = 0.12
"""The deviation of a Gaussian, where black and white are 0 and 1."""
CONTRAST: Final = 0.5
"""How much of the difference between black and white may be lost."""
LIGHT: Final = 0.2
"""How much light the end of a line may get more or less than its beginning."""


def family_of(name: str) -> str:
    """Return the first word of a font's name: "DejaVu Sans" and "DejaVu Serif" are one family."""
    return name.split()[0].split("-")[0].casefold()


@cache
def find_fonts(characters: str) -> dict[str, list[Path]]:
    """Return the files of each family that is installed and has the characters."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(FONTS.rglob("*.[ot]tf")):
        if "noto" in path.parts:
            continue
        font = ImageFont.truetype(str(path), 20)
        name, style = font.getname()
        if name in FAMILIES + HANDWRITTEN and style in STYLES and _has(font, characters):
            found[family_of(name)].append(path)
    return dict(sorted(found.items()))


def split_families(found: dict[str, list[Path]]) -> tuple[list[str], list[str]]:
    """Return the families to train on, and those to test on: every fifth of the list above."""
    tests = set()
    for names in (FAMILIES, HANDWRITTEN):
        tests.update(sorted({family_of(each) for each in names})[EVERY - 1 :: EVERY])
    return [each for each in found if each not in tests], [each for each in found if each in tests]


def _has(font: ImageFont.FreeTypeFont, characters: str) -> bool:
    missing = bytes(font.getmask("\uffff"))
    return all(
        (drawn := bytes(font.getmask(each))) != missing and any(drawn) for each in characters
    )


def draw(text: str, path: Path, random: Random) -> npt.NDArray[np.uint8]:
    """Draw a line; return the gray values of an image."""
    size = random.uniform(20, 34)
    font = ImageFont.truetype(str(path), round(size))
    left, top, right, bottom = font.getbbox(text)
    margin = random.randint(6, 14)
    width, height = int(right - left) + 2 * margin, int(bottom - top) + 2 * margin
    image = Image.new("L", (width, height), 255)
    weight = random.choices([0, 1], [0.85, 0.15])[0] if size > 28 else 0
    origin = (margin - left, margin - top)
    ImageDraw.Draw(image).text(origin, text, font=font, fill=0, stroke_width=weight)
    slant = random.uniform(-SLANT, SLANT)
    turn = np.deg2rad(random.uniform(-TURN, TURN)) * min(1, 400 / width)
    grown = width + round(abs(slant) * height)
    moved = (1, slant, -slant * height if slant > 0 else 0)
    rise = abs(turn) * width
    tilted = (turn, 1, -turn * width / 2 - rise / 2)
    image = image.transform(
        (grown, height + round(rise)),
        Image.Transform.AFFINE,
        (*moved, *tilted),
        Image.Resampling.BILINEAR,
        fillcolor=255,
    )
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, BLUR) * size / 30))
    noise = np.random.default_rng(random.getrandbits(63))
    pixels = np.asarray(image, np.float32) / 255
    pixels = 1 - (1 - pixels) * random.uniform(1 - CONTRAST, 1)
    light = np.linspace(0, random.uniform(-LIGHT, LIGHT), pixels.shape[1])
    pixels = pixels * (1 - abs(light)) * random.uniform(0.8, 1)
    pixels = pixels + noise.normal(0, random.uniform(0, NOISE), pixels.shape)
    return (255 * pixels.clip(0, 1)).astype(np.uint8)


def normalized(gray: npt.NDArray[np.uint8], rows: int = 32) -> Pixels:
    """Return the columns (T, E) of an image of a line. Ink is 1 and paper 0, the line is level, its
    letters are upright, and the rows are centred on the ink and scaled by its spread, so that small
    letters are about equally high."""
    ink = _ink(gray)
    y, x = np.nonzero(ink > 0.4)
    weights = ink[y, x]
    middle = x.mean()
    turn = _sharpest(y, x - middle, weights, np.linspace(-0.02, 0.02, 9))
    level = y - turn * (x - middle)
    centre = np.average(level, weights=weights)
    half = 3.2 * np.sqrt(np.average((level - centre) ** 2, weights=weights))
    slant = _sharpest(x, level - centre, weights, np.linspace(-0.6, 0.6, 25))
    upright = x - slant * (level - centre)
    left, right = upright.min() - 2, upright.max() + 3
    scale = 2 * half / rows
    across = (scale, slant * scale, left - slant * half)
    down = (turn * scale, (1 + turn * slant) * scale, centre - half + turn * (across[2] - middle))
    size = max(round((right - left) / scale), 1), rows
    page = Image.fromarray(ink).transform(
        size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR
    )
    return np.asarray(page, np.float32).T.copy()


def _ink(gray: npt.NDArray[np.uint8]) -> Pixels:
    """Return how much ink is on each pixel, from 0 to 1, in uneven light and noise."""
    paper = np.convolve(np.pad(np.median(gray, axis=0), 32, "edge"), np.ones(65) / 65, "valid")
    dark = 1 - gray / paper.astype(np.float32)  # light darkens ink and paper by the same factor
    dark = np.maximum(dark - 2 * np.median(abs(dark)), 0)
    ink: Pixels = np.minimum(dark / np.quantile(dark[dark > 0.3 * dark.max()], 0.6), 1)
    return ink


def _sharpest(
    across: npt.NDArray[Any], along: npt.NDArray[Any], weights: Pixels, tilts: npt.NDArray[Any]
) -> float:
    """Return the tilt along a direction at which the ink is most concentrated across it."""

    def concentration(tilt: float) -> float:
        moved = across - tilt * along
        return float((np.bincount((moved - moved.min()).astype(int), weights) ** 2).sum())

    return float(max(tilts, key=concentration))


def draw_lines(
    texts: Sequence[str], paths: Sequence[Path], seed: int, rows: int = 32
) -> list[Pixels]:
    """Draw each text in its font; return the columns (T, E) of each."""
    random = Random(seed)
    return [
        normalized(draw(text, path, random), rows) for text, path in zip(texts, paths, strict=True)
    ]
