"""The parameters of a notebook: the body of `%%params` as a pydantic model.

Annotated assignments only. `Field`, the typing names and the date names are there without an
import; whatever else an annotation needs must be defined in the notebook.
"""

from __future__ import annotations

import ast
import datetime as dates
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pydantic

from nbpipe.errors import DefinitionError
from nbpipe.records.base import shorten
from nbpipe.records.parameters import ParameterModel, Parameters
from nbpipe.source.syntax import syntax_tree

GIVEN: dict[str, Any] = {
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    **{name: getattr(dates, name) for name in ("date", "datetime", "time", "timedelta")},
    "Decimal": Decimal,
    "Enum": Enum,
    "Field": pydantic.Field,
    "Path": Path,
    "SecretStr": pydantic.SecretStr,
}


def parameters_from_text(subject: str, text: str, namespace: Mapping[str, Any]) -> Parameters:
    """Read the body of `%%params`.

    Args:
        subject: Whose parameters they are.
        text: The body.
        namespace: What the notebook defines.

    Raises:
        DefinitionError: It does not compile, holds something besides annotated assignments, or a default
            does not fit its own type.
    """
    try:
        tree = syntax_tree(text)
    except SyntaxError as error:
        raise DefinitionError(f"%%params does not compile: {error.msg} (line {error.lineno}).") from None
    statements = [statement for statement in tree.body if not _is_text(statement)]
    for statement in statements:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            raise DefinitionError(
                f"%%params takes annotated assignments only, as in `rate: float = 0.1` (line {statement.lineno})."
            )
    body = statements or [ast.Pass()]
    base = ast.Name("__nbpipe_base__", ast.Load())
    model = ast.ClassDef(name="Parameters", bases=[base], keywords=[], body=body, decorator_list=[])
    if "type_params" in model._fields:
        model.type_params = []  # type: ignore[attr-defined]
    module = ast.fix_missing_locations(ast.Module([model], []))
    scope = {**GIVEN, **namespace, "__nbpipe_base__": ParameterModel, "__name__": "nbpipe_parameters"}
    try:
        exec(compile(module, "<%%params>", "exec", dont_inherit=True), scope)  # noqa: S102 — the user's own cell
    except Exception as error:  # noqa: BLE001 — whatever the user's own defaults raise
        raise DefinitionError(f"%%params cannot be read: {type(error).__name__}: {shorten(str(error), 160)}.") from None
    parameters = Parameters(subject, scope["Parameters"])
    parameters.check({}, partial=True)
    return parameters


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
