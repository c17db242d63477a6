"""Abusive bodies: sizes, numbers, structures and settings that no client means."""

import itertools
import json
from typing import Any, Final

from tests.stress.abusive_client import (
    COMPLETIONS,
    MEGABYTE,
    Dishonest,
    Target,
    answers,
    asked,
    refuses,
)


def large_body(target: Target) -> None:
    """100 MB, announced."""
    size = 100 * MEGABYTE
    head = target.head(COMPLETIONS, headers={"Content-Length": str(size)})
    start = b'{"prompt": "' if target.chance.random() < 0.5 else b"["
    pieces = itertools.repeat(b"a" * MEGABYTE, 100)
    refuses(target.send(itertools.chain([head, start], pieces)), 413, closed=True)


def large_chunked_body(target: Target) -> None:
    """100 MB in chunks, of which nobody knows how many will come."""
    head = target.head(COMPLETIONS, headers={"Transfer-Encoding": "chunked"})
    size = target.chance.choice((1 << 10, 1 << 16, MEGABYTE))
    chunk = b"%x\r\n%s\r\n" % (size, b"a" * size)
    pieces = itertools.repeat(chunk, 100 * MEGABYTE // size)
    refuses(target.send(itertools.chain([head], pieces, [b"0\r\n\r\n"])), 413, closed=True)


def small_chunks(target: Target) -> None:
    """A sound body, a byte a chunk, with extensions of chunks and trailers."""
    content = json.dumps(asked()).encode()
    chunks = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in content)
    head = target.head(COMPLETIONS, headers={"Transfer-Encoding": "chunked"})
    answers(target.send(head + chunks + b"0\r\nTrailer: x\r\n\r\n"))


NUMBERS: Final = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "9" * 5_000),
    *("-1", "0", "0.5", "1e-320", "-0.0", "9007199254740993", "18446744073709551616", "true"),
)
NUMERIC: Final = (
    *("max_tokens", "temperature", "top_p", "n", "best_of", "logprobs", "seed", "index", "top_k"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "repetition_window", "min_p"),
    *("typical", "no_repeat_ngram", "min_length"),
)


def numbers(target: Target) -> None:
    """Numbers that are none, or too large to be meant."""
    field, number = target.chance.choice(NUMERIC), target.chance.choice(NUMBERS)
    content = json.dumps(asked(**{field: "HERE"})).replace('"HERE"', number).encode()
    answer = target.post(content)
    if number in ("NaN", "Infinity", "-Infinity") or number.startswith("9999"):
        refuses(answer, 400)
    else:
        answers(answer)


def deep_json(target: Target) -> None:
    """A structure that no recursion survives."""
    depth = target.chance.choice((500, 5_000, 100_000))
    opening, closing = target.chance.choice((("[", "]"), ('{"a":', "}"), ('{"prompt":[', "]}")))
    if target.chance.random() < 0.5:
        content = (opening * depth + "1" + closing * depth).encode()
    else:
        content = (opening * depth).encode()
    refuses(target.post(content), 400, 413)


NO_JSON: Final = (
    *(b"", b"null", b"1", b'"a"', b"[]", b"{", b"}", b"{'prompt': 'a'}", b'{"prompt"}', b"\x00"),
    *(b'{"prompt": "\xff\xfe"}', b'{"prompt": "\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b'{"a": 1} x'),
    *('{"prompt": "ab"}'.encode("utf-16"), '{"prompt": "ab"}'.encode("utf-32"), b"\x80" * 1000),
    *(b'{"prompt": "\\ud800"}', b'{"prompt": "\\udc80a"}', b'{"prompt": "a\nb"}', b"prompt=a"),
    *(b'{"model": "small", "prompt": "' + b"\\u0000" * 1000 + b'"}', b"/* */ {}", b"{,}"),
)


def bad_bodies(target: Target) -> None:
    """What is no JSON object in UTF-8, or has half a character in it."""
    refuses(target.post(target.chance.choice(NO_JSON)), 400, 415)


VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 10**30, "", "a", "☃", "a" * 10_000, "\x00", [], {}),
    *([[]], [[], [1]], [None], ["a", 1], [1, "a"], [-1], [10**18], [1.5], [True], {"a": []}),
    *([["a"]], [[[1]]], {"0": "x"}, {"0": 1e9}, {"-1": 0}, {"99999999": 1}, {"\u0661": 1}, ["\n"]),
    *(["a"] * 3_000, [0] * 300_000, {str(i): 1 for i in range(50_000)}),
)
FIELDS: Final = (
    *NUMERIC,
    *(
        "model",
        "prompt",
        "stop",
        "stream",
        "stream_options",
        "echo",
        "logit_bias",
        "suffix",
        "user",
    ),
    *("regex", "only", "ban", "lines", "no_such_field", "__proto__", "unique", "novel"),
)


