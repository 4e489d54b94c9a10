"""Snapshots: a pipeline that can be run again with no notebook, no cell and no network.

The content holds the graph, the readable text of every step and what it leans on, the
parameters with types and defaults, the configuration and the environment. Its digest is its
identity: two snapshots may share one content, and a content that was changed no longer answers
to its name. Naming, tagging and deleting concern the row, which the catalog keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from nbpipe.base.digest import canonical_json, identity
from nbpipe.errors import BadValueError, CatalogDamagedError, CatalogNewerError
from nbpipe.graph.graph import Graph
from nbpipe.records.base import Record, shorten
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import as_json
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag
from nbpipe.source.closure import LocalModule, ModuleUse, Source
from nbpipe.source.pieces import Piece

SCHEMA = 1
_CURE = "Create the snapshot again."


class StepText(Record):
    """One step as text.

    Attributes:
        name: Its name.
        variable: The name by which the pipeline's body calls it.
        kind: Whether its text is a function or the body of a cell.
        entry: The name of its function.
        text: The text.
        options: How it is run.
        takes: For a cell: the inputs its first line names, if it names any.
        gives: For a cell: the outputs its first line names, if it names any.
        changed: For a cell: inputs that it changes in place.
        inputs: Those of the names it is given that it reads.
        decorators: Our own decorators, as its text calls them.
        lazy_annotations: It stands under `from __future__ import annotations`.
        pieces: The places in the library of the pieces that it leans on.
        late_pieces: The places of those that are executed with its body.
        modules: The installed packages that it imports.
        local_modules: The local modules that it imports.
        digest: The digest of its source.
    """

    name: str
    variable: str
    kind: Literal["function", "cell"]
    entry: str
    text: str
    options: StepOptions = StepOptions()
    takes: tuple[str, ...] | None = None
    gives: tuple[str, ...] | None = None
    changed: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    lazy_annotations: bool = False
    pieces: tuple[int, ...] = ()
    late_pieces: tuple[int, ...] = ()
    modules: tuple[str, ...] = ()
    local_modules: tuple[str, ...] = ()
    digest: str

    @classmethod
    def of(cls, source: Source, library: Mapping[str, int], **facts: Any) -> StepText:
        """Write a step down.

        Args:
            source: What it is made of.
            library: The place of each piece in the library, by its digest.
            facts: What else there is to say of it.
        """
        return cls(
            kind=source.kind,
            entry=source.entry,
            text=source.text,
            inputs=source.inputs,
            decorators=source.decorators,
            lazy_annotations=source.lazy_annotations,
            pieces=tuple(library[piece.digest] for piece in source.pieces),
            late_pieces=tuple(library[piece.digest] for piece in source.late_pieces),
            modules=tuple(use.name for use in source.modules),
            local_modules=tuple(module.name for module in source.local_modules),
            digest=source.digest,
            **facts,
        )


class HookText(Record):
    """A function that is called when a run, or a step of it, has ended.

    Attributes:
        step: The name by which the pipeline's body calls the step; `""` for a hook of the pipeline itself.
        when: On what end it is called.
        text: Its text.
    """

    step: str
    when: Literal["on_success", "on_failure"]
    text: StepText


class FieldText(Record):
    """One parameter, for people and for `config_template`.

    Attributes:
        name: Its name.
        type: Its type as text.
        required: Whether it has no default.
        value: The value that the snapshot runs with, as JSON.
        python: The same as a Python expression; `None` if there is none.
        description: What it is for.
    """

    name: str
    type: str
    required: bool = False
    value: Any = None
    python: str | None = None
    description: str = ""


class Environment(Record):
    """The interpreter and the packages that a pipeline was frozen in.

    Attributes:
        python: The version, such as `"3.11.7"`.
        implementation: `"cpython"`.
        platform: Such as `"linux-x86_64"`.
        packages: The version of every installed package, by normalised name.
        lock: The text of a `pylock.toml` by which the packages are installed again; empty in older snapshots.
    """

    python: str
    implementation: str
    platform: str
    packages: dict[str, str] = Field(default_factory=dict)
    lock: str = ""


class SnapshotContent(Record):
    """Everything that is needed to run a pipeline again.

    Attributes:
        schema_number: The form of this record.
        pipeline: The pipeline's name.
        kind: Whether its body is a function or the order of its cells.
        body: The pipeline's function.
        parameters_text: The text of `%%params`.
        graph: The graph for the snapshot's own values.
        library: The pieces that steps and body lean on, in an order in which they can be executed.
        local_modules: Local files that they import.
        modules: Installed packages that they import.
        steps: The steps, in order.
        parameters: The pipeline's parameters.
        step_parameters: What can be set on single nodes.
        configuration: What the snapshot itself says of its runs.
        tags: The pipeline's tags.
        model: The pipeline's model.
        cache: Whether equal executions may be reused.
        environment: Where it was frozen.
        folder: The folder it works in, relative to the one that holds the workspace; empty where it was frozen
            outside of that.
        hooks: What is called when a run or a step has ended.
    """

    schema_number: int = SCHEMA
    pipeline: str
    kind: Literal["function", "cells"]
    body: StepText | None = None
    parameters_text: str = ""
    graph: Graph
    library: tuple[Piece, ...] = ()
    local_modules: tuple[LocalModule, ...] = ()
    modules: tuple[ModuleUse, ...] = ()
    steps: tuple[StepText, ...] = ()
    parameters: tuple[FieldText, ...] = ()
    step_parameters: dict[str, tuple[FieldText, ...]] = Field(default_factory=dict)
    configuration: PipelineRunConfiguration = PipelineRunConfiguration()
    tags: tuple[Tag, ...] = ()
    model: ModelConfig | None = None
    cache: bool = True
    environment: Environment
    folder: str = ""
    hooks: tuple[HookText, ...] = ()

    @property
    def texts(self) -> tuple[StepText, ...]:
        """Everything that is brought to life by itself: steps, the body, and hooks."""
        body = (self.body,) if self.body is not None else ()
        return (*self.steps, *body, *(hook.text for hook in self.hooks))

    def source_of(self, text: StepText) -> Source:
        """Give what a step was made of when it was written down."""
        return Source(
            kind=text.kind,
            step=text.name,
            entry=text.entry,
            text=text.text,
            inputs=text.inputs,
            decorators=text.decorators,
            lazy_annotations=text.lazy_annotations,
            pieces=tuple(self.library[place] for place in text.pieces),
            late_pieces=tuple(self.library[place] for place in text.late_pieces),
            modules=tuple(use for use in self.modules if use.name in text.modules),
            local_modules=tuple(module for module in self.local_modules if module.name in text.local_modules),
            digest=text.digest,
        )

    def check_places(self) -> None:
        """Check that what texts lean on is there.

        Raises:
            BadValueError: A text names a piece that the library does not have.
        """
        for text in self.texts:
            for place in (*text.pieces, *text.late_pieces):
                if not 0 <= place < len(self.library):
                    raise BadValueError(f"{text.name} leans on piece {place} of {len(self.library)}.")

    def to_bytes(self) -> bytes:
        """Write the content in its one canonical form."""
        # What has no hooks is written as it was before there were any, under the same digest.
        return canonical_json(self.model_dump(mode="json", exclude=None if self.hooks else {"hooks"}))

    def config_template(self) -> PipelineRunConfiguration:
        """Give a configuration with every parameter of the pipeline and of every step at its present value; edit it."""
        return PipelineRunConfiguration(
            parameters={field.name: field.value for field in self.parameters if not field.required},
            steps={
                node: StepConfiguration(parameters={field.name: field.value for field in fields if not field.required})
                for node, fields in self.step_parameters.items()
            },
        )

    def changed_by(self, given: PipelineRunConfiguration) -> PipelineRunConfiguration:
        """Leave out of a configuration what the snapshot says itself.

        A `config_template` names every value of every step. Those that nobody edited must not stand in the way of a
        parameter of the pipeline that somebody did edit.
        """
        own = self.config_template()
        values = {name: own.steps[name].parameters for name in own.steps}
        said = self._said_of_nodes(given)
        changed: dict[str, dict[str, None]] = {}
        for node in self.graph.nodes:
            names = [name for name, value in said[node.id].items() if not _is_own(values[node.id], name, value)]
            changed.setdefault(node.step, {}).update(dict.fromkeys(names))
        steps = {name: step for name, step in given.steps.items() if not self._targets(name)}
        for node in self.graph.nodes:
            # Of several calls of a step, an edited one is told apart from the others by naming all.
            now = {**values[node.id], **said[node.id]}
            kept = {name: now[name] for name in changed[node.step] if name in now}
            if kept:
                steps[node.id] = StepConfiguration(parameters=kept)
        parameters = {
            name: value for name, value in given.parameters.items() if not _is_own(own.parameters, name, value)
        }
        return given.model_copy(update={"parameters": parameters, "steps": steps})

    def _targets(self, name: str) -> list[str]:
        return [node.id for node in self.graph.nodes if name in (node.id, node.step)]

    def _said_of_nodes(self, given: PipelineRunConfiguration) -> dict[str, dict[str, Any]]:
        said: dict[str, dict[str, Any]] = {node.id: {} for node in self.graph.nodes}
        called = {node.step for node in self.graph.nodes}
        # As with any override: what is said of one call is stronger than what is said of all calls of its step.
        for name in sorted(given.steps, key=lambda name: name not in called):
            for node in self._targets(name):
                said[node].update(given.steps[name].parameters)
        return said


def _is_own(own: Mapping[str, Any], name: str, value: Any) -> bool:
    written = as_json(value)
    return name in own and type(written) is type(own[name]) and bool(written == own[name])


def digest_of(data: bytes) -> str:
    """Give the digest that names a content: SHA-256 over its canonical form, as a snapshot."""
    return identity("snapshot", data)


def read_content(data: bytes, digest: str, place: Any) -> SnapshotContent:
    """Read a content and check that it is the one that is meant.

    Raises:
        CatalogDamagedError: It does not answer to its digest, or is none.
        CatalogNewerError: A newer nbpipe wrote it.
    """
    found = digest_of(data)
    if found != digest:
        why = f"it should have digest {digest[:12]}… but has {found[:12]}…"
        raise CatalogDamagedError(place, why, cure=_CURE)
    try:
        plain = json.loads(data)
        number = plain["schema_number"]
        if number > SCHEMA:
            raise CatalogNewerError(place, number, SCHEMA)
        content = SnapshotContent.read(plain)
        content.check_places()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CatalogDamagedError(place, f"it holds no snapshot: {shorten(str(error))}", cure=_CURE) from None
    return content
