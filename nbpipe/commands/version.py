"""`nbpipe version`."""

from __future__ import annotations

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.grammar import verb, verbs

commands = verbs()


@verb(commands, "version", "nbpipe version")
def version(as_json: AsJson = False) -> Answer:
    """Say which nbpipe this is."""
    from nbpipe import __version__

    return sentence(f"nbpipe {__version__}", rows={"nbpipe": __version__}, as_json=as_json)
