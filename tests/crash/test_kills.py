"""Writers, publishers and readers are killed at random points while all of them go on."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path
from typing import Any

from nbpipe.base.workspace import WorkspacePaths
from tests.crash import actors
from tests.crash.cast import Actor, Cast
from tests.crash.ledger import Told, audit
from tests.crash.trials import SEED, percentiles, report, sizes

CAST = {"writer": 3, "publisher": 1, "reader": 1}
PAUSE_S = 0.01
LATEST_CALL = 400


class Part:
    """A part that is played again by a new process whenever its actor is killed.

    Args:
        cast: Who starts processes.
        kind: `writer`, `publisher` or `reader`.
        n: Which of them.
        diaries: Where diaries are.
        chance: What decides when it dies of itself.
    """

    def __init__(self, cast: Cast, kind: str, n: int, diaries: Path, chance: random.Random) -> None:
        self._chance = chance
        self._cast = cast
        self.kind = kind
        self._n = n
        self._diaries = diaries
        self._times = 0
        self._unanswered: dict[str, dict[str, Any]] = {}
        self.retried = 0
        self.actor = self._start()

    def kill(self, told: Told) -> None:
        """Kill the actor, take in what it was told, and have the part played on."""
        self.actor.kill()
        said = self.actor.said()
        told.take_in(said)
        for entry in said:
            if entry["word"] == "asked":
                self._unanswered[entry["request"]] = {"kind": entry["kind"], "fields": entry["fields"]}
            elif entry["word"] == "answered":
                self._unanswered.pop(entry["request"], None)
        self.retried += len(self._unanswered)

    def play_on(self) -> None:
        """Start the next process, which asks again what its forerunner got no answer to."""
        self.actor = self._start()

    def _start(self) -> Actor:
        self._times += 1
        name = f"{self.kind}-{self._n}-{self._times}"
        # Half of them are killed from within, at one of their calls to the system; the others from outside.
        dies_at = self._chance.choice([0, int(LATEST_CALL ** self._chance.random())])
        start = partial(self._cast.start, dies_at=dies_at)
        if self.kind == "writer":
            return start(actors.writer, name, list(self._unanswered.values()), PAUSE_S)
        if self.kind == "publisher":
            return start(actors.publisher, name, PAUSE_S)
        return start(actors.reader, name, str(self._diaries), 0, PAUSE_S)

    def finish(self, told: Told) -> None:
        """Let the last unanswered questions of a writer be answered."""
        self.kill(told)
        if self._unanswered:
            self._times += 1
            name = f"{self.kind}-{self._n}-{self._times}"
            self.actor = self._cast.start(actors.writer, name, list(self._unanswered.values()), 0.0, 1)
            assert self.actor.join() == 0, self.actor.said("failed")
            told.take_in(self.actor.said())


def have_said(cast: Cast, *words: str) -> bool:
    """Tell whether each of these words was said by somebody."""
    return all(any(actor.said(word) for actor in cast.actors) for word in words)


@sizes("kills, longest_pause_s", short=(15, 0.3), long=(1000, 0.3))
def test_kills_at_random_points_cost_nothing_that_was_acknowledged(
    workspace: WorkspacePaths, tmp_path: Path, kills: int, longest_pause_s: float
) -> None:
    chance = random.Random(SEED)
    told = Told()
    killed = dict.fromkeys(CAST, 0)
    from_within = 0
    diaries = tmp_path / "diaries"
    started = time.monotonic()
    with Cast(workspace.root, diaries) as cast:
        parts = [Part(cast, kind, n, diaries, chance) for kind, count in CAST.items() for n in range(count)]
        # Publishing and reading take longer than recording, so those who do it live longer.
        weights = [2 if part.kind == "writer" else 1 for part in parts]
        # On a machine with much to do, those who are killed early have not read or published anything yet.
        while (to_go := sum(killed.values()) < kills) or not have_said(cast, "read", "published"):
            time.sleep(chance.uniform(0, longest_pause_s))
            dead = [part for part in parts if not part.actor.is_alive()]
            for part in dead or (chance.choices(parts, weights) if to_go else ()):
                part.kill(told)
                assert part.actor.was_killed(), part.actor.said("failed")
                killed[part.kind] += 1
                from_within += bool(dead)
                part.play_on()
        for part in parts:
            part.finish(told)
        went_on_s = time.monotonic() - started
        readings = [entry for actor in cast.actors for entry in actor.said("read")]
        published = [entry for actor in cast.actors for entry in actor.said("published")]
        failures = cast.failures()
        retried = sum(part.retried for part in parts)

    wrong = audit(workspace, told)
    report(
        "kills",
        kills=kills,
        killed=killed,
        killed_at_a_call=from_within,
        took_s=round(went_on_s, 1),
        acknowledged_facts=sum(map(len, told.facts.values())),
        acknowledged_operations=len(told.answers),
        retried_operations=retried,
        archived_logs=sum(entry["archived"] for entry in published),
        **percentiles("read", [entry["took_s"] for entry in readings]),
        **percentiles("publish", [entry["took_s"] for entry in published]),
        none_of={
            "failures": failures,
            "wrong_reads": [wrong for entry in readings for wrong in entry["wrong"]],
            "rebuilds": [entry["rebuilt"] for entry in published if entry["rebuilt"]],
            **wrong,
        },
    )
    assert readings
    assert published
    assert told.answers
