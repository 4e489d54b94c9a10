"""The command line: `nbpipe NOUN VERB …`.

What there is to be asked, and who answers, is `commands`; here an answer is printed, a mistake
is told in two lines, and both become an exit code: 0 ok, 1 the pipeline failed, 2 usage or a
bad value, 3 not found, 4 conflict, 5 the workspace cannot be used, 6 the environment does not fit.
"""

from __future__ import annotations

import codecs
import gc
import os
import re
import shutil
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from nbpipe.commands.answers import Answer, Started
from nbpipe.commands.calling import Call, Reporter, calling
from nbpipe.commands.grammar import ask
from nbpipe.commands.moving import Moving
from nbpipe.commands.progress import Lines
from nbpipe.errors import Interrupted, NbpipeError, RunInterruptedError, StepFailedError
from nbpipe.views.markup import plain

if TYPE_CHECKING:
    from nbpipe.services.scheduler_process import SchedulerSettings
    from nbpipe.services.serving_settings import ServerSettings

FAILED = 1
_UNUSABLE = 5
_STOPPED = "Stopped; what was done before is kept."
_ROOM_IN_A_PIPE = 1000
_NEW_OBJECTS_UNTIL_COLLECTION = 10_000
_LONGEST_LINE = 600
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_IN_PLAIN_SIGNS = "nbpipe-in-plain-signs"
_PLAIN = dict(zip("✓↺✗△■○◐–⊘─│←→↳…·•×−≥≤", "+=x!#oo-/-|<>`..*x-><", strict=True))
_SIGNS = {"green": "✓", "cyan": "↺", "bold red": "✗", "yellow": "■△"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer a command line and give its exit code.

    Args:
        arguments: The words after `nbpipe`; those of this process if not given.
    """
    if arguments is None:
        # The process is ours. A short command took a twelfth of its time to look for garbage among modules.
        gc.set_threshold(_NEW_OBJECTS_UNTIL_COLLECTION)
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    try:
        code = _answer(words, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has read enough; the interpreter must not find that out again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return code


def _answer(words: list[str], out: TextIO) -> int:
    # What steps print is no part of the JSON.
    progress = sys.stderr if "--json" in words else out
    call = Call(reporter=_reporter(progress), width=_width(out))
    try:
        with redirect_stdout(progress), calling(call):
            answer = _asked(words, call)
        if isinstance(answer, int):
            return answer
        if answer.serving is not None:
            return _serve(answer.serving, call)
        if answer.scheduling is not None:
            return _schedule(answer.scheduling, call)
        _show(answer, out)
        return answer.exit_code
    except NbpipeError as error:
        return _tell(error)
    except KeyboardInterrupt:
        _say(_STOPPED)
        return FAILED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 — the last to hear of it; a page of our frames helps nobody
        return _tell_of_ours(error)
    finally:
        call.opened.close()


def _serve(settings: ServerSettings, call: Call) -> int:
    """Serve the workspace until somebody ends that."""
    from nbpipe.server.running import serve

    serve(settings, call.opened.client, _say)
    return 0


def _schedule(settings: SchedulerSettings, call: Call) -> int:
    """Fire schedules until somebody ends that."""
    from nbpipe.services.scheduler_process import run_scheduler

    run_scheduler(call.opened.client.workspace, settings, _say)
    return 0


def _asked(words: list[str], call: Call) -> Answer | int:
    try:
        came = ask(words)
    except Interrupted:
        _say(_STOPPED)
        return _broken(call)
    return came if isinstance(came, Answer) else _waited(came, call)


def _waited(started: Started, call: Call) -> Answer | int:
    """Wait for a run; whatever it raises is the pipeline's failure, not the command's."""
    try:
        return started.wait()
    except NbpipeError as error:
        _tell(error, run_id=started.handle.id)
    except KeyboardInterrupt as interrupt:
        if not isinstance(interrupt, Interrupted):
            # It came before anybody waited, so nobody has stopped the run.
            started.handle.stop()
            started.handle.wait_quietly()
        _say(_STOPPED)
    return _broken(call)


def _broken(call: Call) -> Answer | int:
    """Give the facts of a run that did not complete, if they are asked for."""
    if not call.told:
        return FAILED
    from nbpipe.commands.running import facts_of_broken

    return facts_of_broken(call.told[-1])


def _show(answer: Answer, out: TextIO) -> None:
    if out.isatty() and not answer.as_json:
        _show_in_colour(answer.text, out)
    else:
        print(answer.text, file=out)
    if answer.note:
        _say(answer.note)


def _show_in_colour(text: str, out: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    # What comes from somebody's code or data may not move the cursor over what was shown before.
    shown = Text(_STEERING.sub(lambda letter: f"\\x{ord(letter[0]):02x}", text))
    for style, signs in _SIGNS.items():
        shown.highlight_regex(rf"[{signs}] \w+", style)
    shown.highlight_regex(r"─+", "dim")
    Console(file=out, highlight=False, soft_wrap=True).print(shown)


def _tell(error: NbpipeError, *, run_id: str = "") -> int:
    """Say what went wrong in two lines; a failing step's own frames go before them."""
    if isinstance(error, StepFailedError) and error.traceback_text:
        _say(plain(error.traceback_text).rstrip())
    lines = [plain(line).strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = [lines[0], "; ".join(re.sub(r"\s{2,}", " ", line) for line in lines[1:])]
    if run_id and not said[1]:
        said[1] = f"See it with `nbpipe runs show {run_id[:8]}`; go on from it with `nbpipe runs resume {run_id[:8]}`."
    _say(*(_cut(line) for line in said if line))
    return FAILED if isinstance(error, RunInterruptedError) else error.exit_code


def _tell_of_ours(error: Exception) -> int:
    """Say an error that nobody foresaw, and where it arose; `python -X dev -m nbpipe …` shows all of it."""
    if sys.flags.dev_mode:
        traceback.print_exc()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}, line {frame.lineno}"
    _say(_cut(plain(f"nbpipe failed: {type(error).__name__}: {' '.join(str(error).split())} ({where})")))
    return _UNUSABLE


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


def _reporter(stream: TextIO) -> Reporter:
    # On a terminal that cannot move its cursor, nothing would be seen before the end.
    can_move = stream.isatty() and os.environ.get("TERM", "") != "dumb"
    return Moving(stream) if can_move else Lines(stream)


def _width(out: TextIO) -> int:
    return shutil.get_terminal_size((100, 24)).columns if out.isatty() else _ROOM_IN_A_PIPE


def _never_fail_to_encode(stream: TextIO) -> None:
    """Have a terminal that does not know a sign show a plain one in its place, or a question mark."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        codecs.register_error(_IN_PLAIN_SIGNS, _in_plain_signs)
        reconfigure(errors=_IN_PLAIN_SIGNS)


def _in_plain_signs(error: UnicodeError) -> tuple[str, int]:
    """Write what cannot be encoded by signs that every terminal has, each as wide as what it stands for."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


if __name__ == "__main__":
    sys.exit(main())
