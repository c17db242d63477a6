"""Measures how good a model `charrnn train` makes in a given time, and compares recipes.

    python -m benchmarks.quality FILE --budget 112s
    python -m benchmarks.quality python-docs fables@20000 towns:lines --budget 600steps
        --budget 5400steps --recipe "wide: --hidden-size 384 --dropout 0.2" --seeds 0,1,2 --jobs 2
        --json EVIDENCE.jsonl --table TABLE.md

Each run is the command `charrnn train`: only with the budget for the recipe `chosen`, and with the
flags of the other recipes. The model is loaded into a plain module of torch.nn (torch_baseline.py),
which reads the last 10 % of the text as one stream, so that charrnn takes no part in the scoring.

- A corpus is a file, the name of a corpus in corpora/, `python-docs` (Python's help()) or `stdlib`
(the sources of Python's standard library). `@20000` takes the first 20,000 characters; `:lines`
trains with --lines.
- A budget is a time, which is fair only on a quiet machine, or a number of steps, which gives the
same results however busy the machine is.
- `--json FILE` appends a line for each run, as soon as it is done. Runs in the file are not
repeated, so that the same command continues a stopped search; `--again RECIPE` repeats those of a
recipe, such as `chosen` after the program has changed, and the newest counts.
- `--jobs N` does N runs side by side, each on one thread; for budgets in steps only.
- `--expected` notes the loss that `charrnn plan` expects for each run.

A line has the run (corpus, sha256, lines, budget, recipe, flags, seed) and its results: characters
(of the training part), vocabulary (distinct characters), n_gram_nats (the loss of n-grams; null for
a large text); steps (taken), best_step, epochs, characters_read; cell, layers, hidden_size,
embedding_size, dropout, weight_dropout, parameters, learning_rate, batch_size, sequence_length,
precision, threads, device; nats (per character, by the plain module), bits, reported_nats (the best
that the run reports), characters_per_second (the median while training), curve (characters read and
validation nats, at each evaluation), seconds (of the whole command); with --expected,
expected_nats, expected_low and expected_high.
"""

import argparse
import itertools
import os
import signal
import tempfile
from collections.abc import Container, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from benchmarks.quality_corpora import parse_corpus, read_corpus
from benchmarks.quality_run import (
    RUNNING,
    FailedRun,
    Recipe,
    Task,
    parse_recipe,
    perform,
)
from benchmarks.quality_table import (
    CHOSEN,
    Record,
    append_record,
    identity,
    parse_budget,
    read_records,
    table,
)


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of `0,1,2`. Raises ArgumentTypeError."""
    seeds = text.split(",")
    if not all(seed.isdecimal() for seed in seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: write them like 0,1,2")
    return list(dict.fromkeys(map(int, seeds)))


def parsed(arguments: Sequence[str] | None, folder: Path) -> tuple[argparse.Namespace, list[Task]]:
    """Return the checked command line, and all runs that it asks for.

    The first seed of all settings comes before the second, so that a stopped search has tried
    everything. Texts that are not files yet are written to the folder.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", metavar="CORPUS", type=parse_corpus)
    parser.add_argument(
        "--budget", action="append", type=parse_budget, help="like 112s (the default) or 5400steps"
    )
    parser.add_argument(
        "--recipe", action="append", type=parse_recipe, help="like 'wide: --hidden-size 384'"
    )
    parser.add_argument("--no-chosen", action="store_true", help="only the named recipes")
    parser.add_argument("--seeds", type=parse_seeds, default=[0], help="like 0,1,2")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a line for each run")
    parser.add_argument("--table", type=Path, metavar="FILE", help="the table, also shown")
    parser.add_argument(
        "--again", action="append", default=[], metavar="RECIPE", help="repeat its runs"
    )
    parser.add_argument("--expected", action="store_true", help="note what charrnn plan expects")
    options = parser.parse_args(arguments)
    budgets = list(dict.fromkeys(options.budget or [parse_budget("112s")]))
    recipes = [] if options.no_chosen else [Recipe(CHOSEN)]
    recipes += dict.fromkeys(options.recipe or [])
    names = [recipe.name for recipe in recipes]
    if not recipes:
        parser.error("--no-chosen: name at least one --recipe")
    if twice := [name for name in names if names.count(name) > 1]:
        parser.error(f"--recipe {twice[0]}: it is named twice, with different flags")
    if unknown := set(options.again).difference(names):
        parser.error(f"--again {min(unknown)}: choose from {', '.join(names)}")
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: choose 1 or more")
    if options.jobs > 1 and not all(budget.in_steps for budget in budgets):
        parser.error("--jobs: runs side by side take each other's time; give budgets in steps")
    try:
        corpora = [read_corpus(name, folder) for name in dict.fromkeys(options.corpora)]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    tasks = [
        Task(corpus, budget, recipe, seed)
        for seed, corpus, budget, recipe in itertools.product(
            options.seeds, corpora, budgets, recipes
        )
    ]
    return options, tasks


def search(
    tasks: Sequence[Task], jobs: int, *, expected: bool
) -> Generator[tuple[Task, Record | FailedRun], None, None]:
    """Do the runs, `jobs` side by side, and yield each as soon as it is done."""
    environment = dict(os.environ)
    if jobs > 1:
        environment["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {
            pool.submit(perform, task, environment, expected=expected): task for task in tasks
        }
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except FailedRun as failure:
                yield futures[future], failure
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(RUNNING):
            process.terminate()
        pool.shutdown()


def line(record: Record) -> str:
    """Return the result of a run as a line for people."""
    return (
        f"{record['nats']:.4f} nats, {record['bits']:.4f} bits per character "
        f"(its own best: {record['reported_nats']:.4f} nats), "
        f"{record['cell']} {record['layers']} x {record['hidden_size']}, "
        f"dropout {record['dropout']:.2g}, learning rate {record['learning_rate']:g}, "
        f"{record['steps']:,} steps, {record['epochs']:.3g} epochs, {record['seconds']:.0f} s"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line for each run, and the table where there are several."""
    with tempfile.TemporaryDirectory() as folder:
        options, tasks = parsed(arguments, Path(folder))
        try:
            records = read_records([options.json]) if options.json else []
        except ValueError as error:
            raise SystemExit(str(error)) from error
        known = {identity(record): record for record in records}
        waiting = [task for task in tasks if is_open(task, known, options.again)]
        if len(waiting) < len(tasks):
            print(f"{len(tasks) - len(waiting)} of {len(tasks)} runs are in {options.json}")
        failed = False
        with closing(search(waiting, options.jobs, expected=options.expected)) as results:
            for number, (task, result) in enumerate(results, 1):
                print(f"[{number}/{len(waiting)}] {task}: ", end="")
                if isinstance(result, FailedRun):
                    failed = True
                    print(f"FAILED: {result}", flush=True)
                    continue
                print(line(result), flush=True)
                known[identity(result)] = result
                if options.json:
                    append_record(options.json, result)
    asked = (identity(task.beginning) for task in tasks)
    shown = "\n".join(table([known[each] for each in asked if each in known]))
    if len(tasks) > 1:
        print(f"\n{shown}")
    if options.table:
        options.table.write_text(f"{shown}\n", encoding="utf-8")
    raise SystemExit(1 if failed else 0)


def is_open(task: Task, known: Container[tuple[Any, ...]], again: Container[str]) -> bool:
    """Return whether a run is still to be done, or is to be repeated."""
    return task.recipe.name in again or identity(task.beginning) not in known


if __name__ == "__main__":
    # As with Ctrl-C, running trainings are ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped; with --json, the same command continues") from None
