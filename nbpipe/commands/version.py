"""`nbpipe version`: what is installed, by its own word."""

from __future__ import annotations

from importlib import metadata

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.grammar import verb, verbs
from nbpipe.errors import EnvironmentMismatchError

commands = verbs()


@verb(commands, "version", "nbpipe version")
def version(as_json: AsJson = False) -> Answer:
    """Say which nbpipe this is."""
    try:
        installed = metadata.version("nbpipe")
    except metadata.PackageNotFoundError:
        raise EnvironmentMismatchError("nbpipe", ["it runs from a folder and is not installed"]) from None
    return sentence(f"nbpipe {installed}", rows={"nbpipe": installed}, as_json=as_json)
