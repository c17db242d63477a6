"""The socket that a server listens on."""

import socket
from typing import Final

from charrnn.errors import CharRNNError, ConfigError
from charrnn.serving.options import ServingConfig

_WAITING: Final = 1024
"""The most connections that wait to be accepted."""


def open_socket(config: ServingConfig) -> socket.socket:
    """Return a socket that listens on the address and the port.

    Raises ConfigError for an address that does not exist, CharRNNError where it cannot be used,
    such as when another process listens there.
    """
    where = f"{config.host}:{config.port}"
    try:
        found = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"host {config.host}: {reason.lower()}") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        advice = "; choose another --port" if config.port else ""
        raise CharRNNError(
            f"cannot listen on {where}: {(error.strerror or str(error)).lower()}{advice}"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a socket that listens."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
