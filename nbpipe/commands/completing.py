"""What could be written next in a line: words of the grammar, and names of what there is.

An argument's metavar says what it names (`arguments`). Nothing here may disturb whoever types:
what cannot be found out is left out, and no workspace is made by asking.
"""

from __future__ import annotations

import ast
import json
import logging
import re
import shlex
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from nbpipe.base.workspace import find_workspace
from nbpipe.commands import arguments
from nbpipe.commands.calling import Call, Runnable, Surroundings, calling, current_call, current_client
from nbpipe.commands.grammar import Noun, command_in, names_in, options_of, root
from nbpipe.commands.showing import drawn
from nbpipe.records.executors import KNOWN
from nbpipe.records.models import ModelStages
from nbpipe.records.parameters import as_json, may_hold_secret, type_text
from nbpipe.records.runs import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

# A fault of ours is not shown at a press of Tab, but whoever looks for it finds it here.
_LOG = logging.getLogger("nbpipe.completing")
_MOST = 200
_TO_QUOTE = set(" \t\"'\\")
_NEWEST_RUNS = 50
_OF_RUNS = (Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.INTERRUPTED)
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"?|'[^']*'?)+""")
_CHOICES = re.compile(r"Literal(\[[^\]]*\])")


def completions(line: str, cursor: int, surroundings: Surroundings | None = None) -> list[str]:
    """Give what could stand at the cursor, each as a whole word that begins with what is there.

    Args:
        line: What stands behind `%nbpipe`.
        cursor: How many of its characters lie before the cursor.
        surroundings: The notebook.
    """
    try:
        with calling(Call(surroundings)):
            before = line[: max(cursor, 0)]
            words = [word.strip("\"'") for word in _WORD.findall(before)]
            begun = words.pop() if words and not before[-1].isspace() else ""
            found = _candidates(words, begun)
            fitting = dict.fromkeys(name for name in found if name.startswith(begun) and name != begun)
            return [shlex.quote(name) if set(name) & _TO_QUOTE else name for name in fitting][:_MOST]
    except Exception:  # noqa: BLE001 — a Tab that finds nothing is better than one that fails
        _LOG.debug("What could be written next in %r was not found.", line, exc_info=True)
        return []


def begun_in(text: str) -> str:
    """Give the word that `text` ends in as it is written, its quotation marks included; nothing behind a space."""
    words = _WORD.findall(text)
    return words[-1] if words and text.endswith(words[-1]) else ""


def names_of(metavar: str, begun: str, surroundings: Surroundings | None = None) -> list[str]:
    """Name what there is of the kind that a metavar says, of what begins with `begun`.

    Args:
        metavar: One of `arguments`.
        begun: The beginning.
        surroundings: The notebook.
    """
    try:
        with calling(Call(surroundings)):
            return [name for name in _NAMES[metavar](begun) if name.startswith(begun)][:_MOST]
    except Exception:  # noqa: BLE001 — a press of Tab has nowhere to show an error; the command itself tells it
        _LOG.debug("Names for %s were not found.", metavar, exc_info=True)
        return []


def _candidates(words: Sequence[str], begun: str) -> Iterable[str]:
    command, rest = _command_for(words)
    if isinstance(command, Noun):
        return [*names_in(command), "--help"] if not rest else []
    if rest and (option := _option_named(command, rest[-1])) is not None:
        return _names_for(option, rest, begun)
    if begun.startswith("-"):
        return options_of(command)
    given = _positional(command, rest)
    places = [one for one in command.params if one.param_type_name == "argument"]
    if not places or (len(given) >= len(places) and places[-1].nargs == 1):
        return []
    return _names_for(places[min(len(given), len(places) - 1)], rest, begun)


def _command_for(words: Sequence[str]) -> tuple[Any, list[str]]:
    """Walk down the grammar as far as the words go; give the command and the words left over."""
    command: Any = root()
    rest = list(words)
    while rest and isinstance(command, Noun) and rest[0] in names_in(command):
        command = command_in(command, rest.pop(0))
    return command, rest


def _option_named(command: Any, word: str) -> Any:
    """Give the option of that name, if a value has to follow it."""
    return next((one for one in command.params if word in one.opts and not getattr(one, "is_flag", False)), None)


def _positional(command: Any, words: Sequence[str]) -> list[str]:
    given: list[str] = []
    is_value = False
    for word in words:
        if not is_value and not word.startswith("-"):
            given.append(word)
        is_value = not is_value and _option_named(command, word) is not None
    return given


def _names_for(parameter: Any, words: Sequence[str], begun: str) -> Iterable[str]:
    if parameter.metavar == arguments.SETTING:
        return _settings(words, begun)
    if parameter.metavar == arguments.STEP:
        return _steps(words)
    find = _NAMES.get(parameter.metavar or "")
    return find(begun) if find is not None else []


def _settings(words: Sequence[str], begun: str) -> list[str]:
    """Give what the pipeline or snapshot that is named before takes, as in `rate=`; behind that, what could stand."""
    name, equals, _ = begun.partition("=")
    parameters = _parameters(words)
    if not equals:
        return [f"{each}=" for each in parameters]
    return [f"{name}={value}" for value in _values(*parameters[name])] if name in parameters else []


