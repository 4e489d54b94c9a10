"""`nbpipe catalog`: questions in SQL, and the care of the catalog itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from nbpipe.commands.answers import Answer, listing, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_client
from nbpipe.commands.findings import Line, bundle_of, lines_of
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.progress import percent
from nbpipe.errors import CatalogError
from nbpipe.services.environments import remove_environments
from nbpipe.views.amounts import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbpipe.services.upkeep import Recovered, SweptRemote

commands = noun("Ask the catalog, check it and rebuild it.", is_asked_alone=True)

COUNTS = """
    SELECT (SELECT count(DISTINCT pipeline) FROM runs) AS pipelines, (SELECT count(*) FROM runs) AS runs,
           (SELECT count(*) FROM artifacts) AS artifacts, (SELECT count(*) FROM models) AS models,
           (SELECT count(*) FROM model_versions) AS model_versions, (SELECT count(*) FROM snapshots) AS snapshots,
           (SELECT count(DISTINCT tag) FROM tags) AS tags
"""


@commands.callback()
def overview(context: Context, as_json: AsJson = False) -> Answer | None:
    """Ask the catalog, check it and rebuild it; alone, say how much is in it."""
    if context.invoked_subcommand is not None:
        return None
    counts = current_client().workspace.catalog.rows(COUNTS)[0]
    rows = [(name.replace("_", " "), count) for name, count in counts.items()]
    return listing(("what", "how many"), rows, record=counts, plain=counts, as_json=as_json, widget="CatalogBrowser")


@verb(
    commands,
    "query",
    'nbpipe catalog query "select name, status from runs order by started desc limit 5"',
    'nbpipe catalog query "select * from metrics" --limit 100 --json',
)
def query(
    sql: Annotated[list[str], Argument(metavar="SQL", help="One SELECT over the catalog's views.")],
    limit: Annotated[int, Option("--limit", metavar="N", help="How many rows at most.")] = 1000,
    as_json: AsJson = False,
) -> Answer:
    """Answer one read-only SQL query over the catalog's views."""
    found = current_client().workspace.catalog.query(" ".join(sql), limit=limit)
    columns = _told_apart(found.columns)
    plain = [dict(zip(columns, row, strict=True)) for row in found.rows]
    note = f"There are more than {limit:,} rows; --limit shows more of them." if found.is_cut else ""
    return listing(columns, found.rows, record=found, plain=plain, as_json=as_json, note=note)


def _told_apart(columns: tuple[str, ...]) -> list[str]:
    """Number columns of one name: facts go by name, and none may be lost."""
    named: list[str] = []
    for column in columns:
        n = 2
        name = column
        while name in named:
            name, n = f"{column}_{n}", n + 1
        named.append(name)
    return named


