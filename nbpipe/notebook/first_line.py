"""The first line of a cell: a marker in place of the magic, and the grammar of what stands on it.

IPython transforms a cell twice and more, so the marker decides nothing; what it means is decided
on the syntax tree (`notebook.cells`). The body keeps its line numbers and runs natively: `await`
works, tracebacks point at the user's own line, and an error stops Run All.

Everything here is a pure function of text.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from dataclasses import dataclass
from typing import NoReturn

from nbpipe.errors import BadValueError, nearest
from nbpipe.records.models import ModelConfig
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag

MARKER = "__nbpipe__"
MAGICS = ("step", "params", "pipeline", "catalog")

STEP_HELP = """\
%%step [NAME] [options]                     a cell that computes is a step; inputs and outputs are inferred
%%step NAME(input, …) -> output, … [options]   or say them
%%step                                      a cell that only defines functions makes each a step

  --tag NAME         put a tag on each output; may be repeated
  --no-cache         run it every time
  --retries N        try again N times when it fails in a pipeline run
  --retry-delay S    wait S seconds before each
  --timeout S        stop it after S seconds in a pipeline run
  --after STEP       run after STEP though nothing flows from it; may be repeated
  --define           define it now, run it with the pipeline
  -h, --help         show this
An empty cell under %%step NAME shows the step's card."""

PARAMS_HELP = """\
%%params [options]     typed parameters of this notebook's pipeline, one annotated assignment a line:
    test_size: float = Field(0.25, gt=0, lt=1, description="share held out")
    model_type: Literal["forest", "logistic"] = "forest"
Field, Literal, Annotated, Optional, Path and the date names are there without an import.

  --name PIPELINE                    the pipeline's name; the notebook's own if not given
  --tag NAME[:exclusive][:cascade]   a tag of its runs; may be repeated
  --model NAME[@VERSION]             the model its runs work on; VERSION may be a template: run-{run.id[:8]}
  -h, --help                         show this"""

PIPELINE_HELP = """\
%%pipeline NAME(parameter: type = default, …) [options]     the body calls steps; its last expression is the result

  --tag NAME[:exclusive][:cascade]   a tag of its runs; may be repeated
  --model NAME[@VERSION]             the model its runs work on; VERSION may be a template: run-{run.id[:8]}
  --no-cache                         run every step every time
  -h, --help                         show this"""

CATALOG_HELP = """\
%%catalog [NAME]     one read-only SELECT over the catalog's views; NAME also binds the result as a DataFrame
Views: runs, steps, artifacts, lineage, metrics, metadata, tags, models, model_versions, stage_history, snapshots"""

HELP = {"step": STEP_HELP, "params": PARAMS_HELP, "pipeline": PIPELINE_HELP, "catalog": CATALOG_HELP}


def mark_first_line(lines: list[str]) -> list[str]:
    """Turn `%%step train --tag v1` into a marker and leave the body as it is."""
    if not lines or not lines[0].startswith("%%"):
        return lines
    name, _, arguments = lines[0][2:].rstrip("\n").partition(" ")
    if name.strip() not in MAGICS:
        return lines
    if name.strip() == "catalog":
        # SQL is no Python: the body travels in the marker, and as many lines are left blank.
        body = "".join(lines[1:])
        return [f"{MARKER}({name.strip()!r}, {arguments.strip()!r}, {body!r})\n", *["\n" for _ in lines[1:]]]
    return [f"{MARKER}({name.strip()!r}, {arguments.strip()!r})\n", *lines[1:]]


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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: (\S+)", message)
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        near = nearest(found[1], known) if found else []
        hint = f" Did you mean {near[0]}?" if near else " See -h."
        raise BadValueError(f"%%{self.prog}: {message}.{hint}")


