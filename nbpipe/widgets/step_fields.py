"""The rows of single steps: folded below the pipeline's own, built when they are first looked at.

A step's argument that nobody touched shows what the pipeline gives it for the values above; one
that was changed is an override of that step. Only what was changed is checked and run with.

This module knows steps and rows. How the pipeline's values reach its steps it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from nbpipe.commands.settable import Settable
from nbpipe.errors import ParameterError
from nbpipe.widgets import appearance
from nbpipe.widgets.fields import Field, cells, read_all, walk
from nbpipe.widgets.kinds import UNSET


class StepFields:
    """The rows of all steps of a pipeline.

    Args:
        steps: What can be set on each.
        taken: The names of the pipeline's own parameters; a step of such a name has `step ` before its own.
        react: Called after every change.
    """

    def __init__(self, steps: Mapping[str, Settable], taken: tuple[str, ...], react: Callable[[], None]) -> None:
        self._steps = steps
        self._react = react
        self._prefixes = {node: f"step {node}." if node in taken else f"{node}." for node in steps}
        self._built: dict[str, tuple[Field, ...]] = {}
        self._given = {node: dict(step.values) for node, step in steps.items()}
        self._places = list(steps)
        self.widget = widgets.Accordion(
            children=[appearance.stack([]) for _ in steps], selected_index=None, layout=appearance.layout(width="auto")
        )
        self.widget.observe(self._open, "selected_index")
        for node, step in steps.items():
            if step.required:
                self.built(node)
        self.show({})

    def built(self, node: str) -> tuple[Field, ...]:
        """Give the rows of a step, built by now."""
        if node not in self._built:
            step, given = self._steps[node], self._given[node]
            model = step.parameters.model
            self._built[node] = fields = tuple(
                Field(model, name, given.get(name, UNSET), react=self._react, prefix=self._prefixes[node])
                for name in step.parameters.names
            )
            self.widget.children[self._places.index(node)].children = (appearance.columns(cells(fields)),)
        return self._built[node]

    def find(self, path: str) -> Field | None:
        """Give the row with a dotted name, if there is one; its step is built."""
        for node, prefix in self._prefixes.items():
            if path.startswith(prefix):
                return next((field for field in walk(self.built(node)) if field.path == path), None)
        return None

    @property
    def paths(self) -> list[str]:
        """The dotted names of all rows, built or not."""
        return [f"{self._prefixes[node]}{name}" for node, step in self._steps.items() for name in step.parameters.names]

    def all_built(self) -> Iterator[Field]:
        """Walk through the rows that are built."""
        for fields in self._built.values():
            yield from walk(fields)

    def follow(self, given: Mapping[str, Mapping[str, Any]]) -> None:
        """Show what the pipeline gives its steps now, where nothing was changed by hand."""
        for node, values in given.items():
            if node not in self._given:
                continue
            known = self._given[node]
            known.update({name: value for name, value in values.items() if name in self._steps[node].parameters.names})
            for field in self._built.get(node, ()):
                if field.name in known:
                    field.follow(known[field.name])

    def assess(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Check what was changed.

        Returns:
            The overrides, as `step.name`, and a sentence for each row that will not do, by its dotted name.
        """
        overrides: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for node, fields in self._built.items():
            step, prefix = self._steps[node], self._prefixes[node]
            changed = tuple(field for field in fields if field.is_changed)
            values, unreadable = read_all(changed)
            missing = {f.name for f in fields if f.name in step.required and not f.is_changed}
            problems |= unreadable | {f"{prefix}{name}": "needs a value" for name in missing}
            checked, wrong = _checked(step, values)
            overrides |= {f"{node}.{name}": value for name, value in checked.items()}
            problems |= {f"{prefix}{name}": said for name, said in wrong.items()}
        return overrides, problems

    def reset(self) -> None:
        """Show again what every row began with."""
        for fields in self._built.values():
            for field in fields:
                field.reset()

    def show(self, told: Mapping[str, str]) -> None:
        """Say of every row, and of every step, how it stands."""
        titles = []
        for node, step in self._steps.items():
            fields = self._built.get(node, ())
            for field in walk(fields):
                field.show(told.get(field.path, ""))
            wrong = sum(1 for field in walk(fields) if told.get(field.path))
            changed = sum(field.is_changed for field in fields)
            count = len(step.parameters.names)
            facts = [f"{count} parameter{'s' * (count != 1)}"]
            facts += [f"● {changed} changed"] * bool(changed) + [f"✗ {wrong} to mend"] * bool(wrong)
            titles.append(f"{node}: {', '.join(facts)}")
        if list(self.widget.titles) != titles:
            self.widget.titles = titles

    def _open(self, change: Any) -> None:
        if change["new"] is not None:
            self.built(self._places[change["new"]])
            self._react()


def _checked(step: Settable, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Check some values of a step; what is missing beside them is no business of theirs."""
    wanted = dict(values)
    try:
        found = step.parameters.check({**step.values, **wanted}, partial=True)
    except ParameterError as error:
        wrong = {path: said for path, said in error.problems.items() if path.partition(".")[0] in wanted}
        named = {path.partition(".")[0] for path in wrong}
        if named or not wanted:
            return {}, wrong
        # What the pipeline itself gives the step is not to be judged here.
        return wanted, {}
    except Exception as error:  # noqa: BLE001 — a user's validator may raise anything; a form must tell, not break
        said = f"a rule of the model failed: {type(error).__name__}: {error}"
        return {}, dict.fromkeys(wanted, said)
    return {name: found[name] for name in wanted}, {}
