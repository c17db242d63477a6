"""Dates as many languages write them, and the same dates in ISO 8601: pairs of strings whose order
changes on the way, for benchmarks/transduction.py and tests.

    python -m benchmarks.dates --count 20000 --seed 0 > dates.tsv

A date is drawn between 1900 and 2099, with a locale and one of its formats (CLDR's short, medium,
long and full, of the package babel). The table has the columns written, iso, locale and format, and
each string once. The same seed gives the same table with the same version of babel.

Left out is every string that does not say which date it means: one without the four digits of the
year, and one that another of the locales or formats writes for another day (`07/03/2024` where both
orders occur).
"""

import argparse
import csv
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

Format = Literal["short", "medium", "long", "full"]

FORMATS: Final[tuple[Format, ...]] = ("short", "medium", "long", "full")

_LOCALES: Final = (
    "af am ar az be bg bn bs ca cs cy da de de_AT el en en_CA en_GB eo es es_MX et eu fa fi fr "
    "fr_CA ga gl gu he hi hr hu hy id is it ja ka kk km ko lt lv mk ml mn mr ms nb ne nl pa pl pt "
    "pt_PT ro ru si sk sl sq sr sr_Latn sv sw ta te th tr uk ur uz vi zh zh_Hant zu"
)

LOCALES: Final = tuple(_LOCALES.split())
"""Languages in 30 scripts, a few of them with the conventions of two countries."""

FIRST: Final = date(1900, 1, 1)
LAST: Final = date(2099, 12, 31)

LEAP_YEAR: Final = 2024
"""A year that has all days."""

MOST_MISSES: Final = 10_000
"""Strings left out in a row, after which there are taken to be no more."""


class DatePair(NamedTuple):
    """A date as a locale writes it, and in ISO 8601."""

    written: str
    iso: str
    locale: str
    format: str


def write_date(day: date, form: Format, locale: str) -> str:
    """Return a date in a format of a locale."""
    from babel.dates import format_date

    return format_date(day, form, locale=locale)


def date_pairs(
    count: int, *, seed: int, locales: Sequence[str] = LOCALES, formats: Sequence[Format] = FORMATS
) -> list[DatePair]:
    """Return `count` pairs with different strings.

    Raises ValueError where the locales do not write so many.
    """
    rng = random.Random(seed)
    readings = _readings(locales, formats)
    pairs: dict[str, DatePair] = {}
    misses = 0
    while len(pairs) < count:
        day = FIRST + timedelta(days=rng.randrange((LAST - FIRST).days + 1))
        locale, form = rng.choice(locales), rng.choice(formats)
        written = write_date(day, form, locale)
        if written not in pairs and _is_clear(written, day, readings):
            pairs[written] = DatePair(written, day.isoformat(), locale, form)
            misses = 0
        elif (misses := misses + 1) > MOST_MISSES:
            raise ValueError(f"these locales write only {len(pairs)} different dates")
    return list(pairs.values())


def _readings(locales: Sequence[str], formats: Sequence[Format]) -> dict[str, set[tuple[int, int]]]:
    """Return the months and days that each string without a weekday means in the leap year. (Full
    dates have a weekday. Those of LOCALES are all clear, by all fourteen kinds of years.)"""
    readings: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for day in _days(LEAP_YEAR):
        for locale in locales:
            for form in formats:
                if form != "full":
                    readings[write_date(day, form, locale)].add((day.month, day.day))
    return readings


def _days(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)


def _is_clear(written: str, day: date, readings: dict[str, set[tuple[int, int]]]) -> bool:
    """Whether a string has its year, and means one day of it."""
    year = str(day.year)
    if year not in written:
        return False
    return len(readings.get(written.replace(year, str(LEAP_YEAR)), ())) <= 1


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=20_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--locales", type=lambda text: text.split(","), default=LOCALES)
    options = parser.parse_args()
    try:
        pairs = date_pairs(options.count, seed=options.seed, locales=options.locales)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    writer.writerow(DatePair._fields)
    writer.writerows(pairs)


if __name__ == "__main__":
    main()
