"""The hosts that a server answers for, and the origins that may use it.

A page of another site can make a browser send requests to this machine, also under a name of its
own that it lets point here (DNS rebinding). So a request has to name a host that is served, and
what changes or computes anything may not come from a page of another origin, unless it was named.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without the port; None for nonsense."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(".") if match else None


def is_address(name: str) -> bool:
    """Return whether a name is an IP address, which nobody can let point elsewhere."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Hosts:
    """The names that a server answers for: addresses, localhost, the machine's own name, and others
    that are allowed.

    Args:
        allowed: more names.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        own = socket.gethostname().lower().rstrip(".")
        self._names = {"localhost", own, f"{own.partition('.')[0]}.local"}
        self._names |= {each.lower().rstrip(".") for each in allowed}

    def __contains__(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        return name in self._names or name.endswith(".localhost") or is_address(name)


class Origins:
    """The origins whose pages may use a server: its own, and others that are allowed.

    Args:
        allowed: more origins, such as `https://example.org`.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = {each.lower().rstrip("/") for each in allowed}

    def is_allowed(self, origin: str) -> bool:
        """Return whether an origin of another site may use the server."""
        return origin.lower() in self._allowed

    @staticmethod
    def is_own(origin: str, host: str) -> bool:
        """Return whether an origin is the server's own, reached under the Host header's name."""
        scheme, _, place = origin.lower().partition("://")
        return scheme in ("http", "https") and place == host.lower()
