"""Write names, one a line, beside an older spelling that never was: a table of pairs of strings.

`towns-older.tsv`, beside this file, was made with

    python corpora/older_spelling.py corpora/towns.txt > corpora/towns-older.tsv

for `charrnn train towns-older.tsv --source modern --target older`.

The spelling follows the rules below, which are invented, like the towns, in the manner of printers
who had few types and no dictionary. Most look at the neighbours of a letter, some at its place in
the word, and two at the whole word.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

VOWELS = "aeiouyáéíóúýåøèâ"
V = f"[{VOWELS}]"
C = f"[^{VOWELS}]"

Change = str | Callable[[re.Match[str]], str]


def double(match: re.Match[str]) -> str:
    """Write the second group twice, and what surrounds it once."""
    return f"{match[1]}{match[2]}{match[2]}"


# In this order, each on the word that the one before left, in small letters.
RULES: tuple[tuple[str, Change], ...] = (
    # The first vowel is short, and the consonant after it is doubled if a vowel follows.
    (rf"^({C}*[aeiou])([lmnprt])(?={V})", double),
    # A name that begins with f begins with two.
    (r"^f", "ff"),
    # th is written for t before a vowel, but not after s, š or t.
    (rf"(?<![stš])t(?={V})", "th"),
    # k is ck after a single vowel, and kv is qu.
    (r"kv", "qu"),
    (rf"(?<!{V})({V})k(?!k)", r"\1ck"),
    # i is y before m and n, at the end, and after another vowel.
    (rf"i(?=[mn]|$)|(?<={V})i", "y"),
    # j before a vowel is i.
    (rf"j(?={V})", "i"),
    # v is the type for both letters at the beginning of a word, u is inside it.
    (r"^u", "v"),
    (r"(?<!^)v", "u"),
    # Letters which the printers did not have.
    (r"å$", "ae"),
    (r"å", "aa"),
    (r"ø(?=y)", "o"),
    (r"ø", "oe"),
    (r"é(?=n)", "ei"),
    (r"é$", "ee"),
    (r"[éè]", "e"),
    (r"ñ", "nh"),
    (r"â", "as"),
    (r"í", "ij"),
    (r"č", "cz"),
    (r"š", "sch"),
    (r"ž", "zs"),
    (r"ý", "y"),
)

SMALL_WORDS = {"the": "ye", "on": "vpon", "sur": "svr", "de": "dee", "nad": "naed"}


def older_word(word: str) -> str:
    """Return the older spelling of a word in small letters."""
    if word in SMALL_WORDS:
        return SMALL_WORDS[word]
    syllables = len(re.findall(f"{V}+", word))
    for pattern, change in RULES:
        word = re.sub(pattern, change, word)
    # Words of one or two syllables have an e at the end, after some consonants.
    if syllables <= 2 and re.search(r"[dfklmnrt]$", word):
        word += "e"
    # The last a of a name is written o where the name has an o before it.
    if word.endswith("a") and "o" in word:
        word = word[:-1] + "o"
    return word


def older(name: str) -> str:
    """Return the older spelling of a name of one or several words."""
    words = [older_word(word.lower()) for word in name.split(" ")]
    return " ".join(
        word.capitalize() if original[:1].isupper() else word
        for word, original in zip(words, name.split(" "), strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Write names beside an invented older spelling.")
    parser.add_argument("names", type=Path, help="a UTF-8 file with a name in each line")
    arguments = parser.parse_args()
    names = arguments.names.read_text(encoding="utf-8").splitlines()
    rows = ["modern\tolder", *(f"{name}\t{older(name)}" for name in names)]
    # As bytes: UTF-8 and LF, whatever the terminal's encoding and the system's newline.
    sys.stdout.buffer.write("".join(f"{row}\n" for row in rows).encode())


if __name__ == "__main__":
    main()
