"""What a process keeps that runs one pipeline again and again: its code alive, and what its runs read.

A run by itself brings its code to life and loads what it reads, so that no two runs share anything.
A process that answers requests has no time for that. It keeps one library for all its runs, so that
what the code sets up once is set up once, and each artifact that was there before the runs is
loaded once: a model that was loaded is one object for all of them, and a step must not change it.
What can be handed over safely (`store.handover`) is handed over as between steps.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from nbpipe.execute.worker import CodeRoom
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.source.closure import Source
from nbpipe.store.store import Store

_MOST = 64


class Warm:
    """Live code and loaded artifacts, for one thread that runs one pipeline.

    Args:
        sources: All that may ever be run.
        store: Where values are kept.

    Attributes:
        room: Where the code lives.
    """

    def __init__(self, sources: Sequence[Source], store: Store) -> None:
        self.room = CodeRoom(sources)
        self._store = store
        self._values: OrderedDict[str, Any] = OrderedDict()

    def load(self, artifact: ArtifactVersion) -> Any:
        """Give the value of an artifact that was there before the run; loaded once, and kept while it is in use.

        Raises:
            ArtifactError: It cannot be read.
        """
        if artifact.member is not None:
            # What shares something with others is only itself where all are read together.
            return self._store.load(artifact, trust=True)
        if artifact.id in self._values:
            self._values.move_to_end(artifact.id)
        else:
            self._values[artifact.id] = self._store.load(artifact, trust=True)
            while len(self._values) > _MOST:
                self._values.popitem(last=False)
        kept = self._values[artifact.id]
        handed = self._store.handed_over(kept)
        return kept if handed is None else handed