@verb(commands, "check", "nbpipe catalog check", "nbpipe catalog check --deep")
def check(
    deep: Annotated[bool, Option("--deep", help="Read every stored blob and compare it with its name.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Look the logs, the published file and the store over; nothing is changed."""
    with percent("Reading the store") as tell:
        found = current_client().upkeep.check(deep=deep, progress=tell)
    facts = [{"file": str(one.path), "what": one.what, "cure": one.cure, "is_note": one.is_note} for one in found]
    if not found:
        return sentence("The catalog is sound.", found, facts, as_json=as_json)
    bundle = bundle_of([*lines_of(found, current_client().workspace.paths.root)])
    code = CatalogError.exit_code if any(not one.is_note for one in found) else 0
    return Answer(bundle, found, facts, as_json=as_json, exit_code=code)


@verb(commands, "gc", "nbpipe catalog gc --dry-run", "nbpipe catalog gc --environments", "nbpipe catalog gc --cache")
def gc(
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would be removed.")] = False,
    environments: Annotated[
        bool, Option("--environments", help="Also remove rebuilt environments of snapshots; they can be built again.")
    ] = False,
    cache: Annotated[
        bool, Option("--cache", help="Also drop the copies here of values that lie on object storage.")
    ] = False,
    as_json: AsJson = False,
) -> Answer:
    """Remove stored blobs that nothing refers to; what is younger than an hour stays."""
    swept = current_client().upkeep.gc(dry_run=dry_run, cache=cache)
    removed = "would be removed" if dry_run else "were removed"
    said = (
        f"{swept.blobs:,} blobs and {swept.leftovers:,} leftovers {removed}, {size_text(swept.size_bytes)}; "
        f"{swept.kept:,} blobs stay, {size_text(swept.kept_bytes)}."
    )
    facts: dict[str, Any] = {**asdict(swept), "dry_run": dry_run}
    if swept.remote is not None:
        said += f"\n{_swept_remote(swept.remote, removed)}"
        if cache:
            said += f"\n{swept.remote.copies:,} copies here {removed}, {size_text(swept.remote.copies_bytes)}."
    if environments:
        gone = remove_environments(dry_run=dry_run)
        facts["environments"] = asdict(gone)
        removed = removed if dry_run or gone.environments != 1 else "was removed"
        said += f"\n{_counted(gone.environments)} {removed}, {size_text(gone.size_bytes)}."
    return sentence(said, swept, facts, as_json=as_json)


def _swept_remote(swept: SweptRemote, removed: str) -> str:
    stay = f"{swept.kept:,} blobs stay, {size_text(swept.kept_bytes)}"
    if swept.others:
        others = ", ".join(swept.others)
        return f"{swept.url}: nothing {removed}, for other workspaces have values there ({others}); {stay}."
    return f"{swept.url}: {swept.blobs:,} blobs {removed}, {size_text(swept.size_bytes)}; {stay}."


def _counted(environments: int) -> str:
    return "1 rebuilt environment" if environments == 1 else f"{environments:,} rebuilt environments"


@verb(commands, "backup", "nbpipe catalog backup", "nbpipe catalog backup /safe/monday.tar.gz --no-values")
def backup(
    file: Annotated[
        Path | None,
        Argument(metavar="[FILE]", help="Where to; a file named by the time in the workspace if not given."),
    ] = None,
    no_values: Annotated[bool, Option("--no-values", help="Leave the stored values out: records only.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Write all that is truth in the workspace into one file, and read it back."""
    with percent("Writing the backup") as tell:
        made = current_client().upkeep.backup(file, values=not no_values, progress=tell)
    damaged = f" {_damaged_text(made)}" if made.damaged_lines or made.damaged_blobs else ""
    said = f"{made.path} holds {_held(made)}, {size_text(made.size_bytes)}, and was read back.{damaged}"
    return sentence(said, made, asdict(made), as_json=as_json)


@verb(
    commands, "recover", "nbpipe catalog recover", "nbpipe catalog recover --drop", "nbpipe catalog recover --from FILE"
)
def recover(
    from_file: Annotated[
        Path | None, Option("--from", metavar="FILE", help="Make the workspace, which has nothing in it, of a backup.")
    ] = None,
    drop: Annotated[
        bool, Option("--drop", help="Give up lines that nothing can mend, and read on behind them.")
    ] = False,
    as_json: AsJson = False,
) -> Answer:
    """Mend damaged logs, bring lost values back from backups, and read everything anew."""
    if from_file is not None:
        return _restored(from_file, as_json=as_json)
    with percent("Reading the logs") as tell:
        done = current_client().upkeep.recover(give_up=drop, progress=tell)
    lines = [*_recovered_lines(done, current_client().workspace.paths.root)]
    facts = {**asdict(done), "published": _plain(done.published) if done.published is not None else None}
    code = CatalogError.exit_code if done.left or done.lost_values else 0
    return Answer(bundle_of(lines), done, facts, as_json=as_json, exit_code=code)


def _restored(file: Path, *, as_json: bool) -> Answer:
    with percent("Reading the logs") as tell:
        found = current_client().upkeep.restore(file, progress=tell)
    damaged = f" {_damaged_text(found)}" if found.damaged_lines or found.damaged_blobs else ""
    said = f"{current_client().workspace.paths.root} was restored: {_held(found)}.{damaged}"
    return sentence(said, found, asdict(found), as_json=as_json)


def _recovered_lines(done: Recovered, root: Path) -> Iterator[Line]:
    for one in done.mended:
        how = "replaced by a line that says nothing" if one.how == "given up" else f"whole again ({one.how})"
        yield Line(True, str(one.path.relative_to(root)), f"{_lines_text(one.lines)} at byte {one.place} {how}")
    for one in done.left:
        reads = "nothing behind it is read" if one.is_operation else "it is passed over"
        cure = "`nbpipe catalog recover --drop` gives it up; a copy is in quarantine."
        said = f"{_lines_text(one.lines)} at byte {one.place} cannot be mended: {reads}"
        yield Line(False, str(one.path.relative_to(root)), said, cure)
    for path, why in done.unreadable_backups.items():
        yield Line(False, str(path.relative_to(root)), why)
    if done.values:
        yield Line(True, "blobs", f"{len(done.values):,} values came back from a backup")
    if done.lost_values:
        cure = "Run their steps again: they are not reused. `nbpipe catalog check` names them."
        yield Line(False, "blobs", f"{len(done.lost_values):,} values are missing or damaged, and in no backup", cure)
    if not (done.mended or done.left):
        yield Line(True, "logs", "no line is damaged")
    if done.published is not None:
        yield Line(True, "catalog", _published(done.published))


def _lines_text(count: int) -> str:
    return "the line" if count == 1 else f"{count:,} lines"


@verb(
    commands, "export", "nbpipe catalog export tables", "nbpipe catalog export tables --format csv --views runs,steps"
)
def export(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Where to: a folder that is not there yet, or is empty.")],
    form: Annotated[str, Option("--format", metavar="parquet|csv", help="The format of the files.")] = "parquet",
    views: Annotated[str, Option("--views", metavar="VIEW,VIEW", help="Only these views.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """Write the catalog's views as files for other tools, one a view."""
    wanted = [view.strip() for view in views.split(",") if view.strip()]
    rows = current_client().upkeep.export(folder, form=form, views=wanted)
    said = f"{folder} has {len(rows)} files with {sum(rows.values()):,} rows."
    return sentence(said, rows, {"folder": str(folder), "format": form, "rows": rows}, as_json=as_json)


def _held(made: Any) -> str:
    values = f"{made.blobs:,} values" if made.has_values else "no values"
    return f"{made.lines:,} lines of {made.logs:,} logs, {made.archives:,} archives and {values}"


def _damaged_text(made: Any) -> str:
    return f"{made.damaged_lines:,} lines and {len(made.damaged_blobs):,} values in it are damaged as they were."


@verb(commands, "publish", "nbpipe catalog publish")
def publish(as_json: AsJson = False) -> Answer:
    """Put what was logged since into a new published file."""
    made = current_client().workspace.catalog.publish()
    if made is None:
        return sentence("There is nothing new to publish.", rows=None, as_json=as_json)
    return sentence(_published(made), made, _plain(made), as_json=as_json)


@verb(commands, "rebuild", "nbpipe catalog rebuild")
def rebuild(as_json: AsJson = False) -> Answer:
    """Read everything again from the logs and publish it."""
    with percent("Reading the logs") as tell:
        made = current_client().workspace.catalog.rebuild(tell)
    return sentence(_published(made), made, _plain(made), as_json=as_json)


def _published(made: Any) -> str:
    damaged = f"; {len(made.damaged)} damaged lines were put aside" if made.damaged else ""
    return f"Published generation {made.generation} with {made.lines:,} new lines in {made.took_s:.2f} s{damaged}."


def _plain(made: Any) -> dict[str, Any]:
    return {
        "generation": made.generation,
        "lines": made.lines,
        "took_s": made.took_s,
        "rebuilt": made.rebuilt,
        "damaged": len(made.damaged),
    }
