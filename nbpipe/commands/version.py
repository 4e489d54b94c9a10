"""`nbpipe version`."""

from __future__ import annotations

from nbpipe.base.version import VERSION
from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.grammar import verb, verbs

commands = verbs()


@verb(commands, "version", "nbpipe version")
def version(as_json: AsJson = False) -> Answer:
    """Say which nbpipe this is."""
    return sentence(f"nbpipe {VERSION}", rows={"nbpipe": VERSION}, as_json=as_json)
