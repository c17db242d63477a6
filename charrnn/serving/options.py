"""ServingConfig: how `charrnn serve` listens, whom it answers, and its limits."""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import check, documented, option

ACCESS: Final = "Access"
LIMITS: Final = "Limits"
"""The panels of `--help`."""

LOCAL_HOSTS: Final = ("127.0.0.1", "::1", "localhost")


@documented
@dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """The settings of a server. Raises ConfigError when a setting is out of range, or when others
    could reach a server without a key."""

    host: str = option(
        "127.0.0.1",
        "Listen on this address; 0.0.0.0 and :: are all addresses of the machine.",
        panel=ACCESS,
        metavar="ADDRESS",
    )
    port: int = option(
        8080,
        "Listen on this port; 0 takes a free one.",
        panel=ACCESS,
        metavar="N",
        least=0,
        most=65535,
    )
    api_key: str | None = option(
        None,
        "Answer only requests with this key. Give it in the environment variable CHARRNN_API_KEY: "
        "other users of the machine can see a command line.",
        panel=ACCESS,
        metavar="KEY",
    )
    no_key: bool = option(
        False,
        "Answer everybody who can reach the address, without a key.",
        panel=ACCESS,
        excludes=("api_key",),
    )
    allowed_host: tuple[str, ...] = option(
        (),
        "Answer requests for this host name as well, such as that of a proxy. Can be given several "
        "times. Addresses, localhost and the machine's own name are always allowed.",
        panel=ACCESS,
        metavar="NAME",
    )
    cors_origin: tuple[str, ...] = option(
        (),
        "Let pages of this origin, such as https://example.org, use the server in a browser. Can "
        "be given several times.",
        panel=ACCESS,
        metavar="ORIGIN",
    )
    max_concurrent: int = option(
        256,
        "Write at most N texts of a model at the same time.",
        panel=LIMITS,
        metavar="N",
        least=1,
        most=4096,
    )
    max_queue: int = option(
        1024,
        "Let at most N texts of a model wait; then answer with 429.",
        panel=LIMITS,
        metavar="N",
        least=0,
        most=1 << 20,
    )
    max_tokens: int = option(
        100_000,
        "Write at most N characters of a text.",
        panel=LIMITS,
        metavar="N",
        least=1,
        most=1 << 24,
    )
    verbose: bool = option(False, "Print a line for each request on stderr.")

    def __post_init__(self) -> None:
        check(self)
        if not self.host or len(self.host) > 255 or not self.host.isprintable():
            raise ConfigError("host: give an address, such as 127.0.0.1")
        if self.api_key is not None and not _is_key(self.api_key):
            raise ConfigError("api-key: give printable ASCII characters without spaces")
        if not self.is_local and self.api_key is None and not self.no_key:
            raise ConfigError(
                f"--host {self.host} can be reached from other machines: set CHARRNN_API_KEY to a "
                "key, or answer everybody with --no-key"
            )
        for origin in self.cors_origin:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ConfigError(
                    f"cors-origin {origin!r}: give a scheme and a host, such as https://example.org"
                )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOCAL_HOSTS or self.host.startswith("127.")


def _is_key(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