def wrong_types(target: Target) -> None:
    """Up to four fields with values of any type."""
    fields = target.chance.sample(FIELDS, target.chance.randint(1, 4))
    answers(target.post(asked(**{field: target.chance.choice(VALUES) for field in fields})))


def other_endpoints(target: Target) -> None:
    """The same for all that takes JSON."""
    path = target.chance.choice(
        (
            *("/tokenize", "/detokenize", "/api/score", "/api/suggest", "/api/fill"),
            *("/api/proofread", "/api/predict", "/api/explain", "/v1/chat/completions"),
        )
    )
    names = (
        *("prompt", "tokens", "text", "texts", "model", "unit", "count", "alternatives", "gap"),
        *("parts", "shown", "samples", "stream"),
    )
    fields = target.chance.sample(names, target.chance.randint(0, 4))
    answers(target.post({field: target.chance.choice(VALUES) for field in fields}, path))


def many_stops(target: Target) -> None:
    """A million stop strings, or fewer that are long."""
    count, length = target.chance.choice(((1_000_000, 1), (1_000, 1_000), (5, 1), (4, 200_000)))
    answer = target.post(asked(stop=["a" * length] * count))
    if count >= 1_000:
        refuses(answer, 400, 413)
    else:
        answers(answer)


def huge_work(target: Target) -> None:
    """Requests that are small, for work that is not."""
    chance = target.chance
    answers(
        target.post(
            chance.choice(
                (
                    asked(n=chance.choice((128, 10_000, 10**9)), max_tokens=1),
                    asked(best_of=10**6),
                    asked(n=128, best_of=128, max_tokens=4, logprobs=5),
                    asked(prompt=["a"] * chance.choice((2_000, 200_000)), max_tokens=1),
                    asked(prompt=[[1]] * 2_000, n=128, max_tokens=1),
                    asked(max_tokens=10**15),
                    asked(prompt="ab" * 100_000, max_tokens=0, echo=True, logprobs=5),
                    asked(logit_bias={str(each): 1 for each in range(100_000)}),
                )
            )
        )
    )


REGEXES: Final = (
    *("(a+)+b", "(a|aa)+$", "(.*)*", "(.*){1,1000}", "[a-b]{1,100000}", "(a?){300}a{300}", "a**"),
    *("((a{1,100}){1,100}){1,100}", "(?:(?:(?:a{0,99}){0,99}){0,99}){0,99}", "(a|b)*a(a|b){18}"),
    *("(?=a)", r"(a)\1", "(a", "a{2,1}", "[", "\\", "\\p{L}{200}", "(?i)[^a]{3,5000}", "☃+", ""),
    *("(" * 5_000 + "a" + ")" * 5_000, "a" * 100_000, "|".join("ab" * 9 for _ in range(5_000))),
    *(".{200}", "(a|b|ab)*(aa|bb){20}(b|a)*", "\x00", "^$", "(?R)", "(?P<n>a)(?P<n>b)", "[a-"),
)


def regexes(target: Target) -> None:
    """Regular expressions that take exponential time or memory somewhere, or are none."""
    regex = target.chance.choice(REGEXES)
    stream = target.chance.random() < 0.3
    try:
        answers(target.post(asked(regex=regex, max_tokens=64, stream=stream)))
    except Dishonest as error:
        raise Dishonest(f"{regex[:60]!r}: {error}") from None
