"""The grammar: which nouns and verbs there are, their help, and what is said about a mistyped one.

A noun is a module; it is imported when it is asked for, so that nobody waits for what he does
not use. Help is plain text, the same in a terminal and in a notebook. Every mistake comes out
as a `BadValueError` that names the nearest valid word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from nbpipe.commands.answers import Answer, Started, sentence
from nbpipe.commands.calling import current_call
from nbpipe.errors import BadValueError, Interrupted, nearest

HELP = ("-h", "--help")
# The base of everything that the parser refuses; it has a public child only.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
_SETTINGS = {"help_option_names": list(HELP), "terminal_width": 80}


Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word of the grammar is written, and what it is for."""

    module: str
    purpose: str


PLACES = {
    "new": Place("nbpipe.commands.new", "Write a notebook to begin with."),
    "demo": Place("nbpipe.commands.demo", "Run a notebook top to bottom, and tell what came of it."),
    "run": Place("nbpipe.commands.run", "Run a pipeline or a snapshot."),
    "runs": Place("nbpipe.commands.runs", "List, show and compare runs."),
    "adopt": Place("nbpipe.commands.adopt", "Copy an ordinary notebook as a pipeline, and compare the two."),
    "pipeline": Place("nbpipe.commands.pipelines", "List and show pipelines."),
    "snapshot": Place("nbpipe.commands.snapshots", "Freeze pipelines and run them again."),
    "schedule": Place("nbpipe.commands.schedules", "Have snapshots run at instants to come."),
    "scheduler": Place("nbpipe.commands.scheduler", "Start, stop and look at what fires schedules."),
    "deploy": Place("nbpipe.commands.deploy", "Serve a pipeline or a snapshot over HTTP."),
    "deployment": Place("nbpipe.commands.deployments", "List, call, stop and restart what is served."),
    "model": Place("nbpipe.commands.models", "List, show, compare and promote model versions."),
    "artifact": Place("nbpipe.commands.artifacts", "List and show artifacts, and where they come from."),
    "tag": Place("nbpipe.commands.tags", "Put tags on things, and take them off."),
    "server": Place("nbpipe.commands.server", "Serve the workspace: a REST API, and pages for a browser."),
    "token": Place("nbpipe.commands.tokens", "Make, list and revoke the tokens that open the server."),
    "catalog": Place("nbpipe.commands.catalog", "Ask the catalog, check it and rebuild it."),
    "doctor": Place("nbpipe.commands.doctor", "Look the installation and the workspace over."),
    "init": Place("nbpipe.commands.init", "Make the workspace, and say where its values are to lie."),
    "version": Place("nbpipe.commands.version", "Say which nbpipe this is."),
}
_EPILOG = """nbpipe adopt analysis.ipynb
nbpipe run flow.py --set rate=0.2
nbpipe snapshot create flow.py --name nightly
nbpipe snapshot run nightly
nbpipe runs list"""


class HelpAsked(Exception):
    """Somebody asked for help, which stands in the message."""


class Verb(TyperCommand):
    """A command; its epilog holds examples, one a line."""

    def explain(self, words: Sequence[str]) -> str:  # noqa: ARG002 — for those that have something to say
        """Say what there is to know of what the words name, below the help."""
        return ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, unless help is asked for."""
        said = args[: args.index("--")] if "--" in args else args
        if any(word in HELP for word in said):
            more = self.explain(said)
            raise HelpAsked(f"{ctx.get_help().rstrip()}\n\n{more}" if more else ctx.get_help())
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 — the parser's own signature
        """Write the examples."""
        write_examples(self.epilog, formatter)


class RunVerb(Verb):
    """A command that runs what it names: its help tells what that takes."""

    def explain(self, words: Sequence[str]) -> str:
        """Say which parameters there are."""
        from nbpipe.commands.parameter_help import parameter_help

        return parameter_help(words)


class Noun(TyperGroup):
    """A group of commands; asked for nothing, it gives its help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the first word, unless help is asked for."""
        if (not args and not self.invoke_without_command) or (args and args[0] in HELP):
            raise HelpAsked(ctx.get_help())
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command, or say which one is nearest."""
        known = self.list_commands(ctx)
        if args[0] in known:
            return args[0], self.get_command(ctx, args[0]), args[1:]
        near = nearest(args[0], known)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
        raise BadValueError(f"{ctx.command_path} has no command {_shown(args[0])}. {hint}")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 — the parser's own signature
        """Write the examples."""
        write_examples(self.epilog, formatter)


