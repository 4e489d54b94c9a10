"""What may stand behind `%%step`, `%%pipeline`, `%%params` and `%%catalog`.

Everything here is a pure function of the first line. What is not of the grammar is refused with
the nearest option or the form that would do.
"""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import NoReturn

from nbpipe.define.first_line import without_comment
from nbpipe.errors import BadValueError, nearest
from nbpipe.records.models import ModelConfig
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag

_NAME = re.compile(r"[^\W\d][\w-]*")
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_FLAGS = ("exclusive", "cascade")


@dataclass(frozen=True, slots=True)
class StepLine:
    """What stands behind `%%step`.

    Attributes:
        name: The step's name, or `""`.
        takes: Its inputs, if the line names them.
        gives: Its outputs, if the line names them.
        options: How it is run.
        is_only_defined: Whether it is not to run now.
        wants_help: Whether only the help is wanted.
    """

    name: str = ""
    takes: tuple[str, ...] | None = None
    gives: tuple[str, ...] | None = None
    options: StepOptions = StepOptions()
    is_only_defined: bool = False
    wants_help: bool = False


@dataclass(frozen=True, slots=True)
class PipelineLine:
    """What stands behind `%%pipeline`.

    Attributes:
        name: The pipeline's name.
        signature: Its parameters as Python writes them, without the brackets.
        tags: Its tags.
        model: Its model and version as written, or `""`.
        cache: Whether equal executions may be reused.
        wants_help: Whether only the help is wanted.
    """

    name: str
    signature: str = ""
    tags: tuple[Tag, ...] = ()
    model: ModelConfig | None = None
    cache: bool = True
    wants_help: bool = False


@dataclass(frozen=True, slots=True)
class ParamsLine:
    """What stands behind `%%params`, about the notebook's own pipeline.

    Attributes:
        name: Its name, or `""`.
        tags: Its tags.
        model: The model its runs work on, if any.
        wants_help: Whether only the help is wanted.
    """

    name: str = ""
    tags: tuple[Tag, ...] = ()
    model: ModelConfig | None = None
    wants_help: bool = False


class _Parser(argparse.ArgumentParser):
    def __init__(self, magic: str) -> None:
        super().__init__(prog=magic, add_help=False, allow_abbrev=False)
        self.add_argument("-h", "--help", action="store_true")

    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (\S+)", message)
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        near = nearest(found[1], known) if found else []
        hint = f" Did you mean {near[0]}?" if near else f" See %%{self.prog} -h."
        raise BadValueError(f"%%{self.prog}: {message}.{hint}")

    def read(self, text: str) -> argparse.Namespace:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise BadValueError(f"%%{self.prog}: {str(error).lower()} in {text!r}.") from None
        return self.parse_args(words)


@cache
def _step_parser() -> _Parser:
    # To make one takes longer than all else that a small cell costs.
    parser = _Parser("step")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--retry-delay", type=float, default=0.0)
    parser.add_argument("--retry-backoff", type=float, default=1.0)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--after", action="append", default=[])
    parser.add_argument("--define", action="store_true")
    return parser


def parse_step(arguments: str) -> StepLine:
    """Read what stands behind `%%step`.

    Raises:
        BadValueError: It is not of the grammar; the nearest option is told.
    """
    head, rest = _head_and_options(without_comment(arguments))
    said = _step_parser().read(rest)
    if said.help:
        return StepLine(wants_help=True)
    name, takes, gives = _parse_signature(head)
    options = StepOptions(
        cache=not said.no_cache,
        retries=said.retries,
        retry_delay_s=said.retry_delay,
        retry_backoff=said.retry_backoff,
        timeout_s=said.timeout,
        tags=tuple(parse_tag(tag) for tag in said.tag),
        after=tuple(said.after),
    )
    return StepLine(name, takes, gives, options, said.define)


