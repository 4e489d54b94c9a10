"""Tab in our lines: flags and steps behind `%%step`, words and names behind `%nbpipe`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from nbpipe.commands.dispatch import completions
from nbpipe.define.first_line import magic_on
from nbpipe.notebook.kernel import Kernel

_OPTIONS = {
    "step": (
        "--tag",
        "--no-cache",
        "--retries",
        "--retry-delay",
        "--retry-backoff",
        "--timeout",
        "--after",
        "--define",
        "--help",
    ),
    "params": ("--name", "--tag", "--model", "--help"),
    "pipeline": ("--tag", "--model", "--no-cache", "--help"),
}


def suggestions(line: str, kernel: Kernel) -> Sequence[str]:
    """Give what may stand at the end of `line`, each as the whole of its last word."""
    word, _, rest = line.partition(" ")
    if word == "%nbpipe":
        return completions(rest, len(rest), kernel)
    magic, said = magic_on(line)
    if magic not in _OPTIONS or (not said and not line.endswith(" ")):
        return ()
    words = [*said.split(" "), *([""] if said and line.endswith(" ") else [])]
    last = words[-1]
    after_option = words[-2] if len(words) > 1 else ""
    names = sorted(kernel.session.steps) if magic == "step" else []
    options: Sequence[str] = names if after_option == "--after" else [*names, *_OPTIONS[magic]]
    return [word for word in options if word.startswith(last)]


def completer_for(kernel: Kernel) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Make the matcher that IPython asks."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def nbpipe_matcher(context: CompletionContext) -> SimpleMatcherResult:
        line = context.line_with_cursor[: context.cursor_position]
        found: Sequence[Any] = suggestions(line, kernel) if line.startswith(("%", "#|")) else ()
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text=word, type="nbpipe") for word in found],
            matched_fragment=line.rpartition(" ")[2],
            suppress=bool(found),
        )

    return nbpipe_matcher  # type: ignore[no-any-return]
