"""What is known of a step before it runs: its source read, its inputs gathered, its keys made.

Worked out once for each plan and node, and shared by whoever runs a step: the driver of a
pipeline, and the cells of a notebook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nbpipe.execute.plan import Keys, full_key, half_key
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import AnyStep
from nbpipe.records.executions import Facts
from nbpipe.records.parameters import as_json
from nbpipe.source.closure import Source
from nbpipe.source.places import Places
from nbpipe.store.store import Store


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a step for the whole run, worked out once.

    Attributes:
        step: The step.
        source: What it is made of.
        names: The names of its outputs.
        declared: Those of them that are no inputs changed in place.
        artifact_names: The name under which each output is kept.
        is_cell: Whether it is a cell, which works on the very objects that it is given.
        declares_tags: Whether its definition gives tags to what it makes.
        half: The half key of a call without plain values.
    """

    step: AnyStep
    source: Source
    names: tuple[str, ...]
    declared: tuple[str, ...]
    artifact_names: dict[str, str]
    is_cell: bool
    half: str
    declares_tags: bool

    @classmethod
    def of(cls, step: AnyStep, seen: Places | None = None) -> Prepared:
        """Read what a step is made of; as long as that stays the same, so does the answer.

        Args:
            step: The step.
            seen: What whoever prepares many steps at once has looked at so far.

        Raises:
            UncapturedNameError: It reads a name that is no text.
        """
        source = step.source(seen)
        if step.kind == "cell":
            # Each planning makes cells of its own.
            return cls._made(step, source)
        known = _known.get(id(step))
        if known is None or known.step is not step or known.source is not source:
            if len(_known) >= _REMEMBERED:
                _known.clear()
            known = _known[id(step)] = cls._made(step, source)
        return known

    @classmethod
    def _made(cls, step: AnyStep, source: Source) -> Prepared:
        outputs = step.signature.outputs
        names = tuple(output.name for output in outputs)
        artifact_names = {output.name: output.artifact for output in outputs}
        # Whether an input is changed in place is found out by running: it cannot be part of a key.
        declared = tuple(name for name in names if name not in step.changed)
        half = half_key(source.digest, "", declared)
        declares_tags = bool(step.options.tags) or any(output.tags for output in outputs)
        return cls(step, source, names, declared, artifact_names, step.kind == "cell", half, declares_tags)


# By the step's identity, which holds as long as the step is held here.
_known: dict[int, Prepared] = {}
_REMEMBERED = 4096


NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one node.

    Attributes:
        artifacts: Those that are artifact versions.
        values: Those that are plain values.
        digests: The identity of each artifact's content; of one item of a list, of plain values too.
        out_of: Of one item of a list: the artifact out of which it was taken, by name; `""` for a plain list.
    """

    artifacts: Mapping[str, ArtifactVersion] = field(default_factory=lambda: NOTHING)
    values: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    digests: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    out_of: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    @property
    def parameters(self) -> dict[str, Any]:
        """The plain values as JSON data."""
        if not self.values:
            return {}
        return {name: as_json(value) for name, value in self.values.items()}


def half_of(prepared: Prepared, values: Mapping[str, Any], store: Store) -> str:
    """Make the half key: source and parameters."""
    if not values:
        return prepared.half
    content = store.content(dict(values)).digest or repr(sorted(values.items()))
    return half_key(prepared.source.digest, content, prepared.declared)


def keys_of(prepared: Prepared, inputs: Inputs, store: Store) -> Keys:
    """Make the keys of one execution."""
    half = half_of(prepared, inputs.values, store)
    return Keys(full_key(half, inputs.digests), half)


def facts_of(prepared: Prepared, inputs: Inputs) -> Facts:
    """Say what a step is about to run with."""
    return Facts(prepared.source.digest, inputs.parameters if inputs.values else NOTHING, inputs.digests)
