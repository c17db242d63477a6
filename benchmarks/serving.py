"""Measures `charrnn serve`: the server and its load run on this machine, over real sockets.

    python -m benchmarks.serving [rate] [latency] [idle] [memory] [--streams 256] [--rounds N]
        [--requests N] [--json]

The model has random weights, which is as fast as a trained one.

- rate: the characters per second of many streams, each on a connection of its own, beside
`charrnn sample -n` of the same texts in the same turn: the median of the turns' ratios. The texts
are compared, and must be the same.
- latency: milliseconds from the start of a request, before its connection, to its first character.
`together` all begin at once; otherwise each begins at a random moment while the others run, alone
or beside prompts of 100,000 characters or requests with a new regular expression each.
- idle: the processor time of a server without requests.
- memory: how much memory grows over short requests, after the first tenth of them.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

import charrnn
from benchmarks.random_models import ALPHABET, write_fresh_model
from benchmarks.serving_load import Exchange, Load, Server, ShortRequests, request, serving
from charrnn.generation.config import SamplingConfig, SelectionConfig
from charrnn.generation.generate import generate_samples
from charrnn.generation.sampler import Sampler

PARTS: Final = ("rate", "latency", "idle", "memory")
TEMPERATURE: Final = 0.8
RATE_BAR: Final = 0.7
"""The least share of the rate of `charrnn sample`."""
LATENCY_BAR: Final = (16, 20.0)
"""Streams, and the milliseconds of the 99th percentile."""
IDLE_SECONDS: Final = 10.0
LONG_PROMPT: Final = 100_000
GAP: Final = 0.02
"""The seconds, at most, between the end of a stream and the next one in its place."""


def streamed(port: int, **settings: Any) -> bytes:
    """Return a request for a streamed completion."""
    body = {"prompt": "", "stream": True, "temperature": TEMPERATURE, **settings}
    return request(port, "/v1/completions", body, close=True)


def characters(count: int, chance: random.Random) -> str:
    """Return random characters that the model knows."""
    return "".join(chance.choices(ALPHABET[1:], k=count))


def rate(server: Server, directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure characters per second of streams and of `charrnn sample`, in turns."""
    sampler = Sampler(charrnn.load(directory))
    streams, length = options.streams, options.length
    config = SamplingConfig(length=length, temperature=TEMPERATURE, seed=1)
    speeds: dict[str, list[float]] = {"sample": [], "serve": []}
    taken, differing = [], 0
    for turn in range(options.rounds + 1):
        began = time.perf_counter()
        samples = generate_samples(sampler, "", config, SelectionConfig(number=streams))
        texts = [sample.text for sample in samples]
        seconds = {"sample": time.perf_counter() - began}
        contents = [
            streamed(server.port, max_tokens=length, seed=1, index=index)
            for index in range(streams)
        ]
        load, processor = Load(server.port), server.processor_seconds()
        began = time.perf_counter()
        exchanges = [load.start(content) for content in contents]
        load.run()
        seconds["serve"] = max(each.ended for each in exchanges) - began
        processor = server.processor_seconds() - processor
        differing += sum(a != b.text for a, b in zip(texts, exchanges, strict=True))
        if turn:  # until then, caches fill and threads start
            taken.append(processor / seconds["serve"])
            for name, each in seconds.items():
                speeds[name].append(sum(map(len, texts)) / each)
    pairs = zip(speeds["serve"], speeds["sample"], strict=True)
    return {
        "what": f"{streams} streams of {length} characters",
        "characters_per_second": {name: statistics.median(each) for name, each in speeds.items()},
        "ratio": statistics.median(ours / theirs for ours, theirs in pairs),
        "processors": statistics.median(taken),
        "differing_texts": differing,
        "bar": RATE_BAR,
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the largest, in milliseconds."""
    found = [1000 * each for each in seconds]
    return {
        "p50": float(np.percentile(found, 50)),
        "p99": float(np.percentile(found, 99)),
        "max": max(found),
    }


def together(server: Server, streams: int, count: int, length: int) -> dict[str, float]:
    """Measure latency where all streams begin at once, again and again."""
    seconds: list[float] = []
    while len(seconds) < count:
        load = Load(server.port)
        begun = [
            load.start(streamed(server.port, max_tokens=length, seed=each))
            for each in range(streams)
        ]
        load.run()
        seconds += [first_character(each) for each in begun]
    return percentiles(seconds)


def first_character(exchange: Exchange) -> float:
    """Return the seconds to the first character. Raises ValueError where none came."""
    if not exchange.text:
        raise ValueError(f"no text: {exchange.response[:500]!r}")
    return exchange.first - exchange.began


def at_random(
    server: Server, streams: int, count: int, length: int, beside: "Beside | None" = None
) -> dict[str, float]:
    """Measure latency where each stream begins at a random moment while the others run.

    Args:
        count: how many streams to measure.
        beside: makes a request that is running all the while, with another after it.
    """
    chance = random.Random(streams)
    load = Load(server.port)
    seconds: list[float] = []
    begun = 0

    def begin() -> None:
        nonlocal begun
        if begun < count:
            begun += 1
            load.start(streamed(server.port, max_tokens=length, seed=begun), end)

    def end(exchange: Exchange) -> None:
        seconds.append(first_character(exchange))
        load.after(chance.uniform(0.0, GAP), begin)

    def begin_beside(exchange: Exchange | None = None) -> None:
        if exchange is not None and not exchange.response.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"beside the streams: {exchange.response[:500]!r}")
        if beside is not None and len(seconds) < count:
            load.start(beside(server.port, chance), begin_beside)

    for _ in range(streams):
        load.after(chance.uniform(0.0, 0.2), begin)
    begin_beside()
    load.run()
    return percentiles(seconds)


Beside = Callable[[int, random.Random], bytes]


def long_prompt(port: int, chance: random.Random) -> bytes:
    """Return a request with a prompt that takes long to read, another one each time."""
    body = {"prompt": characters(LONG_PROMPT, chance), "max_tokens": 1}
    return request(port, "/v1/completions", body, close=True)


def with_regex(port: int, chance: random.Random) -> bytes:
    """Return a request with a regular expression, another one each time."""
    letters = "".join(chance.sample(ALPHABET[10:], 6))
    regex = f"([A-Z][a-z]{{2,9}} [{letters}]+, ){{1,12}}[a-z]+[.!]"
    body = {"prompt": "", "max_tokens": 300, "regex": regex}
    return request(port, "/v1/completions", body, close=True)


def latencies(server: Server, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the latency of each number of streams."""
    length, count = options.latency_length, options.latency_count
    measured: list[tuple[int, str, Callable[[int], dict[str, float]]]] = []
    for streams in (1, LATENCY_BAR[0], 64, options.streams):
        alone = partial(at_random, server, streams, length=length)
        measured.append((streams, "at random", alone))
        if streams > 1:
            measured.append(
                (streams, "together", partial(together, server, streams, length=length))
            )
    for name, beside in (("beside long prompts", long_prompt), ("beside regex", with_regex)):
        busy = partial(at_random, server, LATENCY_BAR[0], length=length, beside=beside)
        measured.append((LATENCY_BAR[0], name, busy))
    for streams, name, work in measured:
        what = f"first character, {streams} streams, {name}"
        bar = LATENCY_BAR[1] if streams == LATENCY_BAR[0] else None
        work(streams)  # connections of the operating system, caches
        yield {"what": what, "milliseconds": work(max(count, streams)), "bar": bar}


def idle(server: Server) -> dict[str, Any]:
    """Measure the processor time of a server that has been used and has nothing to do."""
    time.sleep(0.5)
    before = server.processor_seconds()
    time.sleep(IDLE_SECONDS)
    taken = server.processor_seconds() - before
    return {"what": f"idle for {IDLE_SECONDS:g} s", "processor_seconds": taken}


def short_requests(port: int, chance: random.Random) -> Iterator[bytes]:
    """Yield short requests without end: other prompts, settings and seeds all the time."""
    while True:
        body: dict[str, Any] = {
            "prompt": characters(chance.randint(0, 40), chance),
            "max_tokens": chance.randint(1, 8),
            "seed": chance.randrange(1 << 31),
        }
        if chance.random() < 0.2:
            body |= {"logprobs": 2, "echo": True}
        if chance.random() < 0.2:
            body |= {"stop": [characters(2, chance)], "top_p": 0.9}
        yield request(port, "/v1/completions", body)


def memory(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the growth of memory over short requests, and how many it answers a second."""
    count: int = options.requests
    load = ShortRequests(server.port, short_requests(server.port, random.Random(0)))
    first = max(count // 10, 1)
    load.run(first)
    sizes = [server.resident_bytes()]
    began = time.perf_counter()
    for part in range(1, 10):
        load.run(max((count - first) // 9, 1))
        sizes.append(server.resident_bytes())
        if sys.stderr.isatty():
            print(f"{part} of 9: {sizes[-1] >> 10:,} KB", end="\r", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - began
    load.close()
    return {
        "what": f"{count:,} short requests",
        "per_second": (load.answered + load.refused) * (count - first) / count / seconds,
        "refused": load.refused,
        "resident_bytes": sizes,
        "growth_bytes": sizes[-1] - sizes[0],
    }


def shown(result: dict[str, Any]) -> str:
    """Return a result as a line."""
    if "ratio" in result:
        speeds = result["characters_per_second"]
        met = "met" if result["ratio"] >= result["bar"] else "NOT met"
        same = f", {result['differing_texts']} texts DIFFER" * bool(result["differing_texts"])
        figures = (
            f"{speeds['serve']:,.0f} a second, {result['ratio']:.0%} of the "
            f"{speeds['sample']:,.0f} of charrnn sample (bar {result['bar']:.0%}: {met}), "
            f"{result['processors']:.2f} processors{same}"
        )
    elif "milliseconds" in result:
        numbers = result["milliseconds"]
        figures = ", ".join(f"{name} {value:.1f}" for name, value in numbers.items()) + " ms"
        if result["bar"] is not None:
            met = "met" if numbers["p99"] <= result["bar"] else "NOT met"
            figures += f" (bar {result['bar']:g} ms: {met})"
    elif "processor_seconds" in result:
        figures = f"{result['processor_seconds']:.2f} s of the processor"
    else:
        sizes = [size >> 10 for size in result["resident_bytes"]]
        figures = (
            f"{result['per_second']:,.0f} a second, {result['refused']} refused, memory "
            f"{sizes[0]:,} to {sizes[-1]:,} KB ({sizes[-1] - sizes[0]:+,} KB after the first tenth)"
        )
    return f"{result['what']}: {figures}"


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", help=f"among {', '.join(PARTS)} (default: all)")
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--length", type=int, default=2000, help="of a stream of rate")
    parser.add_argument("--rounds", type=int, default=7, help="turns of rate")
    parser.add_argument("--latency-count", type=int, default=1000, help="streams of a line")
    parser.add_argument("--latency-length", type=int, default=300, help="of a stream of latency")
    parser.add_argument("--requests", type=int, default=20_000, help="of memory")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    options.parts = options.parts or PARTS
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{unknown.pop()!r}: choose from {', '.join(PARTS)}")
    return options


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the result of each part."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "model"
        write_fresh_model(directory, options.layers, options.hidden_size)
        with serving(Path(name), str(directory)) as server:
            if "rate" in options.parts:
                yield rate(server, directory, options)
            if "latency" in options.parts:
                yield from latencies(server, options)
            if "memory" in options.parts:
                yield memory(server, options)
            if "idle" in options.parts:
                yield idle(server)


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each result."""
    options = parsed(arguments)
    results = []
    for result in measure(options):
        results.append(result)
        if not options.json:
            print(shown(result), flush=True)
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
