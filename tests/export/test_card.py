"""Model cards: what they say is true, and what they are written from cannot become markup."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, ModelError
from charrnn.export.card import model_card
from charrnn.export.markdown import code, fenced, plain, table
from charrnn.storage.model_directory import write_model
from charrnn.storage.run import Run
from tests.export.exported import random_model

TEXT = "The fox met the hen. The hen met the fox. Was it a fox? It was a hen!\n" * 40
ROWS = "text,kind,size\n" + "".join(
    f"{('blue sky', 'red apple')[row % 2]} {row},{('sky', 'a|`<b>')[row % 2]},{row % 2}\n"
    for row in range(80)
)
SIZES: dict[str, Any] = {"steps": 6, "hidden_size": 12, "batch_size": 4, "precision": "fp32"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with one run for each task."""
    here = tmp_path_factory.mktemp("trained")
    (here / "text.txt").write_text(TEXT)
    (here / "rows.csv").write_text(ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        quiet: dict[str, Any] = {"progress_bar": False, **SIZES}
        charrnn.train("text.txt", name="writer", **quiet)
        charrnn.train("text.txt", name="restorer", bidirectional=True, **quiet)
        charrnn.train("rows.csv", name="sorter", text="text", label="kind", **quiet)
        charrnn.train("rows.csv", name="measurer", text="text", label="size", regress=True, **quiet)
    return here


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def header(card: str) -> dict[str, Any]:
    """The header of a card, each of whose values is JSON, or a list of them."""
    assert card.startswith("---\n")
    entries: dict[str, Any] = {}
    name = ""
    for line in card.split("---\n")[1].splitlines():
        if line.startswith("- "):
            entries[name].append(json.loads(line[2:]))
            continue
        name, _, value = line.partition(":")
        entries[name] = json.loads(value) if value else []
    return entries


def section(card: str, heading: str) -> str:
    return card.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)\n```$", text)


TAGS = {
    "writer": ("text-generation", ["bits_per_character"]),
    "restorer": ("fill-mask", ["accuracy"]),
    "sorter": ("text-classification", ["accuracy", "f1"]),
    "measurer": ("text-classification", ["mse"]),
}


@pytest.mark.parametrize("name", TAGS)
def test_every_task_has_a_card(here: Path, name: str) -> None:
    card = model_card(name, licence="cc-by-4.0")
    found = header(card)
    assert (found["pipeline_tag"], found["metrics"]) == TAGS[name]
    assert (found["library_name"], found["license"]) == ("charrnn", "cc-by-4.0")
    assert "language" not in found
    assert "lstm" in found["tags"]
    assert card == model_card(f"checkpoints/{name}", licence="cc-by-4.0")
    assert "More information" not in card and "None" not in card
    model = Run(Path("checkpoints") / name).best_model()
    assert model.provenance.sha256 in card
    assert f"{model.config.parameters:,} weights" in card


def test_samples_are_those_of_their_commands(here: Path) -> None:
    written = section(model_card("writer"), "What it writes")
    commands, texts = blocks(written, "sh"), blocks(written, "text")
    assert (len(commands), len(texts)) == (4, 3)
    for command, text in zip(commands[:3], texts, strict=True):
        words = shlex.split(command)
        assert words[:3] == ["charrnn", "sample", "writer"]
        length, seed = words[words.index("--length") + 1], words[words.index("--seed") + 1]
        assert charrnn.sample("writer", length=int(length), seed=int(seed)) == text


def test_the_longest_copy_is_in_the_sample_that_is_named(here: Path) -> None:
    written = section(model_card("writer"), "What it writes")
    found = re.search(r"none copies more than (\d+) characters in a row", written)
    assert found is not None
    words = shlex.split(blocks(written, "sh")[-1])
    index = int(words[words.index("--index") + 1]) if "--index" in words else 0
    training = TEXT[: round(len(TEXT) * 0.9)]

    def longest(number: int) -> int:
        text = charrnn.sample("writer", length=300, seed=0, index=number)
        return max(
            length
            for length in range(len(text))
            if any(text[at : at + length] in training for at in range(len(text) - length + 1))
        )

    assert longest(index) == int(found[1])


def test_the_command_trains_the_same_model_again(here: Path) -> None:
    from typer.testing import CliRunner

    from charrnn.cli.app import app

    for name in ("restorer", "measurer"):
        command = blocks(section(model_card(name), "How it was trained"), "sh")[0]
        words = shlex.split(command)
        assert words[:2] == ["charrnn", "train"]
        result = CliRunner().invoke(app, [*words[1:], "--name", f"{name}-again"])
        assert result.exit_code == 0, result.stderr
        first, again = (
            Run(Path("checkpoints") / each).best_model() for each in (name, f"{name}-again")
        )
        assert replace(again.provenance, seconds=0) == replace(first.provenance, seconds=0)
        assert again.config == first.config
        for tensor, values in first.tensors.items():
            assert (again.tensors[tensor] == values).all()


def test_the_loss_stands_beside_the_baselines_that_the_run_has(here: Path) -> None:
    good = section(model_card("writer"), "How good it is")
    model = Run(Path("checkpoints/writer")).best_model()
    assert model.provenance.validation_nats is not None
    lines = Run(Path("checkpoints/writer")).metrics()
    bits = next(line for line in lines if line["step"] == model.provenance.step)["validation_bits"]
    assert f"| this model | {bits:.3f} bits per character |" in good
    nats = next(line["baseline_xz_nats"] for line in lines if "baseline_xz_nats" in line)
    assert f"| xz | {nats / 0.6931471805599453:.3f} bits per character |" in good
    assert "| n-grams |" in good


def test_predictions_are_measured_where_the_documents_are(here: Path) -> None:
    good = section(model_card("sorter"), "How good it is")
    assert f"| accuracy | {charrnn.evaluate('sorter')['accuracy']:.3f} " in good
    assert "Confusion matrix" in good
    assert r"a\|\`\<b\>" in good
    assert "| root mean squared error |" in model_card("measurer")
    restored = section(model_card("restorer"), "How good it is")
    assert re.search(r"infilled right where one is masked \| \d+ %", restored)


def test_without_the_text_the_card_says_what_could_not_be_measured(
    here: Path, trained: Path
) -> None:
    for name in ("text.txt", "rows.csv"):
        (trained / name).rename(trained / f"{name}.away")
    (trained / "text.txt").write_text("another text\n" * 200)
    try:
        cards = {name: model_card(name) for name in TAGS}
    finally:
        for name in ("text.txt", "rows.csv"):
            (trained / f"{name}.away").replace(trained / name)
    assert "could not be measured: the text is not where it was" in cards["writer"]
    assert "| n-grams |" in cards["writer"]
    assert "could not be measured" in cards["restorer"]
    assert re.search(r"\| accuracy \| 0\.\d+ \|", cards["sorter"])
    assert "could not be measured: the documents are not where they were" in cards["sorter"]
    assert re.search(r"\| root mean squared error \| [\d.]+ \|", cards["measurer"])


def test_a_model_without_its_run_has_a_card(here: Path) -> None:
    Path("alone").mkdir()
    for name in TAGS:
        write_model(Path("alone") / name, Run(Path("checkpoints") / name).best_model())
        card = model_card(f"alone/{name}")
        assert f"# {name}" in card
        assert "charrnn train" not in card
        assert "from the model alone" in card


def test_no_licence_is_guessed(here: Path) -> None:
    card = model_card("writer")
    assert "license" not in header(card)
    assert "charrnn card --licence" in section(card, "Licence")
    for bad in ("", "MIT License", "mit\nlanguage: en", 'mit"', "-mit", "x" * 99):
        with pytest.raises(ConfigError, match="licence"):
            model_card("writer", licence=bad)


def test_a_card_names_no_folder(here: Path, tmp_path: Path) -> None:
    charrnn.train(str(tmp_path / "text.txt"), name="elsewhere", progress_bar=False, **SIZES)
    card = model_card("elsewhere")
    assert str(tmp_path) not in card and str(tmp_path.parent) not in card
    assert "charrnn train text.txt" in card


HOSTILE = "x`y```\n---\nlicense: mit\n# <script>alert(1)</script> |[a](javascript:b) \u202e\x1b[31m"


def test_names_and_texts_cannot_become_markup(here: Path) -> None:
    tokenizer = CharTokenizer("`\n-# <>|\x1b")
    model = random_model("gru", vocabulary_size=tokenizer.vocabulary_size)
    model = replace(model, tokenizer=tokenizer)
    hostile = replace(model, provenance=replace(model.provenance, corpus=HOSTILE))
    directory = here / "a`b```|<b>#"
    write_model(directory, hostile)
    card = model_card(directory, licence="mit")
    assert header(card)["license"] == "mit"
    assert card.count("\n---\n") == 1
    assert "\x1b" not in card and "\u202e" not in card
    outside = card
    for fence in sorted(set(re.findall(r"(?m)^`{3,}", card)), key=len, reverse=True):
        outside = re.sub(rf"(?ms)^{fence}(text|sh)\n.*?\n{fence}$", "", outside)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "<" not in re.sub(r"\\<", "", outside)
    assert "](" not in outside


