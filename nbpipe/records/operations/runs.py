"""Operations on runs: their end with all that moves at that moment, and the numbers of what they made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from nbpipe.records.base import Record
from nbpipe.records.changes import Change, Decision, key_of
from nbpipe.records.models import mark_outcome, version_target
from nbpipe.records.operations.base import Operation
from nbpipe.records.refs import Kind, Target
from nbpipe.records.runs import Status
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tags import Tag, as_tags, cascades, is_exclusive, put_tag

_Meant = dict[str, Tag]


@dataclass(frozen=True, slots=True)
class NamedArtifact:
    """An artifact version and the name under which it gets its number. A run has one for each step, so it is no record.

    Attributes:
        id: The version's id.
        name: The artifact's name.
    """

    id: str
    name: str

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Have pydantic look at the class only, where there is one, and write it as it would write a record."""
        text = core_schema.typed_dict_field(core_schema.str_schema())
        written = core_schema.typed_dict_schema({"id": text, "name": text}, extra_behavior="forbid")
        read = core_schema.no_info_after_validator_function(lambda said: cls(**said), written)
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), read],
            mode="left_to_right",
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda one: {"id": one.id, "name": one.name}
            ),
        )


class ArtifactTags(Record):
    """Tags that a step's output gets."""

    id: str
    name: str
    tags: tuple[Tag, ...]


