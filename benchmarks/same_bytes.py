"""Checks whether two versions of charrnn make the same bytes: a training of each task, a text of
each engine.

    python -m benchmarks.same_bytes BEFORE/.venv/bin/python .venv/bin/python

Each command below is run with both interpreters, each in its own folder with the same texts. There
is one line per command: the SHA-256 of its output and of every file it wrote, or what differs. The
exit status is 1 where anything differs. This shows that a change that only moves code changes
nothing. Run it on one machine, since sums are added up differently on others.
"""

import csv
import hashlib
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

STEPS: Final = "--steps 40 --evaluate-every 20 --hidden-size 24 --seed 3"

COMMANDS: Final = {
    "train lstm": f"train text.txt --name lstm {STEPS}",
    "train gru, bf16": f"train text.txt --name gru --cell gru --precision bf16 {STEPS}",
    "train rnn, lines": f"train names.txt --name rnn --cell rnn --lines {STEPS}",
    "train attention": f"train text.txt --name attention --attention 32 {STEPS}",
    "train bytes": f"train text.txt --name bytes --tokenizer byte {STEPS}",
    "train infilling": f"train text.txt --name infill --bidirectional {STEPS}",
    "train classes": f"train rows.csv --name classes --text text --label kind {STEPS}",
    "train numbers": "train rows.csv --name numbers --text text --label number --regress "
    f"--bidirectional --pooling attention {STEPS}",
    "fine-tune": "train names.txt --name tuned --from lstm --steps 40 --evaluate-every 20",
    "fine-tune classes": "train rows.csv --name tuned-classes --text text --label kind "
    "--from lstm --steps 40 --evaluate-every 20",
    "plan": "plan text.txt --steps 500 --json",
    "sample": "sample lstm --seed 1 --length 400 --prompt 'The '",
    "sample, filtered": "sample gru --seed 2 -n 5 --jsonl --logprobs --top-k 9 --top-p 0.9 "
    "--min-p 0.01 --typical 0.95 --repetition-penalty 1.2 --no-repeat-ngram 6 --length 90",
    "sample lines": "sample rnn --seed 2 -n 12 --unique --novel",
    "sample attention": "sample attention --seed 4 --length 300",
    "sample bytes": "sample bytes --seed 4 -n 3 --json --length 50",
    "sample beam": "sample rnn --beam 6 -n 6 --json --seed 7",
    "sample best": "sample lstm --best-of 3 -n 2 --seed 5 --length 60",
    "sample regex": "sample lstm --regex '[a-z]{4} [a-z]+' --seed 6 -n 4",
    "evaluate": "evaluate lstm --json",
    "evaluate windows": "evaluate gru --protocol windows --json",
    "evaluate adapting": "evaluate lstm --adapt --json",
    "evaluate classes": "evaluate classes --json",
    "evaluate numbers": "evaluate numbers --json",
    "fill": "fill infill gaps.txt --json",
    "proofread": "proofread infill text.txt --threshold 0 --json",
    "predict classes": "predict classes names.txt --lines --json",
    "predict numbers": "predict numbers names.txt --lines --json",
    "info": "info classes --json",
}
"""The commands by name, in the order in which they build on one another."""

ENGINES: Final = ("sample", "sample, filtered", "sample attention", "fill", "predict classes")
"""The commands that are run once more with CHARRNN_NATIVE=0, by NumPy and PyTorch only."""

UNSTEADY: Final = ("metrics.jsonl", "training.json", "config.json", "manifest.json", ".lock")
"""Files that contain the time, or the checksums of such files."""

SECONDS: Final = re.compile(rb'"seconds": [0-9.e+-]+')
"""The times in JSON that a command prints."""

RENAMED: Final = {"unigram": "order_0", "readout_scale": "upward_scale"}
"""Keys of JSON that were renamed, with those of version 0.1.0."""


def write_texts(folder: Path) -> None:
    """Write the texts that the commands read: sentences of random words, names, a table and
    gaps."""
    draw = random.Random(0)
    syllables = ["ba", "ki", "to", "ru", "me", "sha", "lo", "pin", "da", "vu"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(300)]
    sentences = [" ".join(draw.choices(words, k=8)).capitalize() + "." for _ in range(900)]
    (folder / "text.txt").write_text("The " + "\nThe ".join(sentences) + "\n")
    names = [word.capitalize() for word in dict.fromkeys(words)]
    (folder / "names.txt").write_text("\n".join(names) + "\n")
    (folder / "gaps.txt").write_text("The ba__ki to_u.\nThe ru me __ da.\n")
    with (folder / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "kind", "number"])
        for sentence in sentences[:300]:
            kind = max("bktr", key=sentence.count)
            table.writerow([sentence, kind, sentence.count("a") / 2])


def run(python: str, folder: Path, command: str, native: bool) -> dict[str, str]:
    """Return the SHA-256 of a command's output and of each file it wrote, by name; and its exit
    status."""
    environment = os.environ | {"PYTHONSAFEPATH": "1", "COLUMNS": "100"}
    environment |= {} if native else {"CHARRNN_NATIVE": "0"}
    arguments = [python, "-m", "charrnn", *shlex.split(command)]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1):  # proofread exits with 1 when it finds mistakes
        sys.exit(f"{python}: charrnn {command}: {done.stderr.decode()}")
    stdout = SECONDS.sub(b'"seconds": 0', done.stdout)
    for key, formerly in RENAMED.items():
        stdout = stdout.replace(f'"{key}"'.encode(), f'"{formerly}"'.encode())
    found = {"exit status": str(done.returncode), "stdout": digest(stdout)}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.endswith(UNSTEADY):
            found[str(path.relative_to(folder))] = digest(path.read_bytes())
    return found


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Run all commands with both interpreters, and print which make the same bytes."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} BEFORE_PYTHON AFTER_PYTHON")
    pythons = [str(Path(each).absolute()) for each in sys.argv[1:]]
    jobs = [(name, command, True) for name, command in COMMANDS.items()]
    jobs += [(f"{name}, without C", COMMANDS[name], False) for name in ENGINES]
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("before", "after")]
        for folder in folders:
            folder.mkdir()
            write_texts(folder)
        for name, command, native in jobs:
            before, after = (
                run(python, folder, command, native)
                for python, folder in zip(pythons, folders, strict=True)
            )
            wrong = [key for key in before.keys() | after if before.get(key) != after.get(key)]
            differ += bool(wrong)
            print(f"{name:28}", f"DIFFERS: {', '.join(sorted(wrong))}" if wrong else "same bytes")
            for key in wrong:  # so that later commands are compared by themselves
                if key in before and key in after and key not in ("exit status", "stdout"):
                    shutil.copyfile(folders[0] / key, folders[1] / key)
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
