"""Pushing to a hub and pulling from it, and a hub that answers badly."""

import itertools
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from charrnn.cli.app import app
from charrnn.errors import CharRNNError, ConfigError, HubError, ModelError, StorageError
from charrnn.export import hub_connection
from charrnn.export.hub import pull, push, pushed_files
from charrnn.export.hub_listing import CARD, MODEL_FILES, check_repository
from charrnn.storage.files import added_directory
from charrnn.storage.manifest import with_manifest
from charrnn.storage.model_directory import Model, model_files, read_model, write_model
from charrnn.storage.pulled_models import read_origin
from charrnn.storage.run_lookup import find_models, load
from tests.export.hub_server import TOKEN, Handler, Server, listed, serving

NAME = "owner/toy"
CARD_TEXT = "---\nlicense: mit\n---\n# A toy\n"


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Model]) -> Model:
    return make_model()


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[None]:
    """Closes the library's connections at the end; each client takes a while to make."""
    yield
    huggingface_hub.close_session()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, whose home folder is another empty one."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "work"


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from huggingface_hub import constants

    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # whatever it was when imported
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(here.parent / "home" / "token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def shared(hub: Server, model: Model) -> Server:
    """A hub with a sound model."""
    hub.put(NAME, pushed_files(model, CARD_TEXT))
    return hub


def charrnn(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(error: type[CharRNNError], here: Path, words: str, **settings: str) -> None:
    """Check that pulling is refused in one line, and that nothing is left on the disk."""
    with pytest.raises(error, match=words) as found:
        pull(NAME, **settings)
    assert "\n" not in str(found.value)
    assert ".partial" not in str(found.value)
    assert files_below(here.parent) == ["home", "work"]


def test_a_model_comes_back_as_it_was_pushed(hub: Server, model: Model, here: Path) -> None:
    address = push(model, NAME, CARD_TEXT)
    assert address == f"{hub.address}/{NAME}"
    repository = hub.repositories[NAME]
    assert repository.files.keys() == {".gitattributes", *MODEL_FILES, CARD}
    assert repository.files[CARD] == CARD_TEXT.encode()
    directory = pull(NAME)
    assert directory == Path("checkpoints/toy")
    assert files_below(directory) == sorted([*MODEL_FILES, CARD, "origin.json"])
    found = read_model(directory)
    assert found.config == model.config
    assert all(np.array_equal(found.tensors[name], model.tensors[name]) for name in model.tensors)
    origin = read_origin(directory)
    assert (origin.repository, origin.commit) == (NAME, repository.commit)
    assert files_below(here.parent / "home") == []
    assert [path for path in files_below(here) if ".partial" in path] == []


def test_a_second_push_is_a_commit_on_the_first(
    hub: Server, make_model: Callable[..., Model]
) -> None:
    push(make_model(), NAME, CARD_TEXT)
    other = make_model(seed=1)
    push(other, NAME, CARD_TEXT)
    assert hub.repositories[NAME].commits == 2
    tensors = load(str(pull(NAME))).tensors
    assert np.array_equal(tensors["head.weight"], other.tensors["head.weight"])


def test_the_listing_is_asked_for_first_and_only_known_files_then(shared: Server) -> None:
    shared.repositories[NAME].files["LICENSE"] = b"MIT"
    pull(NAME)
    commit = shared.repositories[NAME].commit
    listing, *files = shared.requests
    assert listing == f"GET /api/models/{NAME}/revision/main?blobs=true"
    assert sorted(files) == sorted(
        f"GET /{NAME}/resolve/{commit}/{name}" for name in (*MODEL_FILES, CARD)
    )


def test_commands_push_pull_and_sample(hub: Server, model: Model, here: Path) -> None:
    write_model(here / "mine", model)
    result = charrnn("sample", f"hf:{NAME}", "-l", "20")
    assert (result.exit_code, hub.requests) == (3, [])
    assert f"charrnn pull {NAME}" in result.stderr
    result = charrnn("push", "mine", NAME, "--private", "--licence", "mit")
    assert result.exit_code == 0, result.stderr
    assert hub.repositories[NAME].private
    result = charrnn("pull", f"hf:{NAME}", "--name", "theirs", "--revision", "main")
    assert result.exit_code == 0, result.stderr
    texts = [
        charrnn("sample", name, "-l", "50", "--seed", "3")
        for name in ("mine", "theirs", f"hf:{NAME}")
    ]
    assert {each.exit_code for each in texts} == {0}
    assert len({each.stdout for each in texts}) == 1
    again = charrnn("pull", NAME, "--name", "theirs")
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert TOKEN not in "".join(each.stderr for each in (result, again))


def test_hf_names_mean_the_repository_they_name(shared: Server, model: Model) -> None:
    shared.put("other/toy", pushed_files(model, CARD_TEXT))
    pull("other/toy")
    with pytest.raises(ModelError, match="pull it: charrnn pull owner/toy"):
        find_models(f"hf:{NAME}")
    pull(NAME, name="mine")
    assert find_models(f"hf:{NAME}") == [Path("checkpoints/mine")]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "toy",
            "a/b/c",
            "../toy",
            "owner/..",
            "owner/.toy",
            "owner/a..b",
            "owner/",
            "/toy",
            "o/t\n",
        ),
        *(
            "owner/a--b",
            "owner/a b",
            "owner/toy?x=1",
            "owner/t%2e",
            "öwner/toy",
            "owner/" + "a" * 100,
        ),
    ],
)
def test_what_is_no_name_of_a_repository_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        check_repository(name)


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "", "a\nb"])
def test_what_is_no_name_of_a_run_is_refused(shared: Server, here: Path, name: str) -> None:
    refused(ConfigError, here, "not a plain name", name=name)
    assert shared.requests == []


