"""Reading from a hub: what it says is bounded and checked before anyone uses it.

The client, the token and the address are those of huggingface_hub (HF_ENDPOINT, HF_TOKEN,
HF_HUB_OFFLINE, proxies). Its functions for downloads follow redirects to anywhere, write to a cache
in the home folder and believe the sizes that they are told, so that files are read here: without a
cache, without decompression, from the hub itself or from its content network, and no byte more than
was announced. The token goes to the hub alone.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from charrnn.errors import HubError, ModelError
from charrnn.export.hub_listing import Listing, read_listing
from charrnn.storage.json_file import parse_json

if TYPE_CHECKING:
    import httpx2

_REDIRECTS: Final = 5
_CONTENT_NETWORK: Final = (".hf.co", ".huggingface.co")
"""How many redirects are followed; where the hub's files may lie outside its own address."""

_LARGEST_LISTING: Final = 1 << 20
_CHUNK: Final = 1 << 16

_CONNECT_SECONDS: Final = 10
_SILENT_SECONDS: Final = 30
_LEAST_SECONDS: Final = 60
_LEAST_BYTES_PER_SECOND: Final = 16_000
"""How long to wait for a connection and for the next bytes; and for all of an answer."""


class HubConnection:
    """A connection to the hub that huggingface_hub is set to.

    Attributes:
        address: the address of the hub.

    Raises HubError where huggingface_hub is not installed.
    """

    def __init__(self) -> None:
        try:
            import httpx2
            import huggingface_hub as library
            from huggingface_hub import constants, errors
            from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
        except ImportError as error:
            raise HubError(
                f'pushing and pulling need a package: pip install "charrnn-lm[hub]" ({error})'
            ) from error
        self._client, self._headers = library.get_session(), build_hf_headers
        self._http, self._offline = httpx2, errors.OfflineModeIsEnabled
        self.address: str = constants.ENDPOINT
        self._origin = _origin(httpx2.URL(self.address))

    def listing(self, repository: str, revision: str) -> Listing:
        """Return what a repository holds at a revision.

        Raises HubError, NotThereError where the hub shows no such repository or revision, and
        ModelError where the answer is no listing.
        """
        where = f"{repository}: the hub's listing"
        address = f"{self.address}/api/models/{repository}/revision/{quote(revision, safe='')}"
        content = b"".join(self.read(f"{address}?blobs=true", where, largest=_LARGEST_LISTING))
        try:
            return read_listing(where, parse_json(Path(repository), content))
        except ModelError as error:
            raise ModelError(f"{where} is not what it should be: {error}") from error

    def file(self, repository: str, commit: str, name: str, size: int) -> Iterator[bytes]:
        """Yield the bytes of a file at a commit, `size` of them. Raises HubError."""
        address = f"{self.address}/{repository}/resolve/{commit}/{name}"
        yield from self.read(address, f"{repository}: {name}", largest=size, exactly=True)

    def read(
        self, address: str, where: str, *, largest: int, exactly: bool = False
    ) -> Iterator[bytes]:
        """Yield the bytes at an address.

        Args:
            address: the address, at the hub.
            where: what it is, for messages.
            largest: the most bytes.
            exactly: whether it must be that many.

        Raises HubError, and ModelError for another number of bytes.
        """
        end = time.monotonic() + _LEAST_SECONDS + largest / _LEAST_BYTES_PER_SECOND
        number = 0
        with self._errors(where), self._answer(address, where) as answer:
            announced = answer.headers.get("content-length", "")
            if announced.isdecimal():
                _check_size(where, int(announced[:20]), largest, exactly=exactly)
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ModelError(f"{where}: compressed, though it was asked for as it is")
            for chunk in answer.iter_raw(_CHUNK):
                number += len(chunk)
                _check_size(where, number, largest, exactly=False)
                if time.monotonic() > end:
                    raise HubError(f"{where}: the hub sends it too slowly; try again later")
                yield chunk
        _check_size(where, number, largest, exactly=exactly)

    @contextlib.contextmanager
    def _answer(self, address: str, where: str) -> Iterator["httpx2.Response"]:
        """Yield the answer to a request, after redirects."""
        url = self._http.URL(address)
        for _ in range(_REDIRECTS + 1):
            is_hub = _origin(url) == self._origin
            headers = self._headers(token=None if is_hub else False, library_name="charrnn")
            with self._client.stream(
                "GET",
                url,
                headers={**headers, "Accept-Encoding": "identity"},
                follow_redirects=False,
                timeout=self._http.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS),
            ) as answer:
                if not answer.has_redirect_location:
                    check_status(answer.status_code, answer.headers.get("retry-after"), where)
                    yield answer
                    return
                url = self._redirected(url, answer.headers["location"], where)
        raise HubError(f"{where}: the hub redirects more than {_REDIRECTS} times")

    def _redirected(self, url: "httpx2.URL", location: str, where: str) -> "httpx2.URL":
        """Return where a redirect leads. Raises HubError unless that is the hub, or its content
        network."""
        try:
            target = url.join(location)
        except self._http.InvalidURL as error:
            raise HubError(f"{where}: the hub redirects to no address") from error
        is_network = (
            target.scheme == "https"
            and target.port in (None, 443)
            and target.host.endswith(_CONTENT_NETWORK)
        )
        if _origin(target) != self._origin and not is_network:
            raise HubError(
                f"{where}: the hub redirects to {target.host!a:.100}, which is not the hub's; "
                "nothing was read from there"
            )
        return target.copy_with(username=None, password=None) if target.userinfo else target

    @contextlib.contextmanager
    def _errors(self, where: str) -> Iterator[None]:
        """Turn the errors of the network into a HubError."""
        try:
            yield
        except self._offline as error:
            raise HubError(f"{where}: HF_HUB_OFFLINE is set; unset it to use the hub") from error
        except self._http.TimeoutException as error:
            raise HubError(f"{where}: {self.address} does not answer in time") from error
        except self._http.NetworkError as error:
            raise HubError(unreachable(where, self.address, error)) from error
        except (self._http.HTTPError, self._http.StreamError) as error:
            raise HubError(f"{where}: the answer broke off or is no HTTP: {error}") from error


