"""The folder of one deployment: what its processes and whoever asks about them tell one another.

`lock` is held by the process that keeps the deployment up, for as long as it lives: that, and no
pid, tells whether it is there. `wanted.json` says what is to be served, written by whoever changes
that; `state.json` says what is served, written by the process that keeps it up. Both are replaced
whole, so that nobody reads half of one. The other files are logs.

It is read and written by a process that has loaded nothing but this, so it knows neither the catalog
nor what a deployment is made of.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbpipe.base.locks import is_locked


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served.

    Attributes:
        generation: How often that was changed.
        stop: Whether nothing is to be served any more.
        drain_s: How long what was accepted may still take when a process is ended, in seconds.
    """

    generation: int
    stop: bool = False
    drain_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is served.

    Attributes:
        generation: Which generation this is about.
        status: `starting`, `running`, `stopping`, `stopped` or `failed`.
        pid: The process that answers; 0 if none does.
        keeper: The process that keeps it up.
        since: Since when it stands so, in seconds since 1970.
        restarts: How often the process that answers had to be started again.
        error: Why it failed, or why its process ended the last time.
    """

    generation: int
    status: str
    pid: int = 0
    keeper: int = 0
    since: float = 0.0
    restarts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class ServingFolder:
    """The folder of one deployment.

    Attributes:
        path: Where it lies.
    """

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the process that keeps the deployment up."""
        return self.path / "lock"

    @property
    def output(self) -> Path:
        """What its processes print, but for the steps' own text."""
        return self.path / "output.log"

    @property
    def requests(self) -> Path:
        """Its requests, one JSON line each."""
        return self.path / "requests.jsonl"

    @property
    def is_kept(self) -> bool:
        """Whether there is a process that keeps it up."""
        return is_locked(self.lock)

    def want(self, wanted: Wanted) -> None:
        """Say what is to be served."""
        self._replace("wanted.json", asdict(wanted))

    def wanted(self) -> Wanted | None:
        """Give what is to be served; `None` if nobody said."""
        said = self._read("wanted.json")
        return Wanted(**said) if said is not None else None

    def stand(self, standing: Standing) -> None:
        """Say what is served."""
        self._replace("state.json", asdict(standing))

    def standing(self) -> Standing | None:
        """Give what was said last of what is served; `None` if nothing was."""
        said = self._read("state.json")
        return Standing(**said) if said is not None else None

    def make(self) -> None:
        """Make the folder, private to the user."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)

    def _replace(self, name: str, said: dict[str, Any]) -> None:
        beside = self.path / f".{name}.{os.getpid()}"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(said, file)
        beside.replace(self.path / name)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            said: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return said
