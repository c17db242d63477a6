"""Folders of texts: which of their files are read, and which are left out and why."""

import errno
import fnmatch
import os
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import CharRNNWarning, CorpusError

_NAMED: Final = 3
"""The most files left out that are named, for each reason."""

_OTHER_NAME: Final = "not named {glob}"
_HIDDEN: Final = "hidden"
_BROKEN: Final = "linked to nothing"
_SPECIAL: Final = "neither file nor folder"
_BACK: Final = "linked to a folder above, or read already"

_NO_TARGET: Final = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)


@dataclass(frozen=True)
class FolderFiles:
    """The files found in a folder and in all folders below it.

    Attributes:
        folder: the folder.
        glob: the pattern that the names of files must match.
        files: the files that are read, sorted.
        left_out: the paths of the other files, by the reason for leaving them out.
        folders: the names of the folders directly in it, except hidden ones.
    """

    folder: Path
    glob: str
    files: tuple[Path, ...]
    left_out: dict[str, list[str]]
    folders: tuple[str, ...]

    @property
    def empty_folders(self) -> list[str]:
        """Return the folders directly in it of which no file is read."""
        depth = len(self.folder.parts)
        return sorted({*self.folders} - {file.parts[depth] for file in self.files})

    @property
    def summary(self) -> str:
        """Return a line on how many files are read, how many are left out, and why."""
        count = len(self.files)
        return f"{self.folder}: {count:,} file{'s' * (count != 1)} read{self._left_out}"

    @property
    def _left_out(self) -> str:
        reasons = []
        for reason, paths in self.left_out.items():
            names = ", ".join(paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
            reasons.append(f"{len(paths):,} {reason} ({names})")
        return f"; left out: {', '.join(reasons)}" if reasons else ""

    def surprises(self, *, classes: bool) -> list[str]:
        """Return warnings of what may be a mistake: files that are left out for another reason than
        their names and, where folders are classes, folders of which no file is read."""
        lines = []
        if not self.left_out.keys() <= {_HIDDEN, _OTHER_NAME.format(glob=self.glob)}:
            lines.append(self.summary)
        if classes and self.empty_folders:
            shown = ", ".join(self.empty_folders)
            lines.append(f"{self.folder}: no file is read from {shown}, so there is no such class")
        return lines

    def require_some(self) -> None:
        """Raise CorpusError where no file is read."""
        if not self.files:
            raise CorpusError(
                f"{self.folder}: no file in it matches {self.glob}; choose others with --glob "
                f"'*.md'{self._left_out}"
            )


def find_files(folder: Path, glob: str, *, at_most: int | None = None) -> FolderFiles:
    """Find the files whose names match a pattern, in a folder and all folders below it.

    The pattern ignores case. Symbolic links to files and folders are followed, and each folder is
    read once, however many links lead to it: at its own place, if it lies in the folder. Links to
    the folder itself, or to a folder above it, are not followed. Hidden files and folders, whose
    names begin with a dot, are left out.

    Raises CorpusError where a folder cannot be read, or holds more than `at_most` files and
    folders.
    """
    files: list[Path] = []
    looked_at = 0
    folders: list[str] = []
    left_out: dict[str, list[str]] = {}
    seen = {_identity(above) for above in Path(os.path.realpath(folder)).parents}
    own, linked = [folder], list[Path]()

    def leave_out(path: Path, reason: str) -> None:
        left_out.setdefault(reason, []).append(str(path.relative_to(folder)))

    while own or linked:
        parent = own.pop() if own else linked.pop(0)
        if (identity := _identity(parent)) in seen:
            leave_out(parent, _BACK)
            continue
        seen.add(identity)
        inside = _inside(parent)
        looked_at += len(inside)
        if at_most is not None and looked_at > at_most:
            raise CorpusError(f"{folder}: it holds more than {at_most:,} files and folders")
        for path in inside:
            hidden = path.name.startswith(".")
            mode = None if hidden else _mode(path)
            if hidden:
                leave_out(path, _HIDDEN)
            elif mode is None:
                leave_out(path, _BROKEN)
            elif stat.S_ISDIR(mode):
                (linked if path.is_symlink() else own).append(path)
                if parent == folder:
                    folders.append(path.name)
            elif not fnmatch.fnmatchcase(path.name.lower(), glob.lower()):
                leave_out(path, _OTHER_NAME.format(glob=glob))
            elif not stat.S_ISREG(mode):
                leave_out(path, _SPECIAL)
            else:
                files.append(path)
    return FolderFiles(folder, glob, tuple(sorted(files)), left_out, tuple(folders))


def _identity(folder: Path) -> tuple[int, int]:
    """Return the device and inode of a folder, the same under all its names. Raises CorpusError."""
    try:
        status = os.stat(folder)
    except OSError as error:
        raise CorpusError(f"{folder}: {error.strerror}") from error
    return status.st_dev, status.st_ino


def _inside(folder: Path) -> list[Path]:
    """Return the paths of everything in a folder, sorted. Raises CorpusError."""
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except OSError as error:
        raise CorpusError(f"{folder}: {error.strerror}") from error


def _mode(path: Path) -> int | None:
    """Return the mode of a path's target; None for a link to nothing. Raises CorpusError."""
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if error.errno in _NO_TARGET:
            return None
        raise CorpusError(f"{path}: {error.strerror}") from error


def warn_of_surprises(folders: Iterable[FolderFiles], *, classes: bool) -> None:
    """Warn about files in folders that are left out, where that may not be intended."""
    for found in folders:
        for surprise in found.surprises(classes=classes):
            warnings.warn(surprise, CharRNNWarning, stacklevel=3)
