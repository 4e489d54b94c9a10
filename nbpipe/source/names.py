"""The names that a piece of Python reads, binds, deletes and may change.

Order counts: a name that an earlier statement certainly binds is no longer read from
outside; one that is bound only in a branch, a loop or a `try` may still be. Where the text
cannot tell, the answer is "it may". What a function reads is read when it is called, so it
does not count if the piece itself binds it, unless the function is mentioned before that.

This module knows statements and control flow. Scopes are `source.reading`; where a name that
is read comes from is `source.closure`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nbpipe.source.reading import Account, Reading
from nbpipe.source.scopes import bound_by_alias, names_bound_by

_For: TypeAlias = ast.For | ast.AsyncFor
_Pattern: TypeAlias = ast.MatchAs | ast.MatchStar | ast.MatchMapping

_OTHER_MEANS = frozenset({"globals", "locals", "vars", "exec", "eval"})
_LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one piece of Python; lines are counted from 1.

    Attributes:
        reads: Names that may be read from outside before they are bound here, with the first line
            that does. Builtins are among them, and what functions, lambdas, comprehensions and
            class bodies leave free.
        binds: Names that the piece may bind, with the first line that does; a name that only
            `except … as` binds is gone afterwards and not among them.
        deletes: Names that are certainly deleted in the end.
        touches: Names whose objects may be changed in place: a part of them is set or deleted, a
            method is called, they are passed to a call. Aliases are not followed.
        star_imports: Modules of `from … import *`.
        certain: Those of `binds` that are bound in the end, whatever happens.
        declared: Those of `binds` that only a `global` in a function binds.
        late: Those of `reads` that are read only when a function of the piece is called.
        soft: Those of `reads` that stand only in annotations that nobody need evaluate.
        changes: Those of `touches` that a statement of the piece itself changes: it sets or deletes
            a part, or is nothing but a method call.
    """

    reads: Mapping[str, int]
    binds: Mapping[str, int]
    deletes: frozenset[str]
    touches: frozenset[str]
    star_imports: tuple[str, ...]
    certain: frozenset[str]
    declared: frozenset[str]
    late: frozenset[str]
    soft: frozenset[str]
    changes: frozenset[str]


def names_of(tree: ast.Module | Sequence[ast.stmt], *, lazy_annotations: bool | None = None) -> Names:
    """Give the names of a module or of some of its statements.

    Args:
        tree: A module, or statements in their order.
        lazy_annotations: Whether annotations are left unevaluated; by default, whether `tree`
            itself begins with `from __future__ import annotations`.
    """
    statements = tree.body if isinstance(tree, ast.Module) else tree
    if lazy_annotations is None:
        lazy_annotations = has_lazy_annotations(statements)
    flow = _Flow(lazy_annotations=lazy_annotations)
    for statement in statements:
        flow.visit(statement)
        flow.account.once_bound |= flow.account.bound
    flow.finish()
    return _as_names(flow.account)


def binds_by_other_means(names: Names) -> bool:
    """Tell whether a piece may bind names that its text does not show: `globals()["x"] = 1`, `exec("x = 1")`."""
    return not _OTHER_MEANS.isdisjoint(names.reads)