def test_a_model_of_bytes_that_are_no_text_has_a_card(here: Path) -> None:
    write_model(here / "bytes", random_model(tokenizer="byte", hidden_size=8, layers=1))
    card = model_card("bytes")
    card.encode()
    assert "It reads bytes" in card
    assert re.search(r"\\x[89a-f]", card)


@pytest.mark.parametrize("text", ["a", "```", "````\n```", "`", "a\n\n", ""])
def test_a_fence_is_longer_than_what_it_holds(text: str) -> None:
    first, *inside, last = fenced(text).split("\n")
    assert first == f"{last}text" and set(last) == {"`"} and len(last) >= 3
    assert "\n".join(inside) == text
    assert last not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("a\nb", r"`a\nb`"),
        ("a\x07", r"`a\x07`"),
        ("\udcff", r"`\xff`"),
        ("\u202ea", r"`\u202ea`"),
        (" ", "“ ”"),
    ],
)
def test_a_name_is_code_on_one_line(text: str, shown: str) -> None:
    assert code(text) == shown


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(("a",), [(code("x|y"),), (plain("x|y"),)]).splitlines()[2:] == [
        r"| `x\|y` |",
        r"| x\|y |",
    ]


def test_an_unknown_model_is_refused(here: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        model_card("nothing")
