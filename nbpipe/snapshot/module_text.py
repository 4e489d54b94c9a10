"""A snapshot as one readable module: what `nbpipe snapshot show --code` prints.

Cells come in the percent form that editors and Jupytext read; functions come as functions. The
text runs by itself, in plain Python and where no run is recording.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nbpipe.records.snapshots import FieldText, SnapshotContent, StepText
from nbpipe.source.decorators import without_decorators
from nbpipe.source.indenting import indented
from nbpipe.source.names import names_of
from nbpipe.source.pieces import Piece

# What a step says of itself; where no run is recording there is nobody to say it to.
_SAYING = frozenset({"add_tags", "log_metadata", "remove_tags"})

_IMPORTER = '''
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.util import spec_from_loader


class LocalModules(Loader, MetaPathFinder):
    """Imports the local modules below from their text."""

    def find_spec(self, name, path=None, target=None):
        return spec_from_loader(name, self, is_package=name in PACKAGES) if name in TEXTS else None

    def exec_module(self, module):
        exec(compile(TEXTS[module.__name__], f"<{module.__name__}>", "exec"), vars(module))


sys.meta_path.insert(0, LocalModules())
'''.strip()


def module_text(content: SnapshotContent) -> str:
    """Write a snapshot's pipeline as a module that runs by itself."""
    head = [f'"""{content.pipeline}, as it was frozen."""', *_future(content), *_local_modules(content)]
    body = _cells(content) if content.body is None else _functions(content, content.body)
    return "\n\n".join([*head, *body]) + "\n"


def _future(content: SnapshotContent) -> list[str]:
    is_lazy = any(piece.lazy_annotations for piece in content.library)
    texts = [*content.steps, *([content.body] if content.body is not None else [])]
    return ["from __future__ import annotations"] if is_lazy or any(text.lazy_annotations for text in texts) else []


def _local_modules(content: SnapshotContent) -> list[str]:
    if not content.local_modules:
        return []
    packages = {module.name for module in content.local_modules if module.is_package}
    texts = [f"    {module.name!r}: {_quoted(module.text)}," for module in content.local_modules]
    return [_IMPORTER, "\n".join([f"PACKAGES = {sorted(packages)!r}", "TEXTS = {", *texts, "}"])]


def _quoted(text: str) -> str:
    is_plain = "\\" not in text and '"""' not in text and not text.endswith('"')
    return f'"""{text}"""' if is_plain else repr(text)


def _cells(content: SnapshotContent) -> list[str]:
    values = "\n".join(f"{field.name} = {_python(field)}" for field in content.parameters)
    written = [f"# %% parameters\n{values}"] if values else []
    in_force: dict[str, str] = {}
    for text in content.steps:
        # A name may mean another thing for a later cell than for an earlier one.
        needed = [content.library[place] for place in (*text.pieces, *text.late_pieces)]
        new = [piece for piece in needed if any(in_force.get(name) != piece.digest for name in piece.binds)]
        in_force |= {name: piece.digest for piece in new for name in piece.binds}
        written += [*_pieces(new), f"# %% {text.name}\n{text.text.strip()}"]
    return written


def _functions(content: SnapshotContent, body: StepText) -> list[str]:
    given = ", ".join(f"{field.name}={_python(field)}" for field in content.parameters if not field.required)
    steps = [_plain(text) for text in content.steps]
    renamed = [
        f"{text.variable} = {text.entry}" for text in content.steps if text.variable != text.entry and text.entry
    ]
    main = f'if __name__ == "__main__":\n    print({body.entry}({given}))'
    return [*_pieces(content.library), *steps, *renamed, _plain(body), main]


def _pieces(pieces: Iterable[Piece]) -> list[str]:
    return [_silenced(piece.text.rstrip()) for piece in pieces]


def _silenced(text: str) -> str:
    match ast.parse(text).body:
        case [ast.ImportFrom(module="nbpipe", names=[ast.alias(name=name, asname=asname)])] if name in _SAYING:
            return f'def {asname or name}(*said, **to):\n    """Keep nothing: no run is recording here."""'
    return text


def _plain(text: StepText) -> str:
    return _cell_as_function(text) if text.kind == "cell" else _function(text)


def _cell_as_function(text: StepText) -> str:
    names = names_of(ast.parse(text.text))
    gives = text.gives if text.gives is not None else tuple(name for name in names.binds if name not in names.deletes)
    given = dict.fromkeys((*gives, *text.changed))
    body = indented(text.text.strip("\n"))
    return f"def {text.variable}({', '.join(text.inputs)}):\n{body}\n    return {', '.join(given) or None}"


def _function(text: StepText) -> str:
    node = ast.parse(text.text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a step's text is one function"
    return without_decorators(text.text, node, text.decorators)[0].strip()


def _python(field: FieldText) -> str:
    return "...  # required" if field.required else repr(field.value)
