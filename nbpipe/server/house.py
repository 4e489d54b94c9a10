"""What every route of the REST server is given: the workspace, the runs that wait, and who starts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nbpipe.records.tokens import TokenScope
from nbpipe.services.client import Client
from nbpipe.services.queue_workers import QueueWorkers
from nbpipe.services.queueing import RunQueue

NEEDS = "x-nbpipe-scope"


@dataclass(frozen=True, slots=True)
class House:
    """What is served.

    Attributes:
        client: What may be asked of the workspace.
        queue: Its runs that wait.
        workers: Who starts them; `None` where only promises are made, as in tests.
    """

    client: Client
    queue: RunQueue
    workers: QueueWorkers | None = field(default=None)


def needs(scope: TokenScope, *, is_page: bool = False) -> dict[str, Any]:
    """Say which scope a route needs; to be put among the arguments of its declaration.

    A route that says nothing needs the widest (`admitting`).

    Args:
        scope: The narrowest that will do.
        is_page: Whether it answers with a piece of a page, which no OpenAPI document tells of.
    """
    said: dict[str, Any] = {NEEDS: scope.value, "security": [{"token": []}]}
    return {"openapi_extra": said, "include_in_schema": not is_page}
