"""The reference in `docs/`: made of the grammar of commands and of docstrings, so that neither is written twice.

    python -m tests.reference       writes docs/commands.md and docs/reference.md anew

`tests/test_reference.py` fails while they say something else.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import nbpipe
from nbpipe import widgets
from nbpipe.commands.grammar import PLACES, Noun, command_in, names_in, root
from nbpipe.notebook import usage
from nbpipe.services.client import Client

DOCS = Path(__file__).parents[1] / "docs"
_MAGICS = {"%%params": usage.PARAMS, "%%step": usage.STEP, "%%pipeline": usage.PIPELINE, "%%catalog": usage.CATALOG}
_SERVICES = (
    "runs",
    "pipelines",
    "artifacts",
    "models",
    "tags",
    "metadata",
    "snapshots",
    "schedules",
    "deployments",
    "tokens",
    "upkeep",
)
# Records that services give; their own module is where their class is.
_RECORDS = {
    "nbpipe.services.recorded": ("Run",),
    "nbpipe.services.step_runs": ("StepRun", "ItemRun"),
    "nbpipe.services.artifact_records": ("Artifact",),
    "nbpipe.services.versions": ("ModelVersion",),
    "nbpipe.services.model_records": ("ModelRecord",),
    "nbpipe.services.snapshot_records": ("Snapshot",),
    "nbpipe.services.schedule_records": ("ScheduleRecord", "Firing"),
    "nbpipe.services.deployment_records": ("Deployment",),
    "nbpipe.services.pipelines": ("PipelineRecord",),
    "nbpipe.services.tags": ("TagRecord",),
    "nbpipe.services.tokens": ("TokenRecord",),
    "nbpipe.services.listing": ("Listing",),
    "nbpipe.services.run_handle": ("RunHandle",),
}
_SECTION = re.compile(r"^(Args|Raises|Returns|Attributes|Yields):$")
_ITEM = re.compile(r"^(\*{0,2}[\w ,/]+?): (.*)$")


def commands_page() -> str:
    """Write the page of the command line."""
    lines = [
        "# Commands",
        "",
        "<!-- Made by `python -m tests.reference`. -->",
        "",
        "What `nbpipe` says on the command line, `%nbpipe` says in a notebook: with a widget where the terminal prints",
        "a table. `--json` answers with plain facts, `--help` works everywhere, Tab completes in a notebook.",
        "",
        *(f"* [`nbpipe {name}`](#nbpipe-{name}): {place.purpose}" for name, place in PLACES.items()),
    ]
    for name, place in PLACES.items():
        lines += ["", f"## nbpipe {name}", "", place.purpose]
        lines += [line for command in _verbs(("nbpipe", name), command_in(root(), name)) for line in command]
    lines += ["", "## In a notebook", "", "`%load_ext nbpipe` makes these magics."]
    for name, text in _MAGICS.items():
        lines += ["", f"### {name}", "", "```", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _verbs(path: tuple[str, ...], command: Any) -> Iterator[list[str]]:
    """Give what there is to know of each verb of a noun, or of a verb that stands by itself."""
    if isinstance(command, Noun):
        if command.invoke_without_command:
            yield _verb(path, command)
        for name in names_in(command):
            inner = command_in(command, name)
            # A noun within a noun is the same as by itself.
            if isinstance(inner, Noun):
                yield ["", f"`{' '.join((*path, name))} …` is [`nbpipe {name} …`](#nbpipe-{name})."]
            else:
                yield from _verbs((*path, name), inner)
        return
    yield _verb(path, command)


def _verb(path: tuple[str, ...], command: Any) -> list[str]:
    said = [p for p in command.params if p.param_type_name == "argument" and not getattr(p, "hidden", False)]
    options = [p for p in command.params if p.param_type_name == "option" and not getattr(p, "hidden", False)]
    usage_line = " ".join((*path, *(p.metavar if p.required else f"[{p.metavar}]" for p in said)))
    lines = ["", f"### {' '.join(path)}", "", _cell(command.help or ""), "", "```", usage_line, "```"]
    if [*said, *options]:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{p.metavar}` | {_cell(p.help)} |" for p in said]
        lines += [f"| `{', '.join(p.opts)}{_value(p)}` | {_cell(p.help)} |" for p in options]
    if command.epilog:
        lines += ["", "```console", *(f"$ {line}" for line in command.epilog.splitlines()), "```"]
    return lines


def _value(parameter: Any) -> str:
    return "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def reference_page() -> str:
    """Write the page of Python names."""
    names = [name for name in nbpipe.__all__ if not name.startswith("_") and name != "errors"]
    lines = [
        "# Reference",
        "",
        "<!-- Made by `python -m tests.reference`. -->",
        "",
        "Everything a program meets, from its own docstrings. What the command line says is in",
        "[commands.md](commands.md), what SQL may ask in [views.md](views.md).",
        "",
        "## `nbpipe`",
    ]
    for name in sorted(names, key=str.lower):
        lines += _member(f"nbpipe.{name}", getattr(nbpipe, name))
    lines += ["", "## `nbpipe.Client()`"]
    lines += _members("client", Client)
    for service in _SERVICES:
        kind = inspect.get_annotations(inspect.getattr_static(Client, service).fget, eval_str=False)["return"]
        lines += ["", f"## `Client().{service}`"]
        lines += _members(f"client.{service}", _service(kind))
    lines += ["", "## Records"]
    for module, classes in _RECORDS.items():
        for name in classes:
            lines += _member(name, getattr(import_module(module), name), level=3)
            lines += _members(name, getattr(import_module(module), name), level=4)
    lines += ["", "## `nbpipe.widgets`"]
    for name in sorted(widgets.__all__):
        lines += _member(f"nbpipe.widgets.{name}", getattr(widgets, name))
    lines += ["", "## `nbpipe.errors`", "", "| | |", "|---|---|"]
    for name, error in sorted(vars(nbpipe.errors).items()):
        if inspect.isclass(error) and error.__module__ == "nbpipe.errors" and issubclass(error, BaseException):
            lines.append(
                f"| `{name}({', '.join(base.__name__ for base in error.__bases__)})` | {_cell(error.__doc__)} |"
            )
    return "\n".join(lines) + "\n"


def _service(name: str) -> Any:
    for place in Path(nbpipe.__file__).parent.joinpath("services").glob("*.py"):
        module = import_module(f"nbpipe.services.{place.stem}") if f"class {name}" in place.read_text("utf-8") else None
        if module is not None and hasattr(module, name):
            return getattr(module, name)
    raise LookupError(name)


def _members(path: str, owner: Any, *, level: int = 3) -> list[str]:
    """Give what is public of a class: its methods and properties, in the order in which they are written."""
    lines: list[str] = []
    for name, member in vars(owner).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property | classmethod)):
            continue
        lines += _member(f"{path}.{name}", member, level=level)
    return lines


def _member(path: str, member: Any, *, level: int = 3) -> list[str]:
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    title = f"{path}{'' if isinstance(member, property) else _signature(function)}"
    return ["", f"{'#' * level} `{title}`", "", *_said(inspect.getdoc(member) or "")]


def _signature(member: Any) -> str:
    if inspect.isclass(member) and issubclass(member, str):
        return ""
    if inspect.isclass(member) and issubclass(member, BaseModel):
        # Records are built on first use, and say what they take from then on.
        member.model_rebuild()
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError):
        return ""
    kept = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return str(signature.replace(parameters=kept, return_annotation=signature.empty))


def _said(document: str) -> list[str]:
    """Write a docstring as Markdown: its sections as lists."""
    lines: list[str] = []
    in_section = False
    for line in inspect.cleandoc(document).splitlines():
        heading = _SECTION.match(line)
        if heading is not None:
            in_section = True
            lines += [f"*{heading[1]}*", ""]
        elif in_section and line.startswith("    ") and not line.startswith("     "):
            item = _ITEM.match(line.strip())
            lines.append(f"* `{item[1]}`: {item[2]}" if item is not None else f"* {line.strip()}")
        elif in_section and line.strip():
            lines.append(f"  {line.strip()}")
        else:
            in_section = in_section and not line.strip()
            lines.append(line.rstrip())
    return lines


PAGES = {"commands.md": commands_page, "reference.md": reference_page}


def main() -> None:
    """Write all pages anew."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
