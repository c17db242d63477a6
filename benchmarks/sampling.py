"""Measures the speed of sampling against the usual loop over torch.nn modules with the same
weights.

    python -m benchmarks.sampling [single] [lines] [threads] [start] [--corpus FILE] [--rounds N]
        [--json]
    python -m benchmarks.sampling batches --device cuda [--batches 1,256,4096] [--size 2x512]
        [--length 100] [--rounds N] [--json]

Every line is a ratio within one run: both programs take turns, round after round, and the median of
the rounds' ratios is shown, with its bar. The usual loop runs under both settings of oneDNN
(`torch.backends.mkldnn`), which affect its speed most.

- single: one text, character after character.
- lines: 10,000 lines of a model that was trained briefly on FILE (or on `towns`), both with the
same batch size. The usual loop continues until the longest line of a batch has ended.
- threads: the steps of one stream in the native engine with its second thread, as a ratio to the
steps without it, in turns of about a tenth of a second.
- start: a whole process, from the command to the first character after the prompt, by int8 and by
float32.
- batches: texts side by side, by the torch engine and by the usual loop on the same device; left
out unless it is named.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import charrnn
from benchmarks.random_models import write_fresh_model
from benchmarks.torch_baseline import Plain, State
from benchmarks.training import whole_numbers
from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines import ENGINES, NativeEngine, TorchEngine
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model

TEMPERATURE: Final = 0.8
LINES: Final = 10_000
BATCH_SIZE: Final = 256
SIZES: Final = {
    128: (2000, 8.0, 4.0),
    256: (1000, 0.0, 0.0),
    512: (300, 40.0, 5.0),
    1024: (80, 0.0, 0.0),
}
"""Hidden size: characters a round, and the bars of float32 against the usual loop, default and
better."""
INT8_BARS: Final = {128: (150_000, 3.0), 256: (60_000, 0.0), 512: (20_000, 2.0), 1024: (6_000, 0.0)}
"""Hidden size: the bars of int8 in characters a second, and against float32."""
INT8_LINES_BARS: Final = (800_000, 3.0)
INT8_AGAINST_USUAL: Final = 20.0
STARTS: Final = {256: 0.25, 1024: 0.35}
"""Hidden size: the bar in seconds from the command to the first character."""
STEPS_A_TURN: Final = {256: 2000, 512: 500, 1024: 100}
"""Hidden size: the steps of a turn with or without a second thread."""
PARTS: Final = ("single", "lines", "threads", "start")
BATCHES: Final = "batches"
"""A part that takes long on a CPU."""


@torch.inference_mode()
def usual_text(network: Plain, count: int) -> None:
    """Generate one text of `count` characters, as tutorials do."""
    state: State = None
    ids, made = torch.zeros(1, 1, dtype=torch.long), []
    for _ in range(count):
        logits, state = network(ids, state)
        ids = torch.multinomial(torch.softmax(logits[:, -1] / TEMPERATURE, dim=-1), 1)
        made.append(int(ids))


@torch.inference_mode()
def usual_batch(network: Plain, batch_size: int, count: int) -> list[list[int]]:
    """Generate texts of `count` characters side by side, on the network's device."""
    state: State = None
    ids = torch.zeros(batch_size, 1, dtype=torch.long, device=network.head.weight.device)
    made = []
    for _ in range(count):
        logits, state = network(ids, state)
        ids = torch.multinomial(torch.softmax(logits[:, -1] / TEMPERATURE, dim=-1), 1)
        made.append(ids)
    found: list[list[int]] = torch.cat(made, dim=1).tolist()
    return found


@torch.inference_mode()
def usual_lines(network: Plain, newline: int, longest: int, count: int, batch_size: int) -> int:
    """Generate `count` lines, batch after batch; return the number of characters, with newlines."""
    characters = 0
    for begin in range(0, count, batch_size):
        batch = min(batch_size, count - begin)
        state: State = None
        ids = torch.full((batch, 1), newline)
        going_on = torch.ones(batch, dtype=torch.bool)
        for _ in range(longest):
            logits, state = network(ids, state)
            ids = torch.multinomial(torch.softmax(logits[:, -1] / TEMPERATURE, dim=-1), 1)
            characters += int(going_on.sum())
            going_on &= ids[:, 0] != newline
            if not going_on.any():
                break
    return characters