class Root(Noun):
    """`nbpipe` itself: a noun whose commands lie in modules of their own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the first word; `--version` is one of them."""
        return super().parse_args(ctx, ["version", *args[1:]] if args[:1] == ["--version"] else args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 — the parser's own signature
        """Name the nouns."""
        return list(PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 — the parser's own signature
        """Import a noun."""
        return _noun_of(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 — the parser's own signature
        """Write what each noun is for, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.purpose) for name, place in PLACES.items()])


@cache
def _noun_of(name: str) -> Any:
    """Make a noun of its commands, once a process: many lines of a notebook begin with the same one."""
    command = typer.main.get_command(import_module(PLACES[name].module).commands)
    command.name = name
    return command


def noun(purpose: str, *, is_asked_alone: bool = False) -> typer.Typer:
    """Make the commands of a noun.

    Args:
        purpose: Its help.
        is_asked_alone: Whether the noun without a verb is a question of its own, answered by its callback.
    """
    return typer.Typer(
        cls=Noun,
        help=purpose,
        invoke_without_command=is_asked_alone,
        add_completion=False,
        rich_markup_mode=None,
        context_settings=_SETTINGS,
    )


def verbs() -> typer.Typer:
    """Make the place of a command that stands by itself, such as `doctor`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def verb(group: typer.Typer, name: str, *examples: str, cls: type[Verb] = Verb) -> Callable[[Command], Command]:
    """Make a function a command of `group`: its signature is the grammar, its docstring the help."""
    return group.command(name, cls=cls, epilog="\n".join(examples), context_settings=_SETTINGS)


def root() -> Root:
    """Give the whole grammar."""
    return Root(
        name="nbpipe",
        help="Pipelines from the notebook you already have: recorded, cached, tagged, promoted and re-run.",
        epilog=_EPILOG,
        rich_markup_mode=None,
        context_settings=_SETTINGS,
    )


def ask(arguments: Sequence[str]) -> Answer | Started:
    """Let the command that `arguments` name answer.

    Raises:
        BadValueError: An unknown command or option, or an argument too few or too many.
        NbpipeError: What the command says.
        KeyboardInterrupt: It was interrupted; a run that it had begun was stopped.
    """
    try:
        came = root().main(list(arguments), prog_name="nbpipe", standalone_mode=False)
    except HelpAsked as asked:
        return sentence(str(asked).rstrip())
    except UsageError as error:
        raise BadValueError(refusal(error)) from None
    if isinstance(came, Answer | Started):
        return came
    # The parser makes an exit code of an interrupt, and nobody is left who would wait for a run that began.
    call = current_call()
    for handle in call.begun:
        handle.stop()
    for handle in call.begun:
        handle.wait_quietly()
    raise Interrupted if call.begun or call.told else KeyboardInterrupt


def refusal(error: Any) -> str:
    """Say in two lines what the parser refused, and what would do."""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else "nbpipe"
    if hasattr(error, "possibilities"):
        wrong = str(error.option_name)
        near = nearest(wrong, options_of(ctx.command) if ctx is not None else [])
        hint = f"Did you mean {near[0]}?" if near else f"See `{path} --help`."
        return f"{path} has no option {_shown(wrong)}. {hint}"
    said = " ".join(str(error.format_message()).split()).rstrip(".")
    return f"{path}: {said[:1].lower()}{said[1:]}. See `{path} --help`."


def names_in(group: Noun) -> list[str]:
    """Name the commands of a noun."""
    return group.list_commands(typer.Context(group))


def command_in(group: Noun, name: str) -> Any:
    """Give a command of a noun by its name."""
    return group.get_command(typer.Context(group), name)


def options_of(command: Any) -> list[str]:
    """Give the long options of a command."""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    named = [name for parameter in shown for name in parameter.opts if name.startswith("--")]
    return [*named, "--help"]


def write_examples(examples: str | None, formatter: Any) -> None:
    """Write examples line by line: they are not prose, and are not wrapped."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _shown(word: str) -> str:
    return repr(word if len(word) <= 60 else f"{word[:59]}…")
