"""A snapshot as one readable module: what `nbpipe snapshot show --code` prints.

Cells come in the percent form that editors and Jupytext read; functions come as functions. The
text runs by itself, in plain Python and where no run is recording.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping

from nbpipe.errors import DefinitionError
from nbpipe.records.parameters import HIDDEN
from nbpipe.records.snapshots import FieldText, SnapshotContent, StepText
from nbpipe.snapshot.literals import imports_for
from nbpipe.source.decorators import without_decorators
from nbpipe.source.indenting import indented
from nbpipe.source.names import names_of
from nbpipe.source.pieces import Piece
from nbpipe.source.syntax import expression_tree, syntax_tree

# What a step says of itself and of what it gives; where no run is recording there is nobody to say it to.
_SAYING = frozenset(
    {
        "ArtifactConfig",
        "Model",
        "StorageSize",
        "Tag",
        "UnmaterializedArtifact",
        "Uri",
        "add_tags",
        "log_metadata",
        "remove_tags",
    }
)

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


_WITH = '''
import inspect as _inspect


def _with(function, defaults, values):
    """Give a step the defaults that its signature checks, and the values that the snapshot sets."""

    def call(*args, **kwargs):
        given = _inspect.signature(function).bind_partial(*args, **kwargs)
        given.arguments = {**defaults, **given.arguments, **values}
        return function(*given.args, **given.kwargs)

    return call
'''.strip()


_STEP = '''
_ANYTHING = object()
_NOT_TAKEN = type("NotTaken", (), {"__repr__": lambda _: "<not taken>"})()


class _Step:
    """A step that can be mapped over lists and called under conditions."""

    def __init__(self, function, outputs=0, asked=()):
        self.function, self.outputs, self.asked = function, outputs, asked

    def when(self, value, *, equals=_ANYTHING):
        return _Step(self.function, self.outputs, (*self.asked, (value, equals, True)))

    def unless(self, value, *, equals=_ANYTHING):
        return _Step(self.function, self.outputs, (*self.asked, (value, equals, False)))

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs) if self._is_taken(args, kwargs) else self._untaken()

    def map(self, *lists, **fixed):
        if not self._is_taken(lists, fixed):
            return self._untaken()
        results = [self.function(*items, **fixed) for items in zip(*lists, strict=True)]
        if not self.outputs:
            return results
        return tuple([result[place] for result in results] for place in range(self.outputs))

    def _is_taken(self, args, kwargs):
        values = (*args, *kwargs.values(), *(value for value, _, _ in self.asked))
        return not any(value is _NOT_TAKEN for value in values) and all(
            bool(value if equals is _ANYTHING else value == equals) is wanted for value, equals, wanted in self.asked
        )

    def _untaken(self):
        return (_NOT_TAKEN,) * self.outputs if self.outputs else _NOT_TAKEN
'''.strip()
_EITHER = "def {name}(*branches):\n    return next((one for one in branches if one is not _NOT_TAKEN), _NOT_TAKEN)"
_OF_STEPS = frozenset({"map", "when", "unless"})


def module_text(content: SnapshotContent) -> str:
    """Write a snapshot's pipeline as a module that runs by itself.

    Raises:
        DefinitionError: Its text is none that this Python reads.
    """
    try:
        return _written(content)
    except SyntaxError as error:
        raise DefinitionError(
            f"The snapshot of {content.pipeline} cannot be read by this Python: {error.msg} (line {error.lineno})."
        ) from None


def _written(content: SnapshotContent) -> str:
    title = json.dumps(f"{content.pipeline}, as it was frozen.", ensure_ascii=False)
    head = [f'""{title}""', *_future(content), *_imports(content)]
    body = _cells(content) if content.body is None else _functions(content, content.body)
    return "\n\n".join([*head, *_local_modules(content), *body]) + "\n"


def _imports(content: SnapshotContent) -> list[str]:
    of_steps = [field.python for fields in content.step_parameters.values() for field in fields]
    needed = imports_for([*(field.python for field in content.parameters), *of_steps])
    return ["\n".join(needed)] if needed else []


def _future(content: SnapshotContent) -> list[str]:
    is_lazy = any(piece.lazy_annotations for piece in content.library)
    is_lazy = is_lazy or any(text.lazy_annotations for text in content.texts)
    return ["from __future__ import annotations"] if is_lazy else []


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
    in_force: dict[str, str] = {}

    def new_of(needed: Iterable[Piece]) -> list[str]:
        # A name may mean another thing for a later cell than for an earlier one.
        new = [piece for piece in needed if any(in_force.get(name) != piece.digest for name in piece.binds)]
        in_force.update({name: piece.digest for piece in new for name in piece.binds})
        return _pieces(new)

    values = "\n".join(_assigned(field) for field in content.parameters)
    # Everything that a run executes is shown, so that who reads the module has read it all.
    used = {place for text in content.steps for place in (*text.pieces, *text.late_pieces)}
    written = new_of(piece for place, piece in enumerate(content.library) if place not in used)
    if values:
        said = "".join(f"#   {line}\n" for line in content.parameters_text.strip().splitlines())
        head = f"# %% parameters\n# As %%params says it:\n{said}" if said else "# %% parameters\n"
        written += [*new_of(_leant_on(content, values)), head + values]
    for text in content.steps:
        before, after = _for_this_cell(content, text)
        needed = [content.library[place] for place in (*text.pieces, *text.late_pieces)]
        written += [*new_of(needed), f"# %% {text.name}\n{before}{text.text.strip()}{after}"]
    return written


def _assigned(field: FieldText) -> str:
    if field.required or _is_hidden(field):
        return f'raise SystemExit("{field.name} has no value: write {field.name} = … in place of this line.")'
    return f"{field.name} = {_python(field)}"


def _leant_on(content: SnapshotContent, text: str) -> list[Piece]:
    """Give the pieces of the library that a text leans on, and those that these lean on, in their order."""
    wanted, known = set(names_of(syntax_tree(text)).reads), set[int]()
    while True:
        found = {n for n, piece in enumerate(content.library) if n not in known and wanted & set(piece.binds)}
        if not found:
            return [content.library[n] for n in sorted(known)]
        known |= found
        wanted |= {name for n in found for name in names_of(syntax_tree(content.library[n].text)).reads}


def _for_this_cell(content: SnapshotContent, text: StepText) -> tuple[str, str]:
    """Write what comes before and after a cell for which the snapshot sets values of its own."""
    before = after = ""
    for name, value in _told_alone(content, text.name).items():
        before += f"_{name}, {name} = {name}, {value}  # the snapshot sets it for this cell alone\n"
        after += f"\n{name} = _{name}"
    return before, after


def _told_alone(content: SnapshotContent, step: str) -> dict[str, str]:
    """Give the values that the snapshot sets for all calls of one step, as Python."""
    nodes = [node.id for node in content.graph.nodes if node.step == step]
    told: list[dict[str, str]] = []
    for node in nodes:
        said = {**content.configuration.step_values.get(step, {}), **content.configuration.step_values.get(node, {})}
        fields = {field.name: _python(field) for field in content.step_parameters.get(node, ())}
        told.append({name: fields[name] for name in said if name in fields})
    first = told[0] if told else {}
    return {name: value for name, value in first.items() if all(one.get(name) == value for one in told)}


def _functions(content: SnapshotContent, body: StepText) -> list[str]:
    steps = [_plain(text) for text in content.steps]
    renamed = [
        f"{text.variable} = {text.entry}" for text in content.steps if text.variable != text.entry and text.entry
    ]
    told = [line for text in content.steps if (line := _with_values(content, text))]
    helper = [_WITH] if told else []
    wrapped = _wrapped(content, body)
    hooks = [f"# {hook.text.name}: called where a run is recorded.\n{_function(hook.text)}" for hook in content.hooks]
    made = [*renamed, *helper, *told, *wrapped]
    # Before the steps: one of them may have the name of a step, and is not called here.
    return [*_pieces(content.library), *hooks, *steps, *made, _plain(body), _main(content, body)]


def _wrapped(content: SnapshotContent, body: StepText) -> list[str]:
    """Give the steps what they need to be mapped or called under conditions, where that is done."""
    texts = [body.text, *(content.library[place].text for place in (*body.pieces, *body.late_pieces))]
    asked = {
        node.attr
        for text in texts
        for node in ast.walk(syntax_tree(text))
        if isinstance(node, ast.Attribute) and node.attr in _OF_STEPS
    }
    if not asked:
        return []
    return [_STEP, "\n".join(f"{text.variable} = _Step({text.variable}{_outputs(text)})" for text in content.steps)]


def _outputs(text: StepText) -> str:
    """Say how many values a function returns as a tuple; nothing if it returns one."""
    node = None if text.kind == "cell" else syntax_tree(text.text).body[0]
    returns = node.returns if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
    if isinstance(returns, ast.Constant) and isinstance(returns.value, str):
        returns = expression_tree(returns.value)
    match returns:
        case ast.Subscript(value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=items)) if not any(
            isinstance(item, ast.Constant) and item.value is ... for item in items
        ):
            return f", {len(items)}"
    return ""


def _main(content: SnapshotContent, body: StepText) -> str:
    missing = [field.name for field in content.parameters if field.required]
    # A secret is not kept; a function has its own default.
    kept = [field for field in content.parameters if not field.required and not _is_hidden(field)]
    given = [f"{field.name}={_python(field)}" for field in kept]
    call = f"print({body.entry}({', '.join([*given, *(f'{name}={name}' for name in missing)])}))"
    lines = [f'raise SystemExit("{name} has no value: write {name} = … in place of this line.")' for name in missing]
    return "\n    ".join(['if __name__ == "__main__":', *lines, call])


def _with_values(content: SnapshotContent, text: StepText) -> str:
    """Write the line that gives a step values of its own, where it has any that a plain call would not have."""
    if text.kind == "cell":
        return ""
    told = _told_alone(content, text.name)
    defaults = {name: value for name, value in _checked_defaults(text).items() if name not in told}
    if not (told or defaults):
        return ""
    return f"{text.variable} = _with({text.variable}, {_dict(defaults)}, {_dict(told)})"


def _checked_defaults(text: StepText) -> dict[str, str]:
    """Give, as Python, the defaults that stand within a rule: 0.1 of `rate: float = Field(0.1, ge=0)`."""
    node = syntax_tree(text.text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a step's text is one function"
    positional = [*node.args.posonlyargs, *node.args.args]
    pairs = [
        *zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ]
    found = {argument.arg: _within_rule(default) for argument, default in pairs}
    return {name: value for name, value in found.items() if value}


def _within_rule(default: ast.expr | None) -> str:
    if not isinstance(default, ast.Call) or ast.unparse(default.func).rpartition(".")[2] != "Field":
        return ""
    named = {keyword.arg: ast.unparse(keyword.value) for keyword in default.keywords}
    if default.args:
        return ast.unparse(default.args[0])
    return named.get("default") or (f"{named['default_factory']}()" if "default_factory" in named else "")


def _dict(values: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}}"


def _pieces(pieces: Iterable[Piece]) -> list[str]:
    return [_silenced(piece.text.rstrip()) for piece in pieces]


def _silenced(text: str) -> str:
    match syntax_tree(text).body:
        case [ast.ImportFrom(module="nbpipe", names=[ast.alias(name="either", asname=asname)])]:
            return _EITHER.format(name=asname or "either")
        case [ast.ImportFrom(module="nbpipe", names=[ast.alias(name=name, asname=asname)])] if name in _SAYING:
            return f'def {asname or name}(*said, **to):\n    """Keep nothing: no run is recording here."""'
    return text


def _plain(text: StepText) -> str:
    return _cell_as_function(text) if text.kind == "cell" else _function(text)


def _cell_as_function(text: StepText) -> str:
    names = names_of(syntax_tree(text.text))
    gives = text.gives if text.gives is not None else tuple(name for name in names.binds if name not in names.deletes)
    given = dict.fromkeys((*gives, *text.changed))
    body = indented(text.text.strip("\n"))
    return f"def {text.variable}({', '.join(text.inputs)}):\n{body}\n    return {', '.join(given) or None}"


def _function(text: StepText) -> str:
    node = syntax_tree(text.text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a step's text is one function"
    return without_decorators(text.text, node, text.decorators)[0].strip()


def _is_hidden(field: FieldText) -> bool:
    return field.python is None and field.value == HIDDEN


def _python(field: FieldText) -> str:
    return repr(field.value) if field.python is None else field.python