def test_an_existing_name_is_refused_before_anything_is_asked(shared: Server, here: Path) -> None:
    (here / "checkpoints" / "toy").mkdir(parents=True)
    with pytest.raises(ConfigError, match="exists already"):
        pull(NAME)
    (here / "checkpoints" / "link").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="exists already"):
        pull(NAME, name="link")
    assert shared.requests == []


def test_a_name_that_is_taken_meanwhile_is_not_replaced(shared: Server, here: Path) -> None:
    def take(handler: Handler) -> None:
        (here / "checkpoints" / "toy").mkdir()
        del shared.spoiled[CARD]
        handler.send(CARD_TEXT.encode())

    shared.spoil(CARD, take)
    with pytest.raises(StorageError, match="File exists"):
        pull(NAME)
    assert files_below(here / "checkpoints") == ["toy"]


def test_a_folder_that_another_process_fills_is_left_alone(here: Path) -> None:
    with added_directory(here / "new", 10) as temporary:
        (temporary / "file").touch()
        with pytest.raises(StorageError), added_directory(here / "new", 10):
            pass
        assert (temporary / "file").exists()
    assert files_below(here) == ["new", "new/file"]


def test_what_a_killed_pull_left_is_replaced(shared: Server, here: Path) -> None:
    left = here / "checkpoints" / ".partial-toy"
    left.mkdir(parents=True)
    (left / "model.pkl").touch()
    pull(NAME)
    assert sorted(os.listdir(here / "checkpoints")) == ["toy"]
    assert not (here / "checkpoints" / "toy" / "model.pkl").exists()


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("burst",)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "pytorch_model.bin",
            "model.pkl",
            "../model.pkl",
            "a/../../b",
            "/etc/passwd",
            "sub/config.json",
        ),
        *("modeling.py", "config.json\n", "\x1b[2J"),
    ],
)
def test_a_repository_with_foreign_files_is_refused(shared: Server, here: Path, name: str) -> None:
    shared.repositories[NAME].files[name] = pickle.dumps(Bomb())
    refused(ModelError, here, "files that no model of charrnn has")
    assert len(shared.requests) == 1


def test_a_pickle_under_the_name_of_a_model_is_refused(shared: Server, here: Path) -> None:
    files = {name: pickle.dumps(Bomb()) for name in MODEL_FILES[1:]}
    shared.put(NAME, with_manifest(files))
    refused(ModelError, here, "config.json")


def send_listing(**changes: object) -> Callable[[Handler], None]:
    """The listing of the repository with other values."""

    def answer(handler: Handler) -> None:
        handler.answer(handler.server.repositories[NAME].listing() | changes)

    return answer


