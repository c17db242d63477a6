"""Write invented text of a kind that people train on, or check what a model wrote.

    python examples/texts.py smiles > smiles.txt
    charrnn sample smiles -n 1000 | python examples/texts.py smiles --check

The same seed gives the same text. The kinds and their rules are in examples/invented/.
"""

import argparse
import sys

from invented import KINDS, write

SIZE = 400_000


def main() -> None:
    kinds = "\n".join(f"  {name:<12}{kind.summary}" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        description="Write invented text of a kind, or check what a model wrote.",
        epilog=f"kinds:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help="one of those below")
    parser.add_argument("--size", type=int, default=SIZE, help="characters (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="check the text on stdin instead")
    arguments = parser.parse_args()
    if arguments.check:
        check = KINDS[arguments.kind].check
        if check is None:
            parser.error(f"{arguments.kind} have no rules to check")
        text = "\n".join(check(sys.stdin.buffer.read().decode(errors="replace"))) + "\n"
    else:
        text = write(arguments.kind, arguments.size, arguments.seed)
    # As bytes: UTF-8 and LF, whatever the terminal's encoding and the system's newline.
    sys.stdout.buffer.write(text.encode())


if __name__ == "__main__":
    main()
