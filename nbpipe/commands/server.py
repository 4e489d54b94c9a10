"""`nbpipe server`: the workspace over HTTP, for programs and for people with a browser."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.calling import current_call
from nbpipe.commands.grammar import verb, verbs
from nbpipe.errors import BadValueError
from nbpipe.services.queue_workers import USUAL_WORKERS
from nbpipe.services.serving_settings import USUAL_PORT, ServerSettings

commands = verbs()


@verb(commands, "server", "nbpipe server", "nbpipe server --port 9000 --workers 1")
def server(
    *,
    host: Annotated[
        str, Option("--host", metavar="ADDRESS", help="What to bind to. Beyond this machine a token is needed first.")
    ] = "127.0.0.1",
    port: Annotated[int, Option("--port", metavar="PORT", help="Which port; 0 for any that is free.")] = USUAL_PORT,
    workers: Annotated[
        int, Option("--workers", metavar="N", help="How many runs that are asked for go on at once.")
    ] = USUAL_WORKERS,
    hosts: Annotated[
        list[str] | None,
        Option("--allow-host", metavar="NAME", help="A name by which it may be addressed besides. Repeatable."),
    ] = None,
    origins: Annotated[
        list[str] | None,
        Option("--allow-origin", metavar="URL", help="Another site whose pages may call it. Repeatable."),
    ] = None,
    certificate: Annotated[
        str, Option("--tls-certificate", metavar="FILE", help="Speak TLS with this certificate.")
    ] = "",
    key: Annotated[str, Option("--tls-key", metavar="FILE", help="Its key, if that is in a file apart.")] = "",
) -> Answer:
    """Serve the REST API and pages for a browser until it is interrupted; a token opens them (`nbpipe token`)."""
    if current_call().surroundings is not None:
        raise BadValueError("A server runs as long as its process: start it in a terminal, with `nbpipe server`.")
    settings = ServerSettings(host, port, workers, frozenset(hosts or ()), frozenset(origins or ()), certificate, key)
    return sentence(f"`nbpipe server` serves on {host}, port {port}.").to_serve(settings)
