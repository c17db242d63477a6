from pathlib import Path

import pytest

from benchmarks.int8 import main
from benchmarks.rare_characters import rare_characters


def test_a_row_for_each_part_of_a_text_and_runs_that_are_there_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = "fables@4000: --cell gru --layers 1 --hidden-size 8 --steps 20"
    main(["--runs", str(tmp_path), network])
    first = capsys.readouterr().out
    _, _, held_out, learned, _, worst = first.splitlines()
    assert held_out.startswith("| fables@4000 | gru 1x8 | 16 | held out | 399 |")
    assert learned.startswith("| fables@4000 | gru 1x8 | 16 | learned | 3,599 |")
    for row in (held_out, learned):
        exact, found, difference = (float(cell) for cell in row.split("|")[-4:-1])
        assert found - exact == pytest.approx(difference, abs=1e-4)
    assert worst.startswith("the largest difference: ")
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())
    trained = (run / "metrics.jsonl").read_bytes()
    main([str(run)])
    assert capsys.readouterr().out == first
    main(["--runs", str(tmp_path), network])
    assert (run / "metrics.jsonl").read_bytes() == trained


def test_networks_are_trained_in_a_named_folder_only() -> None:
    with pytest.raises(SystemExit):
        main(["fables: --steps 9"])


def test_most_of_the_rare_characters_are_rare() -> None:
    text = rare_characters()
    assert text == rare_characters() != rare_characters(seed=1)
    counts = [text.count(character) for character in set(text)]
    assert len(counts) > 800
    assert sum(count < 18 for count in counts) > 600  # three in each line
