"""`nbpipe token`: tokens that open the workspace's server, made, listed and revoked."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import plainly_listed
from nbpipe.records.tokens import MEANINGS, TokenScope
from nbpipe.services.tokens import USUAL_SPAN

commands = noun("Make, list and revoke the tokens that open the server.")

_SCOPES = "; ".join(f"{scope.value}: {meaning}" for scope, meaning in MEANINGS.items())


@verb(
    commands,
    "create",
    "nbpipe token create ci --scope invoke --expires 30d",
    "nbpipe token create me --scope admin --expires never",
)
def create(
    name: Annotated[str, Argument(metavar="NAME", help="What it goes by, such as who or what is to use it.")],
    *,
    scope: Annotated[
        str, Option("--scope", metavar="SCOPE", help=f"What it is good for. {_SCOPES}.")
    ] = TokenScope.READ.value,
    expires: Annotated[
        str, Option("--expires", metavar="TIME", help="How long it is good: 30d, 12h, or never.")
    ] = USUAL_SPAN,
    as_json: AsJson = False,
) -> Answer:
    """Make a token and show it, this once."""
    made = current_client().tokens.create(name, scope=scope, expires=expires)
    record = made.record
    until = f"until {record.expires:%Y-%m-%d %H:%M} UTC" if record.expires is not None else "until it is revoked"
    said = (
        f"{made.token}\n\nThis is the token {record.name!r} ({record.scope.value}), good {until}. "
        "Keep it now: it is not shown again."
    )
    return sentence(said, record, {"token": made.token, **record.as_row()}, as_json=as_json)


@verb(commands, "list", "nbpipe token list", "nbpipe token list --all --json")
def list_(
    every: Annotated[bool, Option("--all", help="Those too that were revoked.")] = False, as_json: AsJson = False
) -> Answer:
    """List tokens, newest first; none of them is shown itself."""
    return plainly_listed(current_client().tokens.list(all=every), as_json=as_json)


@verb(commands, "revoke", "nbpipe token revoke ci")
def revoke(
    token: Annotated[str, Argument(metavar="NAME", help="Its name, its id or the beginning of that.")],
    as_json: AsJson = False,
) -> Answer:
    """Have a token be good no more, at once."""
    gone = current_client().tokens.revoke(token)
    return sentence(f"Token {gone.name!r} opens nothing any more.", gone, gone.as_row(), as_json=as_json)
