"""Checks a source distribution and the wheel that was made from it:

python .ci/check_distribution.py DIST/charrnn_lm-0.1.0.tar.gz DIST/charrnn_lm-0.1.0-....whl
"""

import email
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = {
    "LICENSE",
    "MANIFEST.in",
    "PKG-INFO",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
}
FOLDERS = {"charrnn", "charrnn_lm.egg-info"}


def main(source: str, wheel: str) -> None:
    """Exits with a line for what is missing, or should not be there."""
    problems = []
    with tarfile.open(source) as archive:
        paths = [member.name.split("/", 1)[1] for member in archive if member.isfile()]
    tops = {path.split("/")[0] for path in paths}
    problems += [f"{source} has {each}" for each in sorted(tops - FILES - FOLDERS)]
    problems += [f"{source} lacks {each}" for each in sorted((FILES | FOLDERS) - tops)]
    ours = [path for path in (ROOT / "charrnn").rglob("*.*") if path.suffix in (".py", ".c", ".h")]
    expected = {str(path.relative_to(ROOT)) for path in ours}
    problems += [f"{source} lacks {each}" for each in sorted(expected - set(paths))]

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [each for each in names if each.endswith(".dist-info/METADATA")]
        message = email.message_from_bytes(archive.read(metadata))
    tops = {name.split("/")[0] for name in names} - {metadata.split("/")[0]}
    problems += [f"{wheel} has {each}" for each in sorted(tops - {"charrnn"})]
    modules = {each for each in expected if each.endswith(".py")} | {"charrnn/py.typed"}
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "charrnn/page").glob("*.*")}
    problems += [f"{wheel} lacks {each}" for each in sorted((modules | pages) - set(names))]
    licence = f"{metadata.removesuffix('METADATA')}licenses/LICENSE"
    problems += [] if licence in names else [f"{wheel} lacks {licence}"]

    readme = (ROOT / "README.md").read_text(encoding="utf-8").strip()
    body = message.get_payload(decode=True)
    if message["Description-Content-Type"] != "text/markdown":
        problems.append(f"{wheel}: its description is not said to be Markdown")
    if not isinstance(body, bytes) or body.decode().strip() != readme:
        problems.append(f"{wheel}: its description is not README.md")
    if problems:
        sys.exit("\n".join(problems))
    print(
        f"the distribution {message['Name']} {message['Version']} has all its files, and no other"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
