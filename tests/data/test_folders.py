import os
from pathlib import Path

import pytest

from charrnn.data.folders import find_files
from charrnn.errors import CorpusError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder beside another one."""
    for name in ("texts/a.txt", "texts/deep/b.txt", "elsewhere/c.txt"):
        put(tmp_path / name)
    return tmp_path / "texts"


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name)


def names(folder: Path, glob: str = "*.txt") -> list[str]:
    return [str(file.relative_to(folder)) for file in find_files(folder, glob).files]


def test_links_to_files_and_folders_are_followed(folder: Path) -> None:
    (folder / "linked").symlink_to("../elsewhere")
    (folder / "linked.txt").symlink_to("../elsewhere/c.txt")
    assert names(folder) == ["a.txt", "deep/b.txt", "linked/c.txt", "linked.txt"]


@pytest.mark.parametrize("target", [".", "..", "deep/..", "../texts", "../.."])
def test_a_link_back_is_not_followed(folder: Path, target: str) -> None:
    (folder / "deep" / "loop").symlink_to(folder / target)
    (folder / "loop").symlink_to(target)
    found = find_files(folder, "*.txt")
    assert names(folder) == ["a.txt", "deep/b.txt"]
    assert "2 linked to a folder above, or read already (loop, deep/loop)" in found.summary


def test_a_folder_is_read_once_and_at_its_own_place(folder: Path) -> None:
    """Folders that link to each other would be read again and again, each time by a longer name."""
    for number in range(8):
        put(folder / f"x{number}" / "text.txt")
        for other in range(8):
            (folder / f"x{number}" / f"to{other}").symlink_to(f"../x{other}")
    (folder / "0").symlink_to("x3")
    assert [name for name in names(folder) if "text" in name] == [
        f"x{number}/text.txt" for number in range(8)
    ]


def test_two_links_to_a_folder_elsewhere_read_it_once(folder: Path) -> None:
    (folder / "one").symlink_to("../elsewhere")
    (folder / "two").symlink_to("../elsewhere")
    assert names(folder) == ["a.txt", "deep/b.txt", "one/c.txt"]


def test_a_folder_that_is_itself_a_link_is_read(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to("texts")
    assert names(link) == ["a.txt", "deep/b.txt"]


@pytest.mark.parametrize("glob", ["*.txt", "*.TXT", "*.[Tt]xt"])
def test_case_is_the_same_to_a_glob(folder: Path, glob: str) -> None:
    put(folder / "X.TXT")
    assert names(folder, glob) == ["X.TXT", "a.txt", "deep/b.txt"]


def test_what_is_left_out_is_counted_and_named_with_the_reason(folder: Path) -> None:
    for name in ("1.md", "2.md", "3.md", "4.md", ".hidden.txt", ".git/config.txt"):
        put(folder / name)
    (folder / "gone.txt").symlink_to("nowhere.txt")
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe.txt")
    found = find_files(folder, "*.txt")
    assert found.surprises(classes=False) == [found.summary]
    assert found.summary == (
        f"{folder}: 2 files read; left out: 2 hidden (.git, .hidden.txt), "
        "4 not named *.txt (1.md, 2.md, 3.md, ...), 2 linked to nothing (gone.txt, round), "
        "1 neither file nor folder (pipe.txt)"
    )


def test_only_names_are_no_surprise(folder: Path) -> None:
    assert not find_files(folder, "*.txt").surprises(classes=False)
    put(folder / "1.md")
    put(folder / ".hidden.txt")
    assert not find_files(folder, "*.txt").surprises(classes=False)


def test_folders_of_which_nothing_is_read_are_known(folder: Path) -> None:
    (folder / "empty").mkdir()
    put(folder / "other" / "1.md")
    put(folder / ".hidden" / "1.txt")
    found = find_files(folder, "*.txt")
    assert found.empty_folders == ["empty", "other"]
    (surprise,) = found.surprises(classes=True)
    assert "no file is read from empty, other, so there is no such class" in surprise
    assert not found.surprises(classes=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "deep").chmod(0)
    with pytest.raises(CorpusError, match=r"deep: Permission denied"):
        find_files(folder, "*.txt")


def test_what_was_left_out_is_said_where_nothing_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.md")
    with pytest.raises(CorpusError, match=r"no file in it matches \*\.txt.*1 not named \*\.txt"):
        find_files(tmp_path, "*.txt").require_some()


def test_no_more_is_looked_at_than_is_asked_for(folder: Path) -> None:
    """A folder that a stranger names may be `/`."""
    assert len(find_files(folder, "*.txt", at_most=3).files) == 2
    with pytest.raises(CorpusError, match="it holds more than 2 files and folders"):
        find_files(folder, "*.txt", at_most=2)
