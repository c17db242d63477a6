"""Pushing models to a hub, and pulling them from there.

A repository of a model has a model directory's three files, their manifest, and a card. Nothing
else is sent, and a repository with anything else is not read.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from charrnn.errors import CharRNNWarning, ConfigError, HubError, ModelError
from charrnn.export.hub_connection import HubConnection, NotThereError, check_status, unreachable
from charrnn.export.hub_listing import (
    CARD,
    MODEL_FILES,
    ListedFile,
    Listing,
    check_repository,
    checked,
)
from charrnn.storage.files import added_directory, make_directory, write_chunks
from charrnn.storage.json_file import LARGEST_BYTES
from charrnn.storage.manifest import MANIFEST, read_manifest, with_manifest
from charrnn.storage.model_directory import (
    CONFIG,
    LARGEST_TOKENIZER,
    TENSORS,
    TOKENIZER,
    Model,
    model_files,
    read_config,
    read_model,
    read_tokenizer,
)
from charrnn.storage.pulled_models import ORIGIN, Origin
from charrnn.storage.run import RUNS
from charrnn.storage.tensor_file import largest_file

MAIN: Final = "main"
"""The branch that is pushed to, and pulled from where no other revision is named."""

_LARGEST: Final = {
    MANIFEST: LARGEST_BYTES,
    CONFIG: LARGEST_BYTES,
    TOKENIZER: LARGEST_TOKENIZER,
    CARD: 1 << 20,
}
"""The most bytes of each file but the weights, which config.json bounds."""


def pull(repository: str, *, name: str | None = None, revision: str = MAIN) -> Path:
    """Fetch a model from a hub into `checkpoints/`, and return its directory.

    The listing of the repository is asked for first. Then the files are fetched, none larger than
    the model needs, into a temporary folder under `checkpoints/`. There the hashes of the hub and
    of the manifest are checked, and the model is read like any model of a stranger. Only then does
    the folder get its name.

    Args:
        repository: OWNER/NAME.
        name: the name of the model under `checkpoints/`; None: NAME.
        revision: a branch, a tag or a commit.

    Raises ConfigError where a name is none or the model's name is taken; HubError where the hub
    cannot be reached or refuses; ModelError where what it sends is not a sound model; StorageError.
    """
    repository = check_repository(repository)
    directory = _new_directory(repository.partition("/")[2] if name is None else name)
    if not revision or not revision.isprintable():
        raise ConfigError("revision: give the name of a branch or a tag, or a commit")
    hub = HubConnection()
    listing = hub.listing(repository, revision)
    listing.check_names(repository)
    listing.check_complete(repository)
    for file, largest in _LARGEST.items():
        if file in listing.files:
            _check_size(repository, file, listing.files[file], largest)
    with _folder_of_runs(), added_directory(directory, _size(listing)) as temporary:
        with _named(temporary, repository):
            _fetch(hub, repository, listing, temporary)
        origin = Origin(repository=repository, commit=listing.commit)
        write_chunks(temporary / ORIGIN, [origin.to_json()])
    return directory


def _new_directory(name: str) -> Path:
    """Return the directory of a new model. Raises ConfigError where its name is taken, or is not a
    plain name."""
    is_plain = Path(name).name == name and name.isprintable()
    if not is_plain or name.startswith(".") or not name:
        raise ConfigError(f"name {name!a:.200} is not a plain name")
    directory = RUNS / name
    if directory.is_symlink() or directory.exists():
        raise ConfigError(f"{directory} exists already; choose another name with --name")
    return directory


@contextlib.contextmanager
def _folder_of_runs() -> Iterator[None]:
    """Make `checkpoints/` where it is missing, and delete it again if nothing is put into it."""
    is_new = not RUNS.exists()
    make_directory(RUNS)
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty
                RUNS.rmdir()


@contextlib.contextmanager
def _named(temporary: Path, repository: str) -> Iterator[None]:
    """Name the repository in the errors of files, instead of the temporary folder."""
    try:
        yield
    except ModelError as error:
        raise ModelError(str(error).replace(f"{temporary}/", f"{repository}: ")) from error


def _fetch(hub: HubConnection, repository: str, listing: Listing, folder: Path) -> None:
    """Fetch the files of a model into a folder, and check them. Raises HubError and ModelError."""

    def fetch(name: str) -> None:
        file = listing.files[name]
        chunks = hub.file(repository, listing.commit, name, file.size)
        write_chunks(folder / name, checked(f"{repository}: {name}", chunks, file))

    for name in (MANIFEST, CONFIG, TOKENIZER):
        fetch(name)
    manifest = read_manifest(folder)
    if manifest.files.keys() != set(MODEL_FILES) - {MANIFEST}:
        raise ModelError(f"{repository}: {MANIFEST} does not name the files of a model")
    config, _ = read_config(folder, manifest)
    read_tokenizer(folder, config, manifest)
    tensors = listing.files[TENSORS]
    _check_size(repository, TENSORS, tensors, largest_file(config.tensor_shapes()))
    fetch(TENSORS)
    if CARD in listing.files:
        fetch(CARD)
    read_model(folder, manifest)


def _check_size(repository: str, name: str, file: ListedFile, largest: int) -> None:
    if file.size > largest:
        raise ModelError(
            f"{repository}: {name} has {file.size:,} bytes, and may have {largest:,}; "
            "it was not fetched"
        )


def _size(listing: Listing) -> int:
    return sum(listing.files[name].size for name in (*MODEL_FILES, CARD) if name in listing.files)


def pushed_files(model: Model, card: str) -> dict[str, bytes]:
    """Return the files that are pushed for a model, by name: exactly these."""
    return {**with_manifest(model_files(model)), CARD: card.encode()}


def check_token(repository: str) -> None:
    """Raise HubError unless huggingface_hub is installed and finds a token to push with."""
    HubConnection()
    from huggingface_hub import get_token

    if get_token() is None:
        raise HubError(
            f"{repository}: pushing needs a token; log in with hf auth login, or set HF_TOKEN"
        )


def push(model: Model, repository: str, card: str, *, private: bool = False) -> str:
    """Send a model to a hub, in one commit, and return the address of its page.

    A repository that does not exist is made. The token is the one that huggingface_hub finds.

    Args:
        model: the model.
        repository: OWNER/NAME.
        card: the text of the model's card, README.md.
        private: whether a new repository is for its owner alone.

    Raises ConfigError where the repository's name is none, or it is public against `private`;
    ModelError where it has files that no model has; HubError where the hub cannot be reached or
    refuses, or there is no token.
    """
    repository = check_repository(repository)
    check_token(repository)
    hub = HubConnection()
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.address, library_name="charrnn")
    try:
        listing = hub.listing(repository, MAIN)
    except NotThereError:
        _call(repository, hub, lambda: api.create_repo(repository, private=private))
        listing = hub.listing(repository, MAIN)
    listing.check_names(repository)
    if private and not listing.private:
        raise ConfigError(
            f"{repository} is public, and --private is for new repositories; nothing was sent"
        )
    files = pushed_files(model, card)
    _call(repository, hub, lambda: _commit(api, repository, files, listing.commit))
    return f"{hub.address}/{repository}"


def _commit(api: Any, repository: str, files: Mapping[str, bytes], parent: str) -> None:
    """Send files in one commit, which replaces nothing that came after the parent."""
    from huggingface_hub import CommitOperationAdd

    # Files that are given as streams are sent over HTTP. Otherwise the library may use another
    # protocol, which writes to a cache in the home folder.
    api.create_commit(
        repository,
        [CommitOperationAdd(name, io.BytesIO(content)) for name, content in files.items()],
        commit_message="A model of charrnn",
        parent_commit=parent,
    )


def _call(repository: str, hub: HubConnection, function: Callable[[], object]) -> None:
    """Call a function of huggingface_hub without its own messages, and turn its errors into a
    HubError. Its warnings become one-line ones."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        with warnings.catch_warnings(record=True) as found, _silence():
            warnings.simplefilter("always")
            function()
    except OfflineModeIsEnabled as error:
        raise HubError(f"{repository}: HF_HUB_OFFLINE is set; unset it to push") from error
    except (httpx2.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        # The library raises the last four where an answer is not what it expects.
        raise _failure(repository, hub, error) from error
    except RuntimeError as error:  # the upload of a file has failed
        raise _failure(repository, hub, error.__cause__ or error) from error
    for each in found:
        if each.category is not UserWarning:
            continue  # what is deprecated concerns the library, not its users
        said = re.sub(r"\s+", " ", str(each.message))
        warnings.warn(f"{repository}: {said}", CharRNNWarning, stacklevel=3)


def _failure(repository: str, hub: HubConnection, error: BaseException) -> HubError:
    """Return the HubError for an error of huggingface_hub."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):  # its message may have an address with a signature
        answer = error.response
        try:
            check_status(answer.status_code, answer.headers.get("retry-after"), repository)
        except HubError as refusal:
            return refusal
        return HubError(f"{repository}: the hub refuses the upload")
    if isinstance(error, httpx2.HTTPError):
        return HubError(unreachable(repository, hub.address, error))
    return HubError(f"{repository}: the upload failed: {error}")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Turn off the log and the progress bars of huggingface_hub."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    log = logging.getLogger("huggingface_hub")
    level, hidden = log.level, are_progress_bars_disabled()
    log.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    finally:
        log.setLevel(level)
        if not hidden:
            enable_progress_bars()
