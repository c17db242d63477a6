"""Measures the speed of training against the stock loop over torch.nn modules in float32.

    python -m benchmarks.training [--sweep | --profile] [--cells lstm,gru] [--sizes 2x128,2x256]
        [--batches 128,512] [--kernels native,fused] [--precisions fp32,bf16] [--threads 2]
        [--rounds 7] [--device cuda] [--json]

Every line is a ratio within one run: all programs take turns in one process, round after round, and
the median of the rounds' ratios is shown. Both sides train the same sizes on the same batches of
random characters, with the same optimizer and threads: the stock loop (training_programs) and
`Learner.step` with its loader, with each kernel in each precision. "ours" is the fastest of these;
between two that are close, chance decides.

- Operations are those of the matrix products (Setting.operations), without the first layer's input
product. The peak is the fastest matrix product in the same precision, over a few shapes and those
of the network, measured in every round.
- Peak memory is the most resident memory of a fresh process that takes a few steps, including
Python and PyTorch (a process that only imports them is measured too); on a GPU, the memory that
such steps allocate.
- `--batches` takes each of --sizes with each of these batch sizes, in sequences of 64 characters.
- `--sweep`: batches of 1 to 256, the best kernel in each precision; no ratio should be below 1.
- `--profile`: where the time of a step goes, in milliseconds.
"""

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import torch

from benchmarks.hardware_peaks import ProductPeak, peak_megabytes, synchronize
from benchmarks.stopwatch import PARTS, time_parts
from benchmarks.training_programs import DTYPES, STOCK, Program, Setting, make, make_all
from charrnn.model.config import GATES
from charrnn.model.kernels import KERNELS
from charrnn.training.recipe import BATCH_SIZE, SEQUENCE_LENGTH

CELLS: Final = ("rnn", "gru", "lstm")
CPU_SHAPES: Final = {"2x128": (50, 50), "2x256": (64, 64), "2x512": (64, 64), "3x512": (64, 64)}
"""The batch size and sequence length for each size."""
RECIPE_SIZES: Final = ("2x128", "2x256", "2x512")
GPU_SIZES: Final = ("2x512", "3x1024")
GPU_BATCHES: Final = (128, 512)
LENGTH: Final = 64
"""The sequence length where batch sizes are given, and on a GPU."""
SWEEP_SIZES: Final = ("2x128", "2x256")
SWEEP_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

RATIO_BARS: Final = {
    ("lstm", "2x128"): 1.6,
    ("lstm", "2x256"): 1.9,
    ("lstm", "2x512"): 2.4,
    ("gru", "2x256"): 2.0,
    ("gru", "2x512"): 2.5,
}
"""The bars against the stock loop, at CPU_SHAPES; elsewhere the bar is 1."""

PEAK_BARS: Final = {"2x512": 0.6}
"""The bars for the share of the peak, at the same shapes."""

TURN: Final = 0.25
"""The fewest seconds that a program runs before the next one's turn."""

WARM_UP: Final = 3
"""Steps in which memory is allocated and threads start."""


def speed(setting: Setting, program: Program) -> float:
    """Return characters per second."""
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < TURN:
        program.step()
        steps += 1
    synchronize(setting.device)
    return steps * setting.characters / (time.perf_counter() - began)


