"""What a request says of where it comes from and whom it means: `Host`, `Origin` and `Sec-Fetch-Site`.

A page that somebody has open in a browser can send requests to this machine: by its own scripts, by
forms, or by a name of its own that it has pointed at 127.0.0.1 (DNS rebinding). The browser writes into
each of these headers what the page cannot change; here they are read. What follows is `guard`'s affair.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from contextlib import suppress

from nbpipe.errors import BadValueError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 — recognised, not bound
_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:.]{2,45})\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))(?::(?P<port>\d{1,5}))?"
)
_ORIGIN = re.compile(r"https?://[^\s/?#@]{1,300}", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what is bound to `host`."""
    return host.strip("[]").casefold() in LOOPBACK or re.fullmatch(r"127(?:\.\d{1,3}){3}", host) is not None


def names_of(host: str, further: Iterable[str] = ()) -> frozenset[str]:
    """Give the names by which a server may be addressed that is bound to `host`.

    Bound to every address of the machine, it also has the machine's own name and addresses.

    Args:
        host: What it is bound to.
        further: Other names, such as that of a proxy before it.
    """
    names = {host.strip("[]"), *further, *LOOPBACK}
    if host in _EVERY_ADDRESS:
        names -= _EVERY_ADDRESS
        names |= _names_of_this_machine()
    return frozenset(name.strip("[]").casefold() for name in names if name)


def host_name(header: str) -> str | None:
    """Give the name in a `Host` header, without brackets and port, or `None` if it is not one."""
    found = _HOST.fullmatch(header)
    return (found["v6"] or found["name"]).casefold() if found else None


def check_origins(origins: Iterable[str]) -> None:
    """See to it that each of `origins` is one; there is no way to write "everybody".

    Raises:
        BadValueError: One is not.
    """
    for origin in sorted(origins):
        if _ORIGIN.fullmatch(origin) is None:
            raise BadValueError(f"{origin!r} is no origin; write it as https://notes.example.org, without a path.")


def same_origin(origin: str, scheme: str, host: str) -> bool:
    """Tell whether a page of `origin` is one that this server itself gave out under `host`."""
    return _with_port(origin.casefold()) == _with_port(f"{scheme}://{host}".casefold())


def _with_port(origin: str) -> str:
    scheme, _, rest = origin.partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return origin.removesuffix(usual) if usual and not rest.endswith("]") else origin


def _names_of_this_machine() -> set[str]:
    name = socket.gethostname()
    names = {name}
    with suppress(OSError):  # a machine that does not know its own name is addressed by the others
        names |= {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Nothing is sent: the system only says which of its addresses it would send from.
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            names.add(str(probe.getsockname()[0]))
    return names