def has_lazy_annotations(statements: Iterable[ast.stmt]) -> bool:
    """Tell whether `from __future__ import annotations` is among `statements`."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in statements
    )


def _as_names(account: Account) -> Names:
    soft = {name: line for name, line in account.soft.items() if name not in account.once_bound}
    return Names(
        reads={**soft, **account.late, **account.reads},
        binds=account.binds,
        deletes=frozenset(account.deletes),
        touches=frozenset(account.touches),
        star_imports=tuple(account.star_imports),
        certain=frozenset(account.bound & account.binds.keys()),
        declared=frozenset(account.declared),
        late=frozenset(account.late.keys() - account.reads.keys()),
        soft=frozenset(soft.keys() - account.reads.keys() - account.late.keys()),
        changes=frozenset(account.changes),
    )


class _Flow(Reading):
    """Reading, with statements in the order and under the conditions in which they run."""

    def __init__(self, *, lazy_annotations: bool) -> None:
        super().__init__(lazy_annotations=lazy_annotations)
        self._is_conditional = False
        self._visitors |= {
            ast.Assign: self._assign,
            ast.AugAssign: self._assign_augmented,
            ast.AnnAssign: self._assign_annotated,
            ast.Delete: self._delete,
            ast.Expr: self._expression,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.If: self._if,
            ast.While: self._while,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.Match: self._match,
            ast.MatchAs: self._capture,
            ast.MatchStar: self._capture,
            ast.MatchMapping: self._capture,
        }
        if sys.version_info >= (3, 12):
            self._visitors[ast.TypeAlias] = self._type_alias

    # --- plain statements --------------------------------------------------------------

    def _assign(self, node: ast.Assign) -> None:
        match node.targets, node.value:
            case [ast.Name(id=name)], ast.Lambda():
                self.lambda_named(name, node.value)
            case _:
                self.visit_all([node.value, *node.targets])

    def _assign_augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.touch(node.target, certainly=True)
            self.read(node.target.id, node.lineno)
        self.visit_all([node.value, node.target])

    def _assign_annotated(self, node: ast.AnnAssign) -> None:
        self.annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def _type_alias(self, node: Any) -> None:
        self.annotation(node.value)
        self.visit(node.name)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name) and not self.is_in_function:
                self.account.bound.discard(target.id)
                if not self._is_conditional:
                    self.account.deletes.add(target.id)

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self.touch(node.value.func.value, certainly=True)
        self.visit(node.value)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = "." * getattr(node, "level", 0) + (getattr(node, "module", "") or "")
        if module == "__future__":
            return
        for alias in node.names:
            if alias.name == "*":
                self.account.star_imports.append(module)
            else:
                self.bind(bound_by_alias(alias, node), node.lineno)

    # --- what may or may not run -------------------------------------------------------

    def _if(self, node: ast.If) -> None:
        self.visit(node.test)
        before = set(self.account.bound)
        self._join(before, [self._block(node.body, before), self._block(node.orelse, before)])

    def _while(self, node: ast.While) -> None:
        self.visit(node.test)
        self._loop(node)

    def _for(self, node: _For) -> None:
        self.visit(node.iter)
        self._loop(node, node.target)

    def _loop(self, node: ast.While | _For, *targets: ast.expr) -> None:
        before = set(self.account.bound)
        end = self._block([*targets, *node.body], before)
        kept = before if end is None else before & end
        self._block(node.orelse, kept)
        self.account.bound = kept

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.account.bound)
        ends = [self._block([*node.body, *node.orelse], before)]
        ends += [self._block([part], before, body=part.body, hidden=part.name) for part in node.handlers]
        self._join(before, ends)
        after = set(self.account.bound)
        # It may begin when hardly anything ran; what follows it is only reached when all did.
        self._block(node.finalbody, before & after, is_certain=True)
        end = self._block(node.finalbody, after, is_certain=True)
        self.account.bound = after if end is None else end

    def _match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        before = set(self.account.bound)
        ends = [self._block([case], before, body=case.body) for case in node.cases]
        last = node.cases[-1]
        is_complete = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        self._join(before, ends if is_complete else [*ends, before])

    def _capture(self, node: _Pattern) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        for name in names_bound_by(node):
            self.bind(name, node.lineno)

    def _block(
        self,
        nodes: Sequence[ast.AST],
        before: set[str],
        *,
        body: Sequence[ast.stmt] | None = None,
        hidden: str | None = None,
        is_certain: bool = False,
    ) -> set[str] | None:
        """Read `nodes` from the state `before` and give the state after them.

        Args:
            nodes: What may run.
            before: Names certainly bound when it begins.
            body: The statements that tell whether the block leaves; `nodes` themselves if not given.
            hidden: A name that is bound while the block runs and unbound after it.
            is_certain: The block runs whatever happens.

        Returns:
            Names certainly bound when it ends, or `None` if it leaves and nothing follows it.
        """
        account = self.account
        account.bound = set(before)
        if hidden is not None:
            account.bound.add(hidden)
        former, self._is_conditional = self._is_conditional, self._is_conditional or not is_certain
        self.visit_all(nodes)
        self._is_conditional = former
        if hidden is not None:
            account.bound.discard(hidden)
        final = body if body is not None else nodes
        return None if final and isinstance(final[-1], _LEAVES) else set(account.bound)

    def _join(self, before: set[str], ends: Iterable[set[str] | None]) -> None:
        reached = [end for end in ends if end is not None]
        self.account.bound = set.intersection(*reached) if reached else before