def in_turns(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return what each program measures, round after round."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            measured[name].append(work())
    return measured


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def warm(setting: Setting, options: argparse.Namespace) -> dict[str, Program]:
    """Return the programs, which have taken their first steps."""
    programs = make_all(setting, options.kernels, options.precisions)
    if len(programs) == 1:
        raise SystemExit(f"{setting}: none of these kernels is available here")
    for program in programs.values():
        for _ in range(WARM_UP):
            program.step()
    return programs


def precision_of(name: str) -> str:
    """Return the precision of a program's products."""
    return "fp32" if name == STOCK else name.split()[1]


def compare(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Return speeds of all programs and ratios to the stock one, beside the machine's peak; and the
    memory of the stock one and of ours."""
    programs = warm(setting, options)
    works: dict[str, Callable[[], float]] = {
        name: partial(speed, setting, program) for name, program in programs.items()
    }
    peaks = {
        precision: ProductPeak(shapes(setting), DTYPES[precision], setting.device)
        for precision in dict.fromkeys(map(precision_of, programs))
    }
    works |= {precision: peak.measure for precision, peak in peaks.items()}
    speeds = in_turns(works, options.rounds)
    results = {
        name: {
            "characters_per_second": statistics.median(speeds[name]),
            "gflops": statistics.median(speeds[name]) * setting.operations / 1e9,
            "of_peak": ratio(speeds[name], speeds[precision_of(name)]) * setting.operations,
            "ratio": ratio(speeds[name], speeds[STOCK]),
        }
        for name in programs
    }
    ours = fastest(results)
    return {
        "setting": asdict(setting),
        "programs": results,
        "ours": ours,
        "peak_gflops": {name: statistics.median(speeds[name]) / 1e9 for name in peaks},
        "peak_megabytes": {
            name: peak_megabytes(setting.device, take_steps, setting, name, options.threads)
            for name in (STOCK, ours)
        },
        "bars": bars(setting),
    }


def shapes(setting: Setting) -> set[tuple[int, int, int]]:
    """Return the shapes of matrix products that may be the machine's fastest: large ones, and a
    layer's own."""
    if setting.device != "cpu":
        return {(8192, 8192, 8192), (8192, 1024, 4096)}
    hidden, rows = setting.hidden_size, GATES[setting.cell] * setting.hidden_size
    side = min(2048, 16 * hidden)  # smaller for the network of a dry run only
    quarter = side // 4
    large = {(side, side, side), (2 * side, quarter, side), (2 * side, side, quarter)}
    return large | {(setting.characters, hidden, rows), (setting.characters, rows, hidden)}


def fastest(results: dict[str, dict[str, float]], precision: str | None = None) -> str:
    """Return ours with the best ratio; of all, or in one precision."""
    names = [name for name in results if name != STOCK]
    if precision is not None:
        names = [name for name in names if precision_of(name) == precision]
    return max(names, key=lambda name: results[name]["ratio"])


def bars(setting: Setting) -> dict[str, float]:
    """Return the bars that ours has to reach."""
    if setting.device != "cpu" or (setting.batch_size, setting.sequence_length) != CPU_SHAPES.get(
        setting.size
    ):
        return {"ratio": 1.0}
    found = {"ratio": RATIO_BARS.get((setting.cell, setting.size), 1.0)}
    if setting.size in PEAK_BARS:
        found["of_peak"] = PEAK_BARS[setting.size]
    return found


def take_steps(setting: Setting, name: str, threads: int) -> None:
    """Do the work whose memory is measured."""
    torch.set_num_threads(threads)
    program = make(setting, name)
    for _ in range(WARM_UP):
        program.step()


def nothing() -> None:
    """Do work that takes no memory except for the imports."""


COMPARED: Final = """\
| setting | program | characters/s | GFLOP/s | of the peak | peak MB | x stock | bars |
|---|---|---|---|---|---|---|---|"""


def compared(result: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each program, and the fastest of ours once more, with its bars."""
    setting, programs, ours = Setting(**result["setting"]), result["programs"], result["ours"]

    def row(title: str, name: str, megabytes: str, end: str) -> str:
        numbers = programs[name]
        peak = result["peak_gflops"][precision_of(name)]
        return (
            f"| {setting} | {title} | {numbers['characters_per_second']:,.0f} | "
            f"{numbers['gflops']:,.0f} | {numbers['of_peak']:.0%} of {peak:,.0f} | {megabytes} | "
            f"{numbers['ratio']:.2f} | {end} |"
        )

    megabytes = {name: f"{each:,.0f}" for name, each in result["peak_megabytes"].items()}
    yield row(STOCK, STOCK, megabytes[STOCK], "")
    for name in programs:
        if name != STOCK:
            yield row(name, name, "", "")
    shown = [
        f"{bar:.0%} of the peak" if what == "of_peak" else f"{bar:g} x"
        for what, bar in result["bars"].items()
    ]
    met = all(programs[ours][what] >= bar for what, bar in result["bars"].items())
    end = f"{' and '.join(shown)}: {'met' if met else 'MISSED'}"
    yield row(f"ours: {ours}", ours, megabytes[ours], end)


def sweep(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Return ratios to the stock program only."""
    programs = warm(setting, options)
    works = {name: partial(speed, setting, program) for name, program in programs.items()}
    speeds = in_turns(works, options.rounds)
    ratios = {name: {"ratio": ratio(each, speeds[STOCK])} for name, each in speeds.items()}
    return {"setting": asdict(setting), "programs": ratios}


SWEPT: Final = """\
| setting | program | x stock | |
|---|---|---|---|"""


def swept(result: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each precision: the best kernel in it."""
    programs = result["programs"]
    for precision in dict.fromkeys(precision_of(name) for name in programs if name != STOCK):
        name = fastest(programs, precision)
        best = programs[name]["ratio"]
        mark = "BELOW 1" if best < 1 else ""
        yield f"| {Setting(**result['setting'])} | {name} | {best:.2f} | {mark} |"


def profile(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Return the mean milliseconds of each part of a step, of the whole, and of a step whose parts
    are not timed, over all rounds."""
    programs = warm(setting, options)
    milliseconds = {name: dict.fromkeys([*PARTS, "whole", "untimed"], 0.0) for name in programs}
    for _ in range(options.rounds):
        for name, program in programs.items():
            untimed = setting.characters / speed(setting, program)
            parts = time_parts(program, setting.device, TURN)
            parts |= {"whole": sum(parts.values()), "untimed": untimed}
            for part, seconds in parts.items():
                milliseconds[name][part] += seconds * 1e3 / options.rounds
    return {"setting": asdict(setting), "milliseconds": milliseconds}


PROFILED: Final = "In brackets, the share of the whole; the parts are timed while it runs.\n"


def profiled(result: dict[str, Any]) -> Iterator[str]:
    """Yield a table: a row for each part, a column for each program."""
    programs = result["milliseconds"]
    yield f"{Setting(**result['setting'])}, milliseconds of a step:\n"
    yield f"| part | {' | '.join(programs)} |"
    yield "|---" * (1 + len(programs)) + "|"
    for part in (*PARTS, "whole", "untimed"):
        cells = []
        for parts in programs.values():
            share = f" ({parts[part] / parts['whole']:.0%})" if part in PARTS else ""
            cells.append(f"{parts[part]:.2f}{share}" if parts[part] else "")
        if any(cells):
            yield f"| {part} | {' | '.join(cells)} |"
    yield ""


def settings(options: argparse.Namespace) -> Iterator[Setting]:
    """Yield the settings that were asked for."""
    if options.sweep:
        cases = [
            (size, batch, SEQUENCE_LENGTH)
            for size in options.sizes or SWEEP_SIZES
            for batch in options.batches or SWEEP_BATCHES
        ]
    elif options.batches or options.device != "cpu":
        usual = CPU_SHAPES if options.device == "cpu" else GPU_SIZES
        cases = [
            (size, batch, LENGTH)
            for size in options.sizes or usual
            for batch in options.batches or GPU_BATCHES
        ]
    else:
        cases = [(size, *shape) for size, shape in CPU_SHAPES.items()]
        cases += [(size, BATCH_SIZE, SEQUENCE_LENGTH) for size in RECIPE_SIZES]
    for size, batch_size, sequence_length in cases:
        layers, hidden_size = map(int, size.split("x"))
        for cell in options.cells:
            if size in (options.sizes or [size]):
                yield Setting(
                    cell, layers, hidden_size, batch_size, sequence_length, options.device
                )


def names(text: str) -> list[str]:
    """Return the names in an option: a,b."""
    return text.split(",")


def whole_numbers(text: str) -> list[int]:
    """Return the numbers in an option: 128,512. Raises ValueError, which argparse reports."""
    found = [int(each) for each in text.split(",")]
    if min(found) < 1:
        raise ValueError(text)
    return found


def parsed() -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--sweep", action="store_true", help="batches of 1 to 256")
    mode.add_argument("--profile", action="store_true", help="where the time of a step goes")
    parser.add_argument("--cells", type=names, default=list(CELLS))
    parser.add_argument("--sizes", type=names, help="layers x hidden size, like 2x128")
    parser.add_argument("--batches", type=whole_numbers, help="batch sizes, like 128,512")
    parser.add_argument(
        "--kernels", type=names, help="default: all except equations; on a GPU, fused"
    )
    parser.add_argument("--precisions", type=names, default=list(DTYPES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device {options.device}: there is none here")
    if options.kernels is None:
        usual = [name for name in KERNELS if name != "equations"]
        options.kernels = usual if options.device == "cpu" else ["fused"]
    for name, known in (("cells", CELLS), ("kernels", KERNELS), ("precisions", DTYPES)):
        for value in getattr(options, name):
            if value not in known:
                parser.error(f"--{name} {value}: choose from {', '.join(known)}")
    for size in options.sizes or ():
        if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", size):
            parser.error(f"--sizes {size}: write layers x hidden size, like 2x128")
    if not any(settings(options)):
        parser.error(f"--sizes {','.join(options.sizes)}: none of them is measured so")
    return options


def main() -> None:
    """Print one table, or one for each setting."""
    options = parsed()
    torch.set_num_threads(options.threads)
    if options.device != "cpu":
        # cuDNN computes float32 as TF32 by default, so the peak is measured with TF32 as well.
        torch.set_float32_matmul_precision("high")
    measure, head, rows = compare, COMPARED, compared
    if options.sweep:
        measure, head, rows = sweep, SWEPT, swept
    elif options.profile:
        measure, head, rows = profile, PROFILED, profiled
    run: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": options.threads,
        "rounds": options.rounds,
    }
    if measure is compare:
        run["peak_megabytes_imported"] = round(peak_megabytes(options.device, nothing))
    results = (measure(setting, options) for setting in settings(options))
    if options.json:
        print(json.dumps(run | {"results": list(results)}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in run.items()), end="\n\n")
    print(head, flush=True)
    for result in results:
        print("\n".join(rows(result)), flush=True)


if __name__ == "__main__":
    main()