def parse_pipeline(arguments: str) -> PipelineLine:
    """Read what stands behind `%%pipeline`.

    Raises:
        BadValueError: It is not of the grammar.
    """
    head, rest = _head_and_options(without_comment(arguments))
    parser = _Parser("pipeline")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--model", default="")
    parser.add_argument("--no-cache", action="store_true")
    said = parser.read(rest)
    if said.help:
        return PipelineLine("", wants_help=True)
    found = re.fullmatch(r"(?P<name>[^\W\d]\w*)\s*(?:\((?P<signature>.*)\))?", head, re.DOTALL)
    if found is None:
        named = f"{head!r} names no pipeline" if head else "it has no name"
        raise BadValueError(f"%%pipeline: {named}; write %%pipeline NAME(rate: float = 0.1).")
    tags = tuple(parse_tag(tag) for tag in said.tag)
    return PipelineLine(found["name"], found["signature"] or "", tags, parse_model(said.model), not said.no_cache)


def parse_params(arguments: str) -> ParamsLine:
    """Read what stands behind `%%params`.

    Raises:
        BadValueError: It is not of the grammar.
    """
    parser = _Parser("params")
    parser.add_argument("--name", default="")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--model", default="")
    said = parser.read(without_comment(arguments))
    if said.name and not _NAME.fullmatch(said.name):
        raise BadValueError(f"%%params: {said.name!r} cannot name a pipeline; give one word.")
    return ParamsLine(said.name, tuple(parse_tag(tag) for tag in said.tag), parse_model(said.model), said.help)


def parse_model(text: str) -> ModelConfig | None:
    """Read a model as a first line writes it: `iris`, `iris@production`, `iris@run-{run.id[:8]}`.

    Raises:
        BadValueError: No name.
    """
    name, _, version = text.partition("@")
    return ModelConfig(name=name, version=version or None) if text else None


def parse_catalog(arguments: str) -> str:
    """Read what stands behind `%%catalog`: the name to bind, or `""`.

    Raises:
        BadValueError: It is no name of a variable.
    """
    name = without_comment(arguments)
    if name and not name.isidentifier():
        raise BadValueError(f"%%catalog: {name!r} is no name of a variable; write %%catalog df.")
    return name


def parse_tag(text: str) -> Tag:
    """Read a tag as a first line writes it: `latest:exclusive`, `exp-42:cascade`, `v1`.

    Raises:
        BadValueError: A flag that there is not, or a name that no tag can have.
    """
    name, *flags = text.split(":")
    for flag in flags:
        if flag not in _FLAGS:
            near = nearest(flag, _FLAGS)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadValueError(f"Tag {text!r} has the flag {flag!r}; there are exclusive and cascade.{hint}")
    return Tag(name=name, **dict.fromkeys(flags, True))


def _head_and_options(arguments: str) -> tuple[str, str]:
    """Part `train(df, n) -> model --tag v1` before its first option."""
    depth = 0
    # A bracket in a text closes nothing: `split(sep: str = "(") --tag v1`.
    masked = _TEXT.sub(lambda found: "x" * len(found[0]), arguments)
    for place, letter in enumerate(masked):
        depth += (letter in "([{") - (letter in ")]}")
        begins_word = place == 0 or masked[place - 1].isspace()
        if depth == 0 and letter == "-" and begins_word and arguments[place : place + 2] != "->":
            return arguments[:place].strip(), arguments[place:]
    return arguments.strip(), ""


def _parse_signature(head: str) -> tuple[str, tuple[str, ...] | None, tuple[str, ...] | None]:
    text, arrow, given = head.partition("->")
    found = re.fullmatch(r"\s*(?P<name>[^\s(]*)\s*(?:\((?P<takes>.*)\))?\s*", text, re.DOTALL)
    if found is None or (found["name"] and not _NAME.fullmatch(found["name"])):
        raise BadValueError(f"%%step: {head!r} names no step; write %%step NAME, or %%step NAME(input) -> output.")
    takes = _variables(found["takes"]) if found["takes"] is not None else None
    gives = _variables(given) if arrow else None
    if (takes is not None or gives is not None) and not found["name"]:
        raise BadValueError("%%step: a signature needs a name in front: %%step NAME(input) -> output.")
    return found["name"], takes, gives


def _variables(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not name.isidentifier():
            raise BadValueError(f"%%step: {name!r} is no name of a variable.")
    return tuple(dict.fromkeys(names))