@pytest.mark.parametrize(
    "changes",
    [
        {"sha": "main"},
        {"sha": None},
        {"siblings": None},
        {"siblings": ["config.json"]},
        {"siblings": [{"rfilename": "config.json"}]},
        {"siblings": [listed("config.json", b"{}")] * 2},
        {"siblings": [listed("config.json", b"{}") | {"size": -1}]},
        {"siblings": [listed("config.json", b"{}") | {"size": True}]},
        {"siblings": [listed("config.json", b"{}") | {"blobId": "../x"}]},
        {"siblings": [listed("config.json", b"{}") | {"lfs": {"sha256": "x", "size": 2}}]},
        {"siblings": [listed(str(number), b"") for number in range(1001)]},
        {"siblings": [listed("config.json", b"{}")]},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_an_impossible_listing_is_refused(shared: Server, here: Path, changes: object) -> None:
    shared.spoil("/api/", send_listing(**changes))  # type: ignore[arg-type]
    refused(ModelError, here, "listing is not what it should be|no model that charrnn push")
    assert len(shared.requests) == 1


def send_endlessly(handler: Handler) -> None:
    """An answer without a length, which never ends."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


@pytest.mark.parametrize("path", ["/api/", "config.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("spoiling", "error", "words"),
    [
        (lambda handler: handler.send(b"{", length=999), CharRNNError, "bytes|broke off"),
        (lambda handler: handler.send(b"{}"), ModelError, "bytes instead|not what it should"),
        (
            lambda handler: handler.send(
                b"<html>Sorry</html>", headers={"Content-Type": "text/html"}
            ),
            ModelError,
            "bytes instead|not what it should",
        ),
        (lambda handler: handler.send(b"", length=10**15), ModelError, "larger than"),
        (send_endlessly, ModelError, "larger than"),
        (
            lambda handler: handler.send(b"{}", headers={"Content-Encoding": "gzip"}),
            ModelError,
            "compressed|bytes instead",
        ),
        (lambda handler: handler.send(b"", status=500), HubError, "the hub failed"),
        (lambda handler: handler.send(b"", status=206), HubError, "answers 206"),
        (
            lambda handler: handler.send(b"", status=429, headers={"Retry-After": "7"}),
            HubError,
            "try again in 7 seconds",
        ),
        (lambda handler: handler.wfile.write(b"Hello.\r\n\r\n"), HubError, "broke off|no HTTP"),
        (lambda handler: setattr(handler, "close_connection", True), HubError, "broke off"),
    ],
    ids=[
        *("truncated", "short", "html", "enormous", "endless", "compressed"),
        *("failure", "part", "too many", "no http", "closed"),
    ],
)
def test_bad_answers_are_refused(
    shared: Server,
    here: Path,
    path: str,
    spoiling: Callable[[Handler], None],
    error: type[CharRNNError],
    words: str,
) -> None:
    shared.spoil(path, spoiling)
    refused(error, here, words)


@pytest.mark.parametrize("name", [*MODEL_FILES, CARD])
def test_another_content_of_the_same_size_is_refused(shared: Server, here: Path, name: str) -> None:
    content = shared.repositories[NAME].files[name]
    shared.spoil(name, lambda handler: handler.send(content[:-1] + b"\0"))
    refused(ModelError, here, "hash differs")


@pytest.mark.parametrize("name", MODEL_FILES[1:])
def test_the_manifest_is_checked_too(shared: Server, here: Path, name: str) -> None:
    """The hub's own hashes are right, since the file was changed there."""
    files = shared.repositories[NAME].files
    files[name] = files[name].replace(b"a", b"A", 1)
    refused(ModelError, here, "damaged")


def test_a_manifest_of_other_files_is_refused(shared: Server, here: Path, model: Model) -> None:
    shared.put(NAME, with_manifest({**model_files(model), "more": b""}) | {"README.md": b""})
    del shared.repositories[NAME].files["more"]
    refused(ModelError, here, "does not name the files of a model")


def test_weights_larger_than_the_config_says_are_not_fetched(shared: Server, here: Path) -> None:
    listing = shared.repositories[NAME].listing()
    for each in listing["siblings"]:
        if each["rfilename"] == "model.safetensors":
            each["size"] = each["lfs"]["size"] = 10**12
    shared.spoil("/api/", send_listing(**listing))
    refused(ModelError, here, "was not fetched")
    assert [each for each in shared.requests if "safetensors" in each] == []


def redirect(target: str) -> Callable[[Handler], None]:
    return lambda handler: handler.send(b"", status=302, headers={"Location": target})


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://127.0.0.1:1/x",
            "https://example.org/x",
            "http://cdn.hf.co/x",
            "https://evilhf.co/x",
        ),
        *(
            "file:///etc/passwd",
            "https://hf.co.example.org/x",
            "//example.org",
            "https://cdn.hf.co:1/",
        ),
        *("http://[", "https://cdn.hf.co@example.org/"),
    ],
)
def test_redirects_to_elsewhere_are_refused(shared: Server, here: Path, target: str) -> None:
    shared.spoil("/api/", redirect(target))
    refused(HubError, here, "redirects to")


def test_a_redirect_to_another_server_of_this_machine_gets_no_request(
    shared: Server, here: Path
) -> None:
    with serving() as other:
        shared.spoil("config.json", redirect(f"{other.address}/x"))
        refused(HubError, here, "not the hub's; nothing was read")
        assert other.requests == []


def test_redirects_within_the_hub_are_followed_a_few_times(shared: Server, here: Path) -> None:
    shared.put("owner/renamed", shared.repositories[NAME].files)

    def move(handler: Handler) -> None:
        redirect(handler.path.replace(NAME, "owner/renamed"))(handler)

    shared.spoil(NAME, move)
    pull(NAME)
    assert read_model(here / "checkpoints" / "toy")