def parse_step(arguments: str) -> StepLine:
    """Read what stands behind `%%step`.

    Raises:
        BadValueError: It is not of the grammar; the nearest option is told.
    """
    head, rest = _signature_and_options(arguments)
    parser = _Parser(prog="step", add_help=False, allow_abbrev=False)
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--retry-delay", type=float, default=0.0)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--after", action="append", default=[])
    parser.add_argument("--define", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    said = parser.parse_args(_words("step", rest))
    name, takes, gives = _parse_signature(head)
    options = StepOptions(
        cache=not said.no_cache,
        retries=said.retries,
        retry_delay_s=said.retry_delay,
        timeout_s=said.timeout,
        tags=tuple(parse_tag(tag) for tag in said.tag),
        after=tuple(said.after),
    )
    return StepLine(name, takes, gives, options, said.define, said.help)


def _words(magic: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadValueError(f"%%{magic}: {str(error).lower()} in {text!r}.") from None


def _signature_and_options(arguments: str) -> tuple[str, str]:
    """Part `train(df, n) -> model --tag v1` before its first option."""
    depth = 0
    for place, letter in enumerate(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        at_option = letter == "-" and arguments[place : place + 2] != "->" and (place == 0 or arguments[place - 1] == " ")
        if depth == 0 and at_option:
            return arguments[:place].strip(), arguments[place:]
    return arguments.strip(), ""


_NAME = re.compile(r"^[^\W\d][\w-]*$")


def _parse_signature(head: str) -> tuple[str, tuple[str, ...] | None, tuple[str, ...] | None]:
    text, arrow, given = head.partition("->")
    found = re.match(r"^\s*(?P<name>[^\s(]*)\s*(?:\((?P<takes>.*)\))?\s*$", text, re.DOTALL)
    if found is None or (found["name"] and not _NAME.match(found["name"])):
        raise BadValueError(f"%%step: {head!r} names no step; write %%step NAME, or %%step NAME(input) -> output.")
    takes = _names(found["takes"]) if found["takes"] is not None else None
    gives = _names(given) if arrow else None
    if (takes is not None or gives is not None) and not found["name"]:
        raise BadValueError("%%step: a signature needs a name in front: %%step NAME(input) -> output.")
    return found["name"], takes, gives


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not name.isidentifier():
            raise BadValueError(f"%%step: {name!r} is no name of a variable.")
    return names


def parse_tag(text: str) -> Tag:
    """Read a tag as a first line writes it: `latest:exclusive`, `exp-42:cascade`, `v1`.

    Raises:
        BadValueError: A flag that there is not.
    """
    name, *flags = text.split(":")
    for flag in flags:
        if flag not in ("exclusive", "cascade"):
            near = nearest(flag, ("exclusive", "cascade"))
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadValueError(f"Tag {text!r} has the flag {flag!r}; there are exclusive and cascade.{hint}")
    return Tag(name=name, **dict.fromkeys(flags, True))  # type: ignore[arg-type]


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
    model: str = ""
    cache: bool = True
    wants_help: bool = False


def parse_pipeline(arguments: str) -> PipelineLine:
    """Read what stands behind `%%pipeline`.

    Raises:
        BadValueError: It is not of the grammar.
    """
    head, rest = _signature_and_options(arguments)
    parser = _Parser(prog="pipeline", add_help=False, allow_abbrev=False)
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--model", default="")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    said = parser.parse_args(_words("pipeline", rest))
    found = re.match(r"^(?P<name>[^\W\d]\w*)\s*(?:\((?P<signature>.*)\))?$", head, re.DOTALL)
    if found is None and not said.help:
        raise BadValueError(f"%%pipeline: {head!r} names no pipeline; write %%pipeline NAME(rate: float = 0.1).")
    return PipelineLine(
        found["name"] if found else "",
        (found["signature"] or "") if found else "",
        tuple(parse_tag(tag) for tag in said.tag),
        said.model,
        not said.no_cache,
        said.help,
    )


@dataclass(frozen=True, slots=True)
class ParamsLine:
    """What stands behind `%%params`, about the notebook's own pipeline.

    Attributes:
        name: Its name, or `""`.
        tags: Its tags.
        model: Its model and version as written, or `""`.
        wants_help: Whether only the help is wanted.
    """

    name: str = ""
    tags: tuple[Tag, ...] = ()
    model: str = ""
    wants_help: bool = False


def parse_params(arguments: str) -> ParamsLine:
    """Read what stands behind `%%params`."""
    parser = _Parser(prog="params", add_help=False, allow_abbrev=False)
    parser.add_argument("--name", default="")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--model", default="")
    parser.add_argument("-h", "--help", action="store_true")
    said = parser.parse_args(_words("params", arguments))
    if said.name and not _NAME.match(said.name):
        raise BadValueError(f"%%params: {said.name!r} cannot name a pipeline; give one word.")
    return ParamsLine(said.name, tuple(parse_tag(tag) for tag in said.tag), said.model, said.help)


def parse_model(text: str) -> ModelConfig | None:
    """Read a model as a first line writes it: `iris`, `iris@production`, `iris@run-{run.id[:8]}`.

    Raises:
        BadValueError: No name.
    """
    name, _, version = text.partition("@")
    return ModelConfig(name=name, version=version or None) if text else None


def marker_in(tree: ast.Module) -> tuple[str, str, str] | None:
    """Find the marker at the head of a cell's tree: the magic, its arguments, and for SQL its body."""
    if not tree.body or not isinstance(tree.body[0], ast.Expr):
        return None
    call = tree.body[0].value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != MARKER:
        return None
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    magic, arguments, *body = (str(word) for word in words)
    return magic, arguments, body[0] if body else ""


def function_text(name: str, signature: str, body: str) -> str:
    """Write a pipeline's body as a function, line for line: the body's lines keep their numbers.

    Its last expression becomes what it returns.

    Args:
        name: The function's name.
        signature: Its parameters as Python writes them.
        body: The cell without its first line.

    Raises:
        SyntaxError: The body is not Python.
    """
    returned = _with_return(body)
    inside = _lines_inside_texts(returned)
    lines = [
        line if n in inside or not line.strip() else f"    {line}" for n, line in enumerate(returned.splitlines(), 1)
    ]
    if not any(line.strip() and not line.strip().startswith("#") for line in lines):
        lines.append("    pass")
    return "\n".join([f"def {name}({signature}):", *lines]) + "\n"


def _with_return(body: str) -> str:
    tree = _parse_with_returns(body)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or isinstance(last.value, ast.Constant):
        return body
    lines = body.splitlines()
    line = lines[last.lineno - 1]
    encoded = line.encode()
    before, after = encoded[: last.col_offset].decode(), encoded[last.col_offset :].decode()
    lines[last.lineno - 1] = f"{before}return {after}"
    return "\n".join(lines)


def _parse_with_returns(body: str) -> ast.Module:
    """Parse a body in which `return` may stand at the top; lines and columns are the body's own."""
    return compile(body, "<%%pipeline>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)  # type: ignore[return-value]


def _lines_inside_texts(text: str) -> set[int]:
    """Give the lines that begin inside a text of several lines: they must not be moved."""
    tree = _parse_with_returns(text)
    inside: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        if is_text and node.end_lineno is not None and node.end_lineno > node.lineno:  # type: ignore[attr-defined]
            inside.update(range(node.lineno + 1, node.end_lineno + 1))  # type: ignore[attr-defined]
    return inside
