"""`nbpipe init`: a workspace made on purpose, and where its values are to lie.

Nobody needs it: a workspace is made on first use, and values lie in it. It is for whoever wants
them on object storage.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from typer import Option

from nbpipe.base.settings import artifact_root
from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_client
from nbpipe.commands.grammar import verb, verbs
from nbpipe.commands.progress import percent
from nbpipe.views.amounts import size_text

if TYPE_CHECKING:
    from nbpipe.services.upkeep import Moved

commands = verbs()

_HERE = "local"


@verb(
    commands,
    "init",
    "nbpipe init",
    "nbpipe init --artifacts s3://bucket/prefix",
    "nbpipe init --artifacts local",
)
def init(
    artifacts: Annotated[
        str,
        Option(
            "--artifacts", metavar="URL", help=f"Where values are to lie: s3://BUCKET/PREFIX, or {_HERE!r} for here."
        ),
    ] = "",
    as_json: AsJson = False,
) -> Answer:
    """Make the workspace, and say where its values are to lie; those that it has are brought there."""
    client = current_client()
    paths = client.workspace.paths
    is_new = not paths.logs.is_dir()
    said = artifacts.strip()
    url = artifact_root(paths) if not said else "" if said.casefold() == _HERE else said
    moved = None
    if url or said:
        with percent("Uploading values") as tell:
            moved = client.upkeep.set_artifacts(url, progress=tell)
    paths.ensure()
    lines = [f"The workspace {paths.root} {'was made' if is_new else 'is there'}."]
    lines.append(_where(moved) if moved is not None else "Its values lie in it.")
    facts = {"workspace": str(paths.root), "is_new": is_new, **(asdict(moved) if moved is not None else {"url": ""})}
    return sentence("\n".join(lines), moved, facts, as_json=as_json)


def _where(moved: Moved) -> str:
    fetched = f"; {moved.fetched:,} were fetched from where they lay" if moved.fetched else ""
    if not moved.url:
        return f"Its values lie in it{fetched}."
    sent = f"{moved.uploaded:,} were uploaded ({size_text(moved.uploaded_bytes)})" if moved.uploaded else ""
    there = f"{moved.present:,} were there already" if moved.present else ""
    done = ", ".join(part for part in (sent, there) if part) or "there are none yet"
    damaged = (
        f"\n{len(moved.damaged):,} are damaged and stayed here: see `nbpipe catalog check`." if moved.damaged else ""
    )
    return f"Its values lie in {moved.url}: {done}{fetched}.{damaged}"
