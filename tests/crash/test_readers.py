"""Readers follow every increment while a publisher publishes without a pause."""

from __future__ import annotations

from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from tests.crash import actors
from tests.crash.cast import Cast
from tests.crash.ledger import Told, audit
from tests.crash.trials import percentiles, report, sizes, timed

WRITERS, READERS = 2, 2
PAUSE_S = 0.03


@sizes("rounds, first_queries", short=(1, 1), long=(120, 30))
def test_readers_never_go_back_and_never_miss_what_was_acknowledged(
    workspace: WorkspacePaths, tmp_path: Path, rounds: int, first_queries: int
) -> None:
    diaries = tmp_path / "diaries"
    told = Told()
    with Cast(workspace.root, diaries) as cast:
        writers = [cast.start(actors.writer, f"writer-{n}", [], PAUSE_S) for n in range(WRITERS)]
        publisher = cast.start(actors.publisher, "publisher")
        cast.wait_until(lambda: all(actor.said() for actor in [*writers, publisher]), "everybody is at work")
        readers = [cast.start(actors.reader, f"reader-{n}", str(diaries), rounds) for n in range(READERS)]
        codes = [reader.join(1200) for reader in readers]
        newcomers = [cast.start(actors.first_query, f"newcomer-{n}") for n in range(first_queries)]
        codes += [newcomer.join() for newcomer in newcomers]
        for actor in [*writers, publisher]:
            actor.kill()
        for writer in writers:
            told.take_in(writer.said())
        readings = [entry for reader in readers for entry in reader.said("read")]
        published = publisher.said("published")
        firsts = [entry for newcomer in newcomers for entry in newcomer.said("read")]
        failures = cast.failures()

    rebuilds: list[float] = []
    catalog = Catalog(workspace)
    for _ in range(3):
        timed(rebuilds, catalog.rebuild)
    catalog.close()
    report(
        "readers",
        reads=sum(entry["questions"] for entry in readings),
        rounds=len(readings),
        retries=sum(reader.said("read")[-1]["again"] for reader in readers if reader.said("read")),
        acknowledged_and_looked_for=sum(entry["checked"] for entry in readings),
        archived_logs=sum(entry["archived"] for entry in published),
        **percentiles("read", [entry["took_s"] for entry in readings]),
        **percentiles("publish", [entry["took_s"] for entry in published]),
        **percentiles("first_query", [entry["took_s"] for entry in firsts]),
        **percentiles("rebuild", rebuilds),
        none_of={
            "failures": failures,
            "unfinished": [code for code in codes if code != 0],
            "wrong_reads": [what for entry in readings for what in entry["wrong"]],
            "rebuilds_forced": [entry["rebuilt"] for entry in published if entry["rebuilt"]],
            **audit(workspace, told),
        },
    )
    assert len(readings) == READERS * rounds
    assert len(published) > 1