def speed(work: Callable[[], int]) -> float:
    """Return characters per second."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def single(hidden: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Measure one text at a time, with every engine and with the usual loop."""
    directory = folder / f"fresh-{hidden}"
    write_fresh_model(directory, 2, hidden)
    count = SIZES[hidden][0]
    model = charrnn.load(directory)
    network = Plain.load(directory)
    config = charrnn.SamplingConfig(length=count, temperature=TEMPERATURE)

    def usual(mkldnn: bool) -> int:
        fewer = max(count // (8 if mkldnn else 2), 20)
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            usual_text(network, fewer)
        return fewer

    def ours(sampler: Sampler) -> int:
        longer = replace(config, length=10 * count)
        written = longer if sampler.engine.precision == "int8" else config
        return len("".join(sampler.stream("", written, score=False)))

    return {
        "what": f"single 2x{hidden}",
        **in_turns(model, usual, ours, rounds),
        "bars": SIZES[hidden][1:],
        "int8_bars": INT8_BARS[hidden],
    }


def many_lines(corpus: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Measure 10,000 lines, with every engine and with the usual loop."""
    run = folder / "lines"
    charrnn.train(
        corpus, out=run, lines=True, budget="20s", hidden_size=128, layers=2, progress_bar=False
    )
    model = charrnn.load(run)
    network = Plain.load((run / "best").resolve())
    assert isinstance(model.tokenizer, CharTokenizer)
    newline = model.tokenizer.characters.index("\n")
    config = charrnn.SamplingConfig(length=500, temperature=TEMPERATURE, lines=True)

    def usual(mkldnn: bool) -> int:
        with torch.backends.mkldnn.flags(enabled=mkldnn):
            return usual_lines(network, newline, 500, LINES, BATCH_SIZE)

    def ours(sampler: Sampler) -> int:
        threads = 2
        samples = sampler.samples(
            "", config, indices=range(LINES), threads=threads, batch_size=BATCH_SIZE // threads
        )
        return sum(sample.characters for sample in samples)

    what = f"{LINES:,} lines of {Path(corpus).stem} 2x128, batch {BATCH_SIZE}"
    return {
        "what": what,
        **in_turns(model, usual, ours, rounds),
        "bars": (0.0, 2.0),
        "int8_bars": INT8_LINES_BARS,
    }


def in_batches(batch_size: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure texts side by side on a device, with the torch engine and with the usual loop."""
    layers, hidden = options.size
    directory = folder / f"batches-{batch_size}"
    write_fresh_model(directory, layers, hidden)
    model, network = charrnn.load(directory), Plain.load(directory).to(options.device)
    engine = TorchEngine.of(model)
    engine.network.to(options.device)
    sampler = Sampler(model, engine)
    config = charrnn.SamplingConfig(length=options.length, temperature=TEMPERATURE)

    def usual() -> int:
        return sum(map(len, usual_batch(network, batch_size, options.length)))

    def ours() -> int:
        samples = sampler.samples("", config, indices=range(batch_size), batch_size=batch_size)
        return sum(sample.characters for sample in samples)

    speeds: dict[str, list[float]] = {"usual": [], "torch": []}
    for turn in range(options.rounds + 1):
        for name, work in (("usual", usual), ("torch", ours)):
            measured = speed(work)
            if turn:  # until then, memory is allocated
                speeds[name].append(measured)
    gained = ratio(speeds["torch"], speeds["usual"])
    return {
        "what": f"{batch_size:,} texts of {options.length} {layers}x{hidden} on {options.device}",
        "batch_size": batch_size,
        "characters_per_second": {name: statistics.median(each) for name, each in speeds.items()},
        "ratios": {"torch": (gained, gained)},
        "bars": (),
    }


def in_turns(
    model: Model, usual: Callable[[bool], int], ours: Callable[[Sampler], int], rounds: int
) -> dict[str, Any]:
    """Return median speeds of the usual loop, with oneDNN and without, and of every engine; median
    ratios to the usual loop and to the better of its settings; and those to the fastest engine in
    float32."""
    runs = {"usual": partial(usual, True), "usual, oneDNN off": partial(usual, False)}
    runs |= {name: partial(ours, Sampler(model, name)) for name in ENGINES if name != "torch"}
    for work in runs.values():
        work()  # caches fill, threads start
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, work in runs.items():
            speeds[name].append(speed(work))
    default = speeds["usual"]
    better = [max(pair) for pair in zip(default, speeds["usual, oneDNN off"], strict=True)]
    return {
        "characters_per_second": {name: statistics.median(each) for name, each in speeds.items()},
        "ratios": {
            name: (ratio(each, default), ratio(each, better))
            for name, each in speeds.items()
            if not name.startswith("usual")
        },
        "float32_ratios": {
            name: ratio(each, speeds["native" if "native" in speeds else "numpy"])
            for name, each in speeds.items()
        },
    }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def second_thread(hidden: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Measure the steps per second of one stream in the native engine, with its second thread and
    without."""
    directory = folder / f"threads-{hidden}"
    write_fresh_model(directory, 2, hidden)
    engine = NativeEngine.of(charrnn.load(directory))
    lanes = {threads: engine.lanes(1, threads=threads) for threads in (1, 2)}
    generator = np.random.default_rng(0)
    ids = generator.integers(engine.vocabulary_size, size=(STEPS_A_TURN[hidden], 1))

    def write(threads: int) -> int:
        for each in ids:
            lanes[threads].step(each)
        return len(ids)

    speeds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(5 * rounds + 3):
        for threads, each in speeds.items():
            measured = speed(partial(write, threads))
            if turn >= 3:  # until then, the engine is finding out which way is faster
                each.append(measured)
        time.sleep(0.1)  # the next turn finds another moment of a busy machine
    return {
        "what": f"steps 2x{hidden}, with a second thread",
        "characters_per_second": {"native, 1 thread": statistics.median(speeds[1])}
        | {"native, 2 threads": statistics.median(speeds[2])},
        "ratio": ratio(speeds[2], speeds[1]),
    }


def start(hidden: int, engine: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Measure the seconds from starting the process to the first character after the prompt."""
    directory = folder / f"start-{hidden}"
    if not directory.exists():
        write_fresh_model(directory, 2, hidden)
    command = [sys.executable, "-m", "charrnn", "sample", str(directory), "--length", "1"]
    command += ["--prompt", "ABC", "--seed", "1", "--engine", engine]
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            written = process.stdout.read(4)
            seconds.append(time.perf_counter() - began)
        assert len(written) == 4
    what = f"start 2x{hidden}, {engine}"
    return {"what": what, "seconds": statistics.median(seconds[1:]), "bar": STARTS[hidden]}


def reading_speed() -> float:
    """Return the bytes per second that NumPy's threads read from a matrix far larger than a core's
    caches, which limits a single stream of a large model."""
    matrix = np.ones((4096, 2048), dtype=np.float32)
    vector, out = np.ones(2048, dtype=np.float32), np.empty(4096, dtype=np.float32)
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        np.dot(matrix, vector, out=out)
        seconds.append(time.perf_counter() - began)
    return matrix.nbytes / statistics.median(seconds)


def size(text: str) -> tuple[int, int]:
    """Return the layers and the hidden size of 2x512. Raises ValueError, which argparse reports."""
    layers, hidden = whole_numbers(text.replace("x", ",", 1))
    return layers, hidden


def parsed() -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    known = (*PARTS, BATCHES)
    parser.add_argument(
        "parts", nargs="*", help=f"among {', '.join(known)} (default: all on a CPU)"
    )
    parser.add_argument("--corpus", default="towns", help="of lines")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="of batches: cpu or cuda")
    parser.add_argument("--batches", type=whole_numbers, default=[1, 256, 4096])
    parser.add_argument("--size", type=size, default=(2, 512), help="of batches, like 2x512")
    parser.add_argument("--length", type=int, default=100, help="of a text of batches")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.parts = options.parts or PARTS
    if unknown := set(options.parts) - set(known):
        parser.error(f"{unknown.pop()!r}: choose from {', '.join(known)}")
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device {options.device}: there is none here")
    return options


def shown_bars(result: dict[str, Any], engine: str) -> str:
    """Return the bars of an engine as text."""
    if engine != "int8":
        return " and ".join(f"{bar:g}" for bar in result["bars"] if bar)
    per_second, gained = result["int8_bars"]
    against = f", {gained:g} x float32" if gained else ""
    return f"{per_second:,} a second, {INT8_AGAINST_USUAL:g} x usual{against}"


def main() -> None:
    """Print a line for each engine and each kind of work."""
    options = parsed()
    parts = options.parts
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "single" in parts:
            results += [single(hidden, folder, options.rounds) for hidden in SIZES]
        if "lines" in parts:
            results.append(many_lines(options.corpus, folder, min(options.rounds, 5)))
        if "threads" in parts and "native" in ENGINES:
            results += [second_thread(hidden, folder, options.rounds) for hidden in STEPS_A_TURN]
        if "start" in parts:
            results += [
                start(hidden, engine, folder, options.rounds)
                for hidden in STARTS
                for engine in ("int8", "float32")
            ]
        if BATCHES in parts:
            results += [in_batches(each, folder, options) for each in options.batches]
    results.append({"what": "reading", "bytes_per_second": reading_speed()})
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print("| what | engine | characters/s | x usual loop | x the better | x float32 | bars |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        for engine, per_second in result.get("characters_per_second", {}).items():
            ratios = result.get("ratios", {}).get(engine)
            shown = f"{ratios[0]:.1f} | {ratios[1]:.1f}" if ratios else " | "
            gained = result.get("float32_ratios", {}).get(engine)
            shown += f" | {gained:.1f}" if gained else " | "
            bars = shown_bars(result, engine) if ratios else ""
            print(f"| {result['what']} | {engine} | {per_second:,.0f} | {shown} | {bars} |")
    print()
    for result in results:
        if "ratio" in result:
            print(f"{result['what']}: {result['ratio']:.2f} times as fast as without")
        if "seconds" in result:
            seconds, bar = result["seconds"], result["bar"]
            print(f"{result['what']}: {seconds:.2f} s to the first character (bar {bar} s)")
    print(f"reading from memory: {results[-1]['bytes_per_second'] / 1e9:.0f} GB/s")


if __name__ == "__main__":
    main()
