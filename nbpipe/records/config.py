"""How a run is to differ from what its pipeline says: the same record from Python, a file or a form.

Read from YAML or JSON with limits on size, depth and aliases; a key that is not known is an
error that names the nearest one. Whether a step or a parameter exists is checked where the
pipeline is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from nbpipe.errors import BadValueError
from nbpipe.records.base import Record, plain_name, shorten
from nbpipe.records.executors import check_executor
from nbpipe.records.models import ModelConfig
from nbpipe.records.schedules import Schedule
from nbpipe.records.tags import Tag, as_tags

_LARGEST_BYTES = 1 << 20
_DEEPEST = 32
_FLOAT = "tag:yaml.org,2002:float"
_PLAIN = ("null", "bool", "int", "float", "str", "timestamp", "seq", "map")
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in _PLAIN)


class StepConfiguration(Record):
    """What a run says of one step."""

    parameters: dict[str, Any] = Field(default_factory=dict)


class PipelineRunConfiguration(Record):
    """What a run says of its pipeline: `PipelineRunConfiguration(steps={"train": {"parameters": {"rate": 0.2}}})`.

    Attributes:
        run_name: A name for the run.
        parameters: Values of the pipeline's parameters.
        steps: What it says of single steps, by name.
        tags: Tags of the run besides the pipeline's own.
        model: Another model than the pipeline's.
        enable_cache: Whether equal executions may be reused; `None` for what the pipeline says.
        executor: Who runs the steps: `in-process`, `processes`, `processes:4`, `dask`, `dask:tcp://…`; `None` for what
            the pipeline says.
        schedule: When it is to run; calling it then makes a schedule, and runs nothing.
    """

    run_name: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    steps: dict[str, StepConfiguration] = Field(default_factory=dict)
    tags: tuple[Tag, ...] = ()
    model: ModelConfig | None = None
    enable_cache: bool | None = None
    executor: str | None = None
    schedule: Schedule | None = None

    @field_validator("tags", mode="before")
    @classmethod
    def _are_tags(cls, tags: Any) -> tuple[Tag, ...]:
        return as_tags(tags)

    @field_validator("run_name", mode="before")
    @classmethod
    def _is_name(cls, name: object) -> str | None:
        return None if name is None else plain_name("run", name)

    @field_validator("executor", mode="before")
    @classmethod
    def _is_executor(cls, asked: object) -> str | None:
        return None if asked is None else check_executor(asked)

    def without_schedule(self) -> PipelineRunConfiguration:
        """Give it without what it says of when to run."""
        return self.model_copy(update={"schedule": None}) if self.schedule is not None else self

    @property
    def step_values(self) -> dict[str, dict[str, Any]]:
        """The values it gives single steps, by step; a step that it names without any is there, to be checked."""
        return {name: dict(step.parameters) for name, step in self.steps.items()}


def as_configuration(given: PipelineRunConfiguration | Mapping[str, Any] | None) -> PipelineRunConfiguration:
    """Give the configuration that a user meant by a record, a dict or nothing.

    Raises:
        BadValueError: A key that is not known, or a value of the wrong type.
    """
    if given is None:
        return PipelineRunConfiguration()
    if isinstance(given, PipelineRunConfiguration):
        return given
    if not isinstance(given, Mapping):
        raise BadValueError(f"{shorten(given)} is no run configuration; give a dict with parameters and steps.")
    return PipelineRunConfiguration.read(dict(given))


def read_configuration(path: Path | str) -> PipelineRunConfiguration:
    """Read a configuration from a YAML or JSON file.

    Raises:
        BadValueError: No such file, too large, not YAML, or not a configuration; the file and the key are named.
    """
    place = Path(path)
    said = read_plain_file(place, "run configuration")
    try:
        return as_configuration(said or {})
    except BadValueError as error:
        raise BadValueError(f"{place.name}: {error}") from None


def read_plain_file(place: Path, what: str) -> Any:
    """Read a YAML or JSON file that holds plain data.

    Args:
        place: The file.
        what: What it is to hold, for messages.

    Raises:
        BadValueError: No such file, too large, or not YAML; the file is named.
    """
    try:
        if place.stat().st_size > _LARGEST_BYTES:
            size_kib = _LARGEST_BYTES // 1024
            raise BadValueError(f"{place.name} is larger than {size_kib} KiB; that is no {what}.")
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadValueError(f"The {what.rpartition(' ')[2]} {str(place)!r} cannot be read: {error}.") from None
    try:
        return _read_json(text) if place.suffix.lower() == ".json" else parse_yaml(text)
    except BadValueError as error:
        raise BadValueError(f"{place.name}: {error}") from None


def parse_yaml(text: str) -> Any:
    """Read YAML or JSON that holds plain data only.

    What is JSON is read as JSON: YAML 1.1 reads some of it otherwise. In YAML, too, `1e-4` is a number.

    Raises:
        BadValueError: Neither of them, an alias or a tag (neither is needed here), a key that stands twice, or nested
            too deeply.
    """
    try:
        return _read_json(text)
    except _NoJSONError:
        return _read_yaml(text)


class _NoJSONError(BadValueError):
    """A text that is no JSON at all."""


def _read_json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise _NoJSONError(f"it is no JSON: {error.msg} (line {error.lineno})") from None
    except RecursionError:
        raise BadValueError("it is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, BadValueError):
            raise
        raise BadValueError(f"it holds a value that cannot be read: {shorten(str(error))}") from None
    _check_depth(value)
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise BadValueError(f"{shorten(next(key for key in keys if keys.count(key) > 1))} stands twice")
    return found


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEPEST + 1:
            raise BadValueError(f"it is nested deeper than {_DEEPEST} levels")
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]


def _read_yaml(text: str) -> Any:
    import yaml

    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadValueError("it holds half a character, which no text has")
    loader = _loader()(text)
    try:
        node = loader.get_single_node()
        _check_nodes(node)
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise BadValueError(f"it is no YAML: {getattr(error, 'problem', None) or error}{where}") from None
    except RecursionError:
        raise BadValueError("it is nested too deeply") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        if isinstance(error, BadValueError):
            raise
        # PyYAML reads 2024-13-45 as a date, and fails at it in many ways.
        raise BadValueError(f"it holds a value that cannot be read: {shorten(str(error))}") from None
    finally:
        loader.dispose()


@cache
def _loader() -> Any:
    """Give PyYAML's safe reader, the fast one where it is there, with numbers as YAML 1.2 and JSON write them."""
    import yaml

    class Reader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """A safe reader."""

    Reader.add_implicit_resolver(_FLOAT, re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789"))
    return Reader


def _check_nodes(root: Any) -> None:
    """Check what has been read before anything is made of it.

    Raises:
        BadValueError: A key stands twice, of which a reader would take the last without a word; or an alias, or a tag.
    """
    import yaml

    level, depth, seen = [root] if root is not None else [], 0, set[int]()
    while level:
        depth += 1
        if depth > _DEEPEST + 1:
            raise BadValueError(f"it is nested deeper than {_DEEPEST} levels")
        inner: list[Any] = []
        for node in level:
            line = node.start_mark.line + 1
            if id(node) in seen:
                raise BadValueError(f"it holds a YAML alias; write the value out (line {line})")
            seen.add(id(node))
            if node.tag not in _TAGS:
                raise BadValueError(f"it holds the YAML tag {shorten(node.tag)}; write plain data (line {line})")
            if isinstance(node, yaml.MappingNode):
                _check_keys(node)
                inner += [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                inner += node.value
        level = inner


def _check_keys(mapping: Any) -> None:
    known: set[str] = set()
    for key, _ in mapping.value:
        if isinstance(key.value, str):
            if key.value in known:
                raise BadValueError(f"{shorten(key.value)} stands twice (line {key.start_mark.line + 1})")
            known.add(key.value)


def parse_settings(settings: Iterable[str]) -> PipelineRunConfiguration:
    """Read `name=value` and `step.name=value` as a command line gives them.

    Values are read as JSON where they are JSON, else as text; the parameter's type decides later.

    Raises:
        BadValueError: One without a name or an equals sign.
    """
    parameters: dict[str, Any] = {}
    steps: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise BadValueError(f"{setting!r} sets nothing; write it as in rate=0.2 or train.rate=0.2.")
        step, dot, parameter = name.strip().rpartition(".")
        value = parse_value(text)
        if dot:
            steps.setdefault(step, {})[parameter] = value
        else:
            parameters[name.strip()] = value
    return PipelineRunConfiguration(
        parameters=parameters, steps={step: StepConfiguration(parameters=given) for step, given in steps.items()}
    )


def parse_value(text: str) -> Any:
    """Read one value from a command line: JSON, or the spellings `none`, `true`, `false`, or text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        word = text.strip()
        return {"none": None, "null": None, "true": True, "false": False}.get(word.casefold(), text)


def merge_configurations(
    weaker: PipelineRunConfiguration, stronger: PipelineRunConfiguration
) -> PipelineRunConfiguration:
    """Put one configuration over another: what the stronger says wins, value by value."""
    steps = {
        name: StepConfiguration(
            parameters={
                **(weaker.steps[name].parameters if name in weaker.steps else {}),
                **(stronger.steps[name].parameters if name in stronger.steps else {}),
            }
        )
        for name in dict.fromkeys((*weaker.steps, *stronger.steps))
    }
    return PipelineRunConfiguration(
        run_name=stronger.run_name or weaker.run_name,
        parameters={**weaker.parameters, **stronger.parameters},
        steps=steps,
        tags=as_tags((*weaker.tags, *stronger.tags)),
        model=stronger.model or weaker.model,
        enable_cache=weaker.enable_cache if stronger.enable_cache is None else stronger.enable_cache,
        executor=stronger.executor or weaker.executor,
        schedule=stronger.schedule or weaker.schedule,
    )
