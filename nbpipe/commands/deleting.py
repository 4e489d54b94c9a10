"""What every `delete` says: what went, what stays, and, with `--dry-run`, what would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from typer import Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.services.dependents import Dependent
from nbpipe.services.listing import Listing

Force = Annotated[bool, Option("--force", help="Delete it also if something in use depends on it.")]
DryRun = Annotated[bool, Option("--dry-run", help="Delete nothing; say what depends on it.")]


class Deletes(Protocol):
    """A service that deletes, and tells beforehand what depends on what."""

    def dependents(self, ref: Any, /) -> Listing[Dependent]:
        """Say what depends on something."""

    def delete(self, ref: Any, /, *, force: bool) -> int:
        """Delete it."""


def deleted(
    service: Deletes, refs: Any, noun: str, names: Sequence[str], *, force: bool, dry_run: bool, as_json: bool
) -> Answer:
    """Delete, and answer with what went and what depends on it.

    Args:
        service: Whose things they are.
        refs: What to delete, as the service takes it.
        noun: What that is, such as `"run"`.
        names: What they are called.
        force: Also what is in use.
        dry_run: Delete nothing.
        as_json: Whether plain facts are asked for.
    """
    dependents = service.dependents(refs)
    if not dry_run:
        service.delete(refs, force=force)
    what = f"{noun} {names[0]}" if len(names) == 1 else f"{len(names)} {noun}s"
    done = "would be deleted" if dry_run else f"{'is' if len(names) == 1 else 'are'} deleted"
    rest = "".join(f"; {one.said}" for one in dependents)
    plain = {"deleted": [] if dry_run else list(names), "dependents": dependents.as_rows()}
    return sentence(f"{what[0].upper()}{what[1:]} {done}{rest}.", dependents, plain, as_json=as_json)
