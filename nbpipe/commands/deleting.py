"""What every `delete` says: what went, what stays, and, with `--dry-run`, what would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from typer import Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.services.dependents import Dependent
from nbpipe.services.listing import Listing

Force = Annotated[bool, Option("--force", help="Delete it also if something in use depends on it.")]
DryRun = Annotated[bool, Option("--dry-run", help="Delete nothing; say what depends on it.")]


def deleted(
    noun: str,
    names: Mapping[str, str],
    dependents: Listing[Dependent],
    delete: Callable[[], object],
    *,
    dry_run: bool,
    as_json: bool,
) -> Answer:
    """Delete, and answer with what went and what depends on it.

    Args:
        noun: What is deleted, such as `"run"`.
        names: What each of it is called, by its id.
        dependents: What depends on it.
        delete: Deletes it.
        dry_run: Delete nothing.
        as_json: Whether plain facts are asked for.
    """
    if not dry_run:
        delete()
    what = f"{noun} {next(iter(names.values()))}" if len(names) == 1 else f"{len(names)} {noun}s"
    done = "would be deleted" if dry_run else f"{'is' if len(names) == 1 else 'are'} deleted"
    rest = "".join(f"; {one.said}" for one in dependents)
    gone = [] if dry_run else [{"id": id, "name": name} for id, name in names.items()]
    plain = {"deleted": gone, "dependents": dependents.as_rows()}
    return sentence(f"{what[0].upper()}{what[1:]} {done}{rest}.", dependents, plain, as_json=as_json)
