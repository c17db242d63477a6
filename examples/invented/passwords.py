"""Passwords of made-up people, one a line, as a leak has them: unordered, and many of them often.

People take a word or a name, and dress it: a capital, a year, digits, a sign, letters written as
digits, a word twice; some take a pattern of keys or digits; a few have a random one. The words are
the same for every seed: two seeds are two groups of people with the same habits.
"""

from collections.abc import Callable, Iterator
from random import Random

from invented.chance import below, between, chance, pick, pick_early

_WORDS = (
    "dragon sunshine monkey summer flower winter shadow tiger cookie purple banana rocket silver "
    "coffee pirate thunder forest diamond hunter cherry pepper falcon castle guitar ocean maple "
    "wizard copper velvet comet bramble lantern meadow otter puffin saffron thistle walnut willow "
    "yonder zephyr badger biscuit candle clover cobalt ember fiddle garnet harbor hazel indigo "
    "juniper kettle lemon marble nettle onyx pebble quartz raven sparrow timber umber violet wren"
)
_NAMES = (
    "anna max lena tom mia ben luca sara jonas emma nico julia felix nina oscar lola bruno carla "
    "dario elsa finn greta hugo ines jana karl lili milo nora otto paula quinn rosa samu tilda uma "
    "vera willi xenia yara zoe bella rocky simba luna buddy charlie daisy coco molly teddy"
)
_WALKS = "qwerty 123456 qwertz asdfgh 111111 abc123 1q2w3e 12345678 zxcvbn qazwsx 000000 987654"
_LIKED_DIGITS = "1 123 12 7 01 99 11 69 22 13 007 88 321 5"
WORDS, NAMES, WALKS, LIKED_DIGITS = (
    words.split() for words in (_WORDS, _NAMES, _WALKS, _LIKED_DIGITS)
)
SIGNS = "!.?*#@_-"
LEET = str.maketrans("aeios", "43105")


def year(random: Random) -> str:
    """A year of birth, or a recent one."""
    return str(between(random, 1960, 2009) if chance(random, 0.7) else between(random, 2015, 2026))


def word(random: Random) -> str:
    return pick_early(random, WORDS if chance(random, 0.6) else NAMES)


def digits(random: Random) -> str:
    """A few digits: often those that people like."""
    if chance(random, 0.5):
        return pick_early(random, LIKED_DIGITS)
    return "".join(str(below(random, 10)) for _ in range(between(random, 1, 4)))


def _capital(random: Random) -> str:
    return word(random).capitalize() + digits(random) + pick_early(random, SIGNS)


def _date(random: Random) -> str:
    return f"{between(random, 1, 28):02}{between(random, 1, 12):02}{year(random)}"


def _random(random: Random) -> str:
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(pick(random, letters) for _ in range(between(random, 8, 12)))


HABITS: tuple[tuple[float, Callable[[Random], str]], ...] = (
    (0.24, lambda random: word(random) + digits(random)),
    (0.16, lambda random: word(random) + year(random)),
    (0.13, _capital),
    (0.09, word),
    (0.08, lambda random: word(random) + word(random)),
    (0.07, lambda random: word(random).translate(LEET) + digits(random)),
    (0.06, lambda random: word(random).capitalize() + year(random) + pick_early(random, SIGNS)),
    (0.05, lambda random: pick_early(random, WALKS)),
    (0.04, lambda random: word(random) + pick(random, SIGNS) + word(random)),
    (0.03, _date),
    (0.03, lambda random: word(random) * 2),
    (0.02, _random),
)


def password(random: Random) -> str:
    """The password of one person."""
    value = random.random()
    for probability, habit in HABITS:
        value -= probability
        if value < 0:
            break
    return habit(random)


def documents(random: Random) -> Iterator[str]:
    """Passwords without end, of six characters or more."""
    while True:
        if len(text := password(random)) >= 6:
            yield text + "\n"
