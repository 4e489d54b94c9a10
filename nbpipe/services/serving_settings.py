"""How the REST server is to serve: said by a command, heeded by the server, which know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass

from nbpipe.services.queue_workers import USUAL_WORKERS

USUAL_PORT = 8237


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a workspace is served.

    Attributes:
        host: What the server is bound to.
        port: Its port; 0 for any that is free.
        workers: How many runs go on at once.
        hosts: Further names by which it may be addressed, such as that of a proxy before it.
        origins: Other sites whose pages may call it.
        certificate: A file with its TLS certificate, or `""`.
        key: A file with the key of that, or `""` if it is in the same.
    """

    host: str = "127.0.0.1"
    port: int = USUAL_PORT
    workers: int = USUAL_WORKERS
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    certificate: str = ""
    key: str = ""