def test_endless_redirects_are_refused(shared: Server, here: Path) -> None:
    shared.spoil(NAME, lambda handler: redirect(handler.path)(handler))
    refused(HubError, here, "more than 5 times")


def test_a_slow_hub_is_given_up(
    shared: Server, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_connection, "_SILENT_SECONDS", 0.1)
    ended = threading.Event()

    def wait(_: Handler) -> None:
        ended.wait(10)

    shared.spoil("config.json", wait)
    refused(HubError, here, "does not answer in time")
    ended.set()
    monkeypatch.setattr(hub_connection, "_LEAST_SECONDS", -1000)
    shared.spoiled.clear()
    refused(HubError, here, "too slowly")


@pytest.mark.parametrize("revision", ["", "no/such", "..", "a\nb"])
def test_an_unknown_revision_is_refused(shared: Server, here: Path, revision: str) -> None:
    refused(CharRNNError, here, "revision|shows nothing|answers|not what", revision=revision)


def test_what_is_private_or_missing_is_said_plainly(
    shared: Server, here: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.repositories[NAME].private = True
    monkeypatch.delenv("HF_TOKEN")
    refused(HubError, here, r"shows nothing of that name \(401\); if it is private, log in")
    with pytest.raises(HubError, match="pushing needs a token"):
        push(model, NAME, CARD_TEXT)
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(HubError, match="shows nothing") as error:
        push(model, "owner/new", CARD_TEXT)
    assert "another" not in str(error.value)
    assert "owner/new" not in shared.repositories
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    del shared.repositories[NAME]
    refused(HubError, here, r"\(404\)")


def test_a_hub_that_cannot_be_reached_is_said_plainly(
    hub: Server, here: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(HubError, here, "HF_HUB_OFFLINE is set")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    refused(HubError, here, "cannot be reached")
    with pytest.raises(HubError, match="cannot be reached"):
        push(model, NAME, CARD_TEXT)


def test_a_missing_package_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(HubError, here, r'pip install "charrnn-lm\[hub\]"')


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *itertools.product(["/api/repos/create", "/commit/", "/lfs/"], [401, 403, 413]),
        *(("/api/repos/create", 429), ("/commit/", 429)),  # it tries /lfs/ again for half a minute
    ],
)
def test_a_push_that_is_refused_says_why(hub: Server, model: Model, path: str, status: int) -> None:
    hub.spoil(path, lambda handler: handler.send(b'{"error": "no"}', status=status))
    with pytest.raises(HubError) as error:
        push(model, NAME, CARD_TEXT)
    assert "\n" not in str(error.value)
    assert re.search(rf"\({status}\)|answers {status}", str(error.value))
    assert hub.address not in str(error.value)
    assert TOKEN not in str(error.value)
    assert MODEL_FILES[0] not in hub.repositories.get(NAME, hub.put("x", {})).files


def test_nothing_is_pushed_beside_foreign_files(hub: Server, model: Model) -> None:
    hub.put(NAME, {"pytorch_model.bin": b"x"})
    with pytest.raises(ModelError, match="pytorch_model.bin"):
        push(model, NAME, CARD_TEXT)
    assert [each for each in hub.requests if each.startswith(("POST", "PUT"))] == []


def test_a_private_push_is_never_public(hub: Server, model: Model) -> None:
    hub.put(NAME, {})
    with pytest.raises(ConfigError, match="is public"):
        push(model, NAME, CARD_TEXT, private=True)
    assert [each for each in hub.requests if each.startswith(("POST", "PUT"))] == []


def test_the_hub_is_that_of_the_environment(shared: Server, here: Path) -> None:
    """In a process of its own, as huggingface_hub reads HF_ENDPOINT when it is imported."""
    home = here.parent / "home"
    environment = {**os.environ, "HF_ENDPOINT": shared.address, "HF_HOME": str(home / "hf")}
    result = subprocess.run(
        [sys.executable, "-m", "charrnn", "pull", NAME],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "charrnn sample toy" in result.stderr
    assert (here / "checkpoints" / "toy" / "model.safetensors").exists()
    assert files_below(home) == []


def test_the_content_network_gets_no_token(hub: Server) -> None:
    import httpx2

    seen: list[tuple[str, str | None]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "127.0.0.1":
            return httpx2.Response(302, headers={"Location": "https://cdn-lfs.hf.co/x?signed=1"})
        return httpx2.Response(200, content=iter([b"four"]))

    connection = hub_connection.HubConnection()
    connection._client = httpx2.Client(transport=httpx2.MockTransport(answer))
    assert b"".join(connection.file(NAME, "0" * 40, "config.json", 4)) == b"four"
    assert seen == [("127.0.0.1", f"Bearer {TOKEN}"), ("cdn-lfs.hf.co", None)]
