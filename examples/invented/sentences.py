"""Sentences of a made-up language, in the Devanagari or in the Arabic script.

The language: a subject, perhaps an object, and a verb, in this order. Nouns have a plural,
adjectives and verbs agree with it, objects have an ending of their own. Each script puts vowels as
marks on the consonant before: a mark is a character of its own (a combining mark), and never begins
a word. Arabic is written from right to left, which is a matter of the display: in the file, the
first letter is the first character.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from invented.chance import between, chance, pick, pick_early
from invented.counts import share

CONSONANTS = "kgtdnpbmrlshyvjz"
VOWELS = "aiueo"

Syllable = tuple[str, str, str]  # a consonant, a vowel, and a consonant that closes it or nothing
PLURAL: Syllable = ("r", "i", "n")
OBJECT: Syllable = ("k", "o", "")
SINGULAR_VERB: Syllable = ("t", "a", "")
PLURAL_VERB: Syllable = ("t", "u", "n")


@dataclass(frozen=True)
class Lexicon:
    """The stems of the language, the most frequent first."""

    nouns: Sequence[tuple[Syllable, ...]]
    adjectives: Sequence[tuple[Syllable, ...]]
    verbs: Sequence[tuple[Syllable, ...]]


def lexicon() -> Lexicon:
    """The same for every seed of a text: different texts are in one language."""
    random = Random(7)
    stems: list[tuple[Syllable, ...]] = []
    while len(stems) < 360:
        stem = tuple(_syllable(random) for _ in range(between(random, 1, 3)))
        if stem not in stems and len(stem) + (stem[-1][2] != "") > 1:
            stems.append(stem)
    return Lexicon(stems[:200], stems[200:280], stems[280:])


def _syllable(random: Random) -> Syllable:
    close = pick(random, "nrlsm") if chance(random, 0.25) else ""
    return pick(random, CONSONANTS), pick(random, VOWELS), close


@dataclass(frozen=True)
class Script:
    """How the language is written: a letter for each consonant and a mark for each vowel."""

    consonants: str
    vowels: Mapping[str, str]
    no_vowel: str  # the mark of a consonant that closes a syllable
    full_stop: str
    lexicon: Lexicon

    def spell(self, word: Sequence[Syllable]) -> str:
        letters = dict(zip(CONSONANTS, self.consonants, strict=True))
        return "".join(
            letters[start] + self.vowels[vowel] + (letters[end] + self.no_vowel if end else "")
            for start, vowel, end in word
        )

    def noun_phrase(
        self, random: Random, plural: bool, ending: tuple[Syllable, ...] = ()
    ) -> list[str]:
        suffix = (PLURAL,) if plural else ()
        noun = pick_early(random, self.lexicon.nouns) + suffix + ending
        if chance(random, 0.4):
            return [
                self.spell(pick_early(random, self.lexicon.adjectives) + suffix),
                self.spell(noun),
            ]
        return [self.spell(noun)]

    def sentence(self, random: Random) -> str:
        plural = chance(random, 0.4)
        words = self.noun_phrase(random, plural)
        if chance(random, 0.7):
            words += self.noun_phrase(random, chance(random, 0.4), (OBJECT,))
        verb = pick_early(random, self.lexicon.verbs)
        words.append(self.spell((*verb, PLURAL_VERB if plural else SINGULAR_VERB)))
        return " ".join(words) + self.full_stop

    def documents(self, random: Random) -> Iterator[str]:
        """Paragraphs of three to seven sentences without end."""
        while True:
            yield " ".join(self.sentence(random) for _ in range(between(random, 3, 7))) + "\n"

    @cached_property
    def forms(self) -> dict[str, tuple[str, bool]]:
        """All words there are: what each is, and whether it is plural."""
        forms = {}
        for kind, stems in vars(self.lexicon).items():
            for stem in stems:
                if kind == "verbs":
                    forms[self.spell((*stem, SINGULAR_VERB))] = ("verb", False)
                    forms[self.spell((*stem, PLURAL_VERB))] = ("verb", True)
                    continue
                for plural in (False, True):
                    word = (*stem, PLURAL) if plural else stem
                    forms[self.spell(word)] = (kind[:-1], plural)
                    if kind == "nouns":
                        forms[self.spell((*word, OBJECT))] = ("object", plural)
        return forms

    def agrees(self, sentence: str) -> bool:
        """Whether the verb agrees with its subject in number, and each adjective with its noun."""
        words = [self.forms.get(word) for word in sentence.split()]
        kinds = [word[0] if word else "" for word in words]
        numbers = [word[1] if word else None for word in words]
        pattern = r"(adjective )?noun ((adjective )?object )?verb"
        if (
            not re.fullmatch(pattern, " ".join(kinds))
            or numbers[kinds.index("noun")] != numbers[-1]
        ):
            return False
        return all(
            numbers[i] == numbers[i + 1] for i, kind in enumerate(kinds) if kind == "adjective"
        )

    def check(self, text: str) -> list[str]:
        """Counts marks that stand on a letter, words of the language, and sentences that agree."""
        marks = [i for i, each in enumerate(text) if unicodedata.category(each).startswith("M")]
        placed = sum(i > 0 and unicodedata.category(text[i - 1]) == "Lo" for i in marks)
        *sentences, _ = text.replace("---", " ").split(self.full_stop)
        words = [word for sentence in sentences for word in sentence.split()]
        return [
            share(placed, len(marks), "marks that stand on a letter"),
            share(sum(word in self.forms for word in words), len(words), "words of the language"),
            share(sum(map(self.agrees, sentences)), len(sentences), "sentences that agree"),
        ]


_LEXICON = lexicon()

DEVANAGARI = Script(
    "कगतदनपबमरलसहयवजश",
    {"a": "", "i": "ि", "u": "ु", "e": "े", "o": "ो"},
    "्",
    "।",
    _LEXICON,
)
ARABIC = Script(
    "كگتدنپبمرلسهیڤجز",
    {"a": "\u064e", "i": "\u0650", "u": "\u064f", "e": "\u0656", "o": "\u0657"},
    "\u0652",
    ".",
    _LEXICON,
)
