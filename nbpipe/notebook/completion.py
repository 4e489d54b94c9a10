"""Tab in our lines: flags and names behind our cell magics, words and names behind `%nbpipe`, columns in a query.

What there is to name is asked of `commands.completing`. Where a line is ours and nothing is known, the
word stays as it is: were nothing answered, IPython would offer what Python means by it, and take its
time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from nbpipe.commands import arguments
from nbpipe.commands.completing import begun_in, completions, names_of
from nbpipe.define.first_line import magic_on
from nbpipe.notebook.kernel import Kernel
from nbpipe.services.queryable import columns_by_view

_TAG, _MODEL, _PIPELINE, _STEP, _TEXT = arguments.TAG, arguments.MODEL, arguments.PIPELINE, arguments.STEP, "TEXT"
# Each option of a first line with what stands behind it, if anything does.
OPTIONS = {
    "step": {
        "--tag": _TAG,
        "--no-cache": "",
        "--retries": _TEXT,
        "--retry-delay": _TEXT,
        "--retry-backoff": _TEXT,
        "--timeout": _TEXT,
        "--after": _STEP,
        "--define": "",
        "--help": "",
    },
    "params": {"--name": _PIPELINE, "--tag": _TAG, "--model": _MODEL, "--help": ""},
    "pipeline": {"--tag": _TAG, "--model": _MODEL, "--no-cache": "", "--help": ""},
    "catalog": {"--help": ""},
}
# `%nbpipe`, also where its answer is given a name: `run = %nbpipe run`.
_COMMAND = re.compile(r"\s*(?:[^\W\d][\w.]*\s*=\s*)?%nbpipe\s")
_COMMENT = re.compile(r"#\|\s*(\w*)$")
_LAST_WORD = re.compile(r"\w*$")
_WORDS_OF_SQL = (
    *("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING", "DESC", "AND"),
    *("count(*)", "max(", "min(", "avg("),
)


def suggestions(line: str, kernel: Kernel, above: str = "") -> tuple[str, Sequence[str]] | None:
    """Give what may stand at the end of `line`, and the part of it that each takes the place of.

    Args:
        line: The line as far as the cursor.
        kernel: The notebook.
        above: The lines above it in its cell.

    Returns:
        `None` where the line is none of ours.
    """
    command = _COMMAND.match(line)
    if command is not None:
        rest = line[command.end() :]
        return begun_in(rest), completions(rest, len(rest), kernel)
    magic, said = magic_on(line.lstrip())
    if magic:
        return _on_first_line(magic, said, line, kernel)
    comment = _COMMENT.match(line)
    if comment is not None and not above.strip():
        return comment[1], [word for word in ("step", "params", "pipeline") if word.startswith(comment[1])]
    if magic_on(above.lstrip().partition("\n")[0])[0] == "catalog":
        return _in_query(line, above)
    return None


def _on_first_line(magic: str, said: str, line: str, kernel: Kernel) -> tuple[str, Sequence[str]] | None:
    if not said and not line[-1].isspace():
        # The magic itself is still being written, and IPython knows its name.
        return None
    begun = "" if line[-1].isspace() else begun_in(said)
    words = said.removesuffix(begun).split()
    known = OPTIONS[magic]
    wanted = known.get(words[-1], "") if words else ""
    if wanted:
        return begun, _names(wanted, begun, kernel)
    options = [word for word in known if word.startswith(begun)]
    is_name = not words and not begun.startswith("-")
    names = _names(_STEP, begun, kernel) if magic == "step" and is_name else []
    return begun, [*names, *options]


def _names(wanted: str, begun: str, kernel: Kernel) -> list[str]:
    if wanted == _STEP:
        return [step for step in sorted(kernel.session.steps) if step.startswith(begun)]
    return names_of(wanted, begun, kernel) if wanted != _TEXT else []


def _in_query(line: str, above: str) -> tuple[str, Sequence[str]]:
    """Give views, the columns of those that the query names, and words of SQL."""
    found = _LAST_WORD.search(line)
    begun = found[0] if found is not None else ""
    views = columns_by_view()
    named = [view for view in views if re.search(rf"\b{view}\b", f"{above}\n{line.removesuffix(begun)}")]
    columns = dict.fromkeys(column for view in named or views for column in views[view])
    before = line.removesuffix(begun).rstrip().casefold()
    if before.endswith(("from", "join")):
        words = [*views]
    else:
        words = [*columns] if before.endswith(".") else [*columns, *views, *_WORDS_OF_SQL]
    return begun, [word for word in dict.fromkeys(words) if word.casefold().startswith(begun.casefold())]


def completer_for(kernel: Kernel) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Make the matcher that IPython asks."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def nbpipe_matcher(context: CompletionContext) -> SimpleMatcherResult:
        line = context.line_with_cursor[: context.cursor_position]
        lines = context.full_text.splitlines()[: context.cursor_line]
        offered = suggestions(line, kernel, "\n".join(lines))
        if offered is None:
            return SimpleMatcherResult(completions=[])
        begun, found = offered
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text=word, type="nbpipe") for word in found or [begun]],
            matched_fragment=begun,
            suppress=True,
        )

    return nbpipe_matcher  # type: ignore[no-any-return]
