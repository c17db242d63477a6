"""charrnn export --zip and charrnn import: a model as one file, there and back."""

import io
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Charrnn

pytestmark = pytest.mark.usefixtures("here")


def test_a_model_that_was_sent_is_found_by_its_name(run: Charrnn) -> None:
    exported = run("export", "small", "--zip", "sent.zip")
    assert exported.exit_code == 0
    assert "sent.zip:" in exported.stderr
    assert run("export", "small", "--zip", "-").stdout_bytes == Path("sent.zip").read_bytes()
    taken = run("import", "sent.zip", "--name", "received")
    assert taken.exit_code == 0
    assert "checkpoints/received: a model of text to generate" in taken.stderr
    assert "charrnn sample received" in taken.stderr
    texts = [run("sample", name, "--seed", "1").stdout for name in ("small", "received")]
    assert texts[0] == texts[1] != ""
    measured = [
        run("evaluate", name, "text.txt", "--json").stdout for name in ("small", "received")
    ]
    assert '"bits_per_character"' in measured[1]
    assert run("info", "received").exit_code == 0
    again = run("train", "text.txt", "--name", "received", "--steps", "1")
    assert (again.exit_code, Path("checkpoints/received/best").exists()) == (2, False)


def test_what_is_there_is_not_replaced(run: Charrnn) -> None:
    run("export", "small", "--zip", "small.zip")
    result = run("import", "small.zip")
    assert result.exit_code == 2
    assert "checkpoints/small is there already" in result.stderr


def test_a_hostile_zip_is_refused_in_one_line(run: Charrnn) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("config.json", "tokenizer.json", "../../model.safetensors"):
            archive.writestr(name, b"{}")
    Path("bad.zip").write_bytes(content.getvalue())
    result = run("import", "bad.zip")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: bad.zip: '../../model.safetensors' is no file")
    assert not Path("checkpoints/bad").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --html FILE.html, --onnx FILE.onnx or --zip FILE.zip"),
        (["--zip", "a.zip", "--html", "a.html"], "exclude each other"),
        (["--zip", "a.zip", "--title", "A"], "--title has no effect without --html"),
        (["--zip", "a.zip", "--temperature", "1"], "--temperature has no effect without --html"),
        (["--zip", "a.zip", "--card", "a.md"], "--card needs --html"),
    ],
)
def test_one_form_is_written(run: Charrnn, options: list[str], message: str) -> None:
    result = run("export", "small", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not Path("a.zip").exists() and not Path("a.html").exists()