def _parameters(words: Sequence[str]) -> dict[str, tuple[str, Any]]:
    """Give the type and the value of each parameter of what is named before, or of the notebook's own pipeline."""
    surroundings = current_call().surroundings
    pipelines = surroundings.pipelines() if surroundings is not None else {}
    for word in words:
        if word in pipelines:
            return _of_definition(pipelines[word])
        if word in _snapshots(""):
            return {one.name: (one.type, one.value) for one in current_client().snapshots.get(word).content.parameters}
    own = surroundings.own() if surroundings is not None else None
    return _of_definition(own) if own is not None else {}


def _of_definition(pipeline: Runnable) -> dict[str, tuple[str, Any]]:
    return {
        name: (type_text(field.annotation), None if may_hold_secret(field.annotation) else _default(field))
        for name, field in pipeline.definition.parameters.model.model_fields.items()
    }


def _default(field: Any) -> Any:
    return None if field.is_required() or field.default_factory is not None else as_json(field.default)


def _values(type_said: str, value: Any) -> list[str]:
    """Write the values that a type allows, where it says so, else the one that it has."""
    choices = _CHOICES.search(type_said)
    if choices is not None:
        return [str(choice) for choice in ast.literal_eval(choices[1])]
    if type_said == "bool":
        return ["true", "false"]
    return [] if value is None else [value if isinstance(value, str) else json.dumps(value)]


def _steps(words: Sequence[str]) -> list[str]:
    """Name the steps of the pipeline or snapshot that is named before, or of the notebook's own."""
    surroundings = current_call().surroundings
    pipelines = surroundings.pipelines() if surroundings is not None else {}
    for word in words:
        if word in pipelines:
            return list(drawn(pipelines[word].definition).graph.by_id)
        if word in _snapshots(""):
            return list(current_client().snapshots.get(word).content.graph.by_id)
        if word in _runs(""):
            return list(current_client().runs.get(word).graph.by_id)
    own = surroundings.own() if surroundings is not None else None
    return list(drawn(own.definition).graph.by_id) if own is not None else []


def _has_workspace() -> bool:
    return find_workspace().root.is_dir()


def _defined(_: str) -> list[str]:
    surroundings = current_call().surroundings
    return list(surroundings.pipelines()) if surroundings is not None else []


def _snapshots(_: str) -> list[str]:
    return [one.label for one in current_client().snapshots.list()] if _has_workspace() else []


def _deployments(_: str) -> list[str]:
    return [one.name for one in current_client().deployments.list()] if _has_workspace() else []


def _schedules(_: str) -> list[str]:
    return [one.name for one in current_client().schedules.list()] if _has_workspace() else []


def _runs(_: str) -> list[str]:
    return [run.id[:8] for run in current_client().runs.list(limit=_NEWEST_RUNS)] if _has_workspace() else []


def _pipelines(_: str) -> list[str]:
    return [one.name for one in current_client().pipelines.list()] if _has_workspace() else []


def _models(begun: str) -> list[str]:
    if not _has_workspace():
        return []
    models = current_client().models
    if "@" not in begun:
        return [model.name for model in models.list()]
    name = begun.rpartition("@")[0]
    versions = models.versions(name)
    stages = {version.stage.value for version in versions} & {"staging", "production"}
    return [f"{name}@{said}" for said in ("latest", *sorted(stages), *(version.name for version in versions))]


def _artifacts(_: str) -> list[str]:
    return [one.name for one in current_client().artifacts.list(limit=1000)] if _has_workspace() else []


def _tags(_: str) -> list[str]:
    return [tag.name for tag in current_client().tags.list()] if _has_workspace() else []


def _files(begun: str) -> list[str]:
    """Name what lies in the folder that is being written, as it is written there; hidden ones if a dot is."""
    folder, slash, beginning = begun.rpartition("/")
    place = Path(f"{folder}{slash}" or ".").expanduser()
    found = sorted(place.iterdir(), key=lambda entry: entry.name)
    return [
        f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in found
        if entry.name.startswith(beginning) and (beginning.startswith(".") or not entry.name.startswith("."))
    ]


@cache
def _zones() -> list[str]:
    return sorted(available_timezones())


def _sources(begun: str) -> list[str]:
    return [*_defined(begun), *_pipelines(begun), *_sources_in_files(begun)]


def _sources_in_files(begun: str) -> list[str]:
    # Only what has been begun: a folder full of notebooks would hide the names that are meant.
    return [name for name in _files(begun) if name.endswith((".py", ".ipynb", "/"))] if begun else []


def _runnable(begun: str) -> list[str]:
    return [*_defined(begun), *_snapshots(begun), *_sources_in_files(begun)]


_NAMES: dict[str, Callable[[str], Iterable[str]]] = {
    arguments.SOURCE: _sources,
    arguments.SOURCE_OR_SNAPSHOT: _runnable,
    arguments.RUN: _runs,
    arguments.DEPLOYMENT: _deployments,
    arguments.SCHEDULE: _schedules,
    arguments.SNAPSHOT: _snapshots,
    arguments.PIPELINE: _pipelines,
    arguments.MODEL: _models,
    arguments.STAGE: lambda _: [stage.value for stage in ModelStages if stage.value != "latest"],
    arguments.ARTIFACT: _artifacts,
    arguments.TAG: _tags,
    arguments.STATUS: lambda _: [status.value for status in _OF_RUNS],
    arguments.EXECUTOR: lambda _: list(KNOWN),
    arguments.FILE: _files,
    arguments.FOLDER: _files,
    arguments.NOTEBOOK: _files,
    arguments.ZONE: lambda _: _zones(),
}