class NumberArtifacts(Operation):
    """Give artifact versions their numbers: what an interactive run does after each step.

    Attributes:
        run_id: The run.
        pipeline: Its pipeline.
        made: The artifact versions that the step made, in order.
        tagged: Tags of single outputs.
        tags: Tags that the step gave the run.
    """

    kind: ClassVar[str] = "number_artifacts"
    run_id: str = ""
    pipeline: str = ""
    made: tuple[NamedArtifact, ...] = ()
    tagged: tuple[ArtifactTags, ...] = ()
    tags: tuple[Tag, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Number each version after the last of its name, and put on all tags that are not exclusive."""
        draft = Draft.over(state)
        numbers = _number(draft, self.made)
        meant = _meant(self.tags, self.tagged)
        _tag_artifacts(draft, self.tagged, meant, at, succeeded=False)
        run = Target(Kind.RUN, self.run_id, self.pipeline, self.run_id[:8])
        for tag in self.tags:
            if not is_exclusive(draft, meant[tag.name]):
                put_tag(draft, meant[tag.name], run, at)
        return Decision(tuple(draft.changes), {"numbers": numbers})


class EndRun(Operation):
    """Record how a run ended, with all that moves at that moment.

    Attributes:
        run_id: The run.
        pipeline: Its pipeline: the scope of its exclusive tags.
        status: How it ended.
        tags: The run's tags: the pipeline's own and those given in its steps.
        made: The artifact versions it made that have no number yet, in order.
        reached: Every artifact version it made or reused, in order: what cascading tags and the model reach. Left out
            where there are neither.
        tagged: Tags of single outputs.
        model_version_id: The model version it worked on, or `""`.
        model_tags: Tags of that version.
        error_step, error_type, error_message: What went wrong.
        is_part: Whether it ran a part of its pipeline only: then it moves nothing that points at the newest.
    """

    kind: ClassVar[str] = "end_run"
    run_id: str
    pipeline: str
    status: Status
    tags: tuple[Tag, ...] = ()
    made: tuple[NamedArtifact, ...] = ()
    reached: tuple[NamedArtifact, ...] = ()
    tagged: tuple[ArtifactTags, ...] = ()
    model_version_id: str = ""
    model_tags: tuple[Tag, ...] = ()
    error_step: str = ""
    error_type: str = ""
    error_message: str = ""
    is_part: bool = False

    @classmethod
    def request_id_for(cls, run_id: str) -> str:
        """Give the one request id of a run's end: a run ends once, whoever says so."""
        return f"end-{run_id}"

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Move exclusive tags only if the whole pipeline succeeded; keep everything else in any case."""
        draft = Draft.over(state)
        succeeded = self.status is Status.COMPLETED and not self.is_part
        meant = _meant(self.tags, self.tagged, self.model_tags)
        numbers = _number(draft, self.made)
        lost = self._tag_run(draft, meant, at, succeeded=succeeded)
        _tag_artifacts(draft, self.tagged, meant, at, succeeded=succeeded)
        self._cascade(draft, meant, at, succeeded=succeeded)
        self._link_model(draft, meant, at, succeeded=succeeded)
        row = {
            "id": self.run_id,
            "status": self.status.value,
            "ended": at,
            "error_step": self.error_step,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "model_version_id": self.model_version_id,
        }
        draft.put("run_state", self.run_id, row)
        return Decision(tuple(draft.changes), {"numbers": numbers, "lost": lost})

    def _tag_run(self, draft: Draft, meant: _Meant, at: str, *, succeeded: bool) -> dict[str, str]:
        target = Target(Kind.RUN, self.run_id, self.pipeline, self.run_id[:8])
        lost = {}
        for tag in (meant[tag.name] for tag in self.tags):
            if not succeeded and is_exclusive(draft, tag):
                continue
            holder = put_tag(draft, tag, target, at, from_pipeline=True)
            if holder:
                lost[tag.name] = holder
        return lost

    def _cascade(self, draft: Draft, meant: _Meant, at: str, *, succeeded: bool) -> None:
        for tag in (meant[tag.name] for tag in self.tags):
            if not cascades(draft.state, tag) or (not succeeded and is_exclusive(draft, tag)):
                continue
            for artifact in self.reached:
                target = Target(Kind.ARTIFACT_VERSION, artifact.id, artifact.name, artifact.name)
                put_tag(draft, tag, target, at, from_pipeline=True)

    def _link_model(self, draft: Draft, meant: _Meant, at: str, *, succeeded: bool) -> None:
        version = self.model_version_id
        if not version:
            return
        linked = [(Kind.RUN, self.run_id, self.pipeline)]
        linked += [(Kind.ARTIFACT_VERSION, artifact.id, artifact.name) for artifact in self.reached]
        for kind, entity_id, name in linked:
            row = {"version_id": version, "kind": kind.value, "entity_id": entity_id, "name": name}
            draft.put("model_link", key_of(version, kind.value, entity_id), row)
        completed = self.status is Status.COMPLETED
        mark_outcome(draft, version, self.run_id, pipeline=self.pipeline, succeeded=completed, is_part=self.is_part)
        made = draft.state.versions.get(version)
        if made is not None and succeeded:
            for tag in self.model_tags:
                put_tag(draft, meant[tag.name], version_target(made), at, from_pipeline=True)


def _meant(tags: tuple[Tag, ...], tagged: tuple[ArtifactTags, ...], model_tags: tuple[Tag, ...] = ()) -> _Meant:
    """Give each tag with all that any part of the run said of it: one may name what another declares."""
    outputs = (tag for output in tagged for tag in output.tags)
    return {tag.name: tag for tag in as_tags((*tags, *outputs, *model_tags))}


def _number(draft: Draft, made: tuple[NamedArtifact, ...]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    last: dict[str, int] = {}
    for artifact in made:
        name = artifact.name
        number = last[name] = (last[name] if name in last else draft.state.artifact_numbers.get(name, 0)) + 1
        # A name has one number after the other, so that only the last is to be seen by the rule's next line.
        draft.changes.append(
            Change("artifact_number", artifact.id, {"id": artifact.id, "name": name, "number": number})
        )
        numbers[artifact.id] = number
    draft.state.artifact_numbers.update(last)
    return numbers


def _tag_artifacts(draft: Draft, tagged: tuple[ArtifactTags, ...], meant: _Meant, at: str, *, succeeded: bool) -> None:
    for output in tagged:
        target = Target(Kind.ARTIFACT_VERSION, output.id, output.name, output.name)
        for tag in (meant[tag.name] for tag in output.tags):
            if succeeded or not is_exclusive(draft, tag):
                put_tag(draft, tag, target, at, from_pipeline=True)