class NotThereError(HubError):
    """The hub shows no such repository or revision: there is none, or it is private."""


def unreachable(where: str, address: str, error: BaseException) -> str:
    """Return the message for a hub that cannot be reached."""
    return f"{where}: {address} cannot be reached ({error}); is there a network?"


def check_status(status: int, retry_after: str | None, where: str) -> None:
    """Raise HubError for the status of an answer that is no success.

    Args:
        status: the status of HTTP.
        retry_after: the header of that name.
        where: what was asked for.
    """
    if status == 200:
        return
    if status in (401, 404):
        raise NotThereError(
            f"{where}: the hub shows nothing of that name ({status}); "
            "if it is private, log in with hf auth login, or set HF_TOKEN"
        )
    if status == 403:
        raise HubError(f"{where}: your token does not permit this (403)")
    if status == 429:
        known = retry_after is not None and retry_after.isdecimal() and len(retry_after) < 6
        when = f"in {retry_after} seconds" if known else "later"
        raise HubError(f"{where}: too many requests (429); try again {when}")
    if status >= 500:
        raise HubError(f"{where}: the hub failed ({status}); try again later")
    raise HubError(f"{where}: the hub answers {status}")


def _check_size(where: str, size: int, largest: int, *, exactly: bool) -> None:
    """Raise ModelError for too many bytes, or for another number than exactly `largest`."""
    if size > largest:
        raise ModelError(f"{where}: larger than {largest:,} bytes; nothing was kept")
    if exactly and size != largest:
        raise ModelError(f"{where}: {size:,} bytes instead of {largest:,}; nothing was kept")


def _origin(url: "httpx2.URL") -> tuple[str, str, Any]:
    """Return scheme, host and port; None is the usual port."""
    return url.scheme, url.host.lower(), url.port
