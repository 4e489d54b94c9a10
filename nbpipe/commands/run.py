"""`nbpipe run`: a pipeline from a file or a notebook, or a snapshot by name."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from nbpipe.commands.answers import Answer, Started
from nbpipe.commands.arguments import (
    SOURCE_OR_SNAPSHOT,
    AsJson,
    Configuration,
    Debug,
    Executor,
    FromSteps,
    NoCache,
    OnlySteps,
    RunTags,
    Settings,
    UntilSteps,
)
from nbpipe.commands.grammar import RunVerb, verb, verbs
from nbpipe.commands.running import begin_named, configuration_of
from nbpipe.records.parts import as_part

commands = verbs()


@verb(
    commands,
    "run",
    "nbpipe run flow.py",
    "nbpipe run flow.py:training --set rate=0.2 --set train.depth=3 --tag trial",
    "nbpipe run nightly --config prod.yaml --no-cache --executor processes:4",
    "nbpipe run flow.py --from train --until evaluate",
    cls=RunVerb,
)
def run(
    what: Annotated[
        str | None,
        Argument(
            metavar=SOURCE_OR_SNAPSHOT,
            help="file.py:attr, module:attr, notebook.ipynb, a pipeline of this notebook, or a snapshot's name.",
        ),
    ] = None,
    *,
    settings: Settings = None,
    config: Configuration = None,
    no_cache: NoCache = False,
    executor: Executor = None,
    tags: RunTags = None,
    from_steps: FromSteps = None,
    until_steps: UntilSteps = None,
    only_steps: OnlySteps = None,
    debug: Debug = False,
    as_json: AsJson = False,
) -> Started | Answer:
    """Run a pipeline or a snapshot, wait for its end and show what came of it; with a schedule in FILE, make that."""
    given = configuration_of(settings, config, no_cache=no_cache, executor=executor, tags=tags)
    return begin_named(what, given, part=as_part(from_steps, until_steps, only_steps), debug=debug, as_json=as_json)
