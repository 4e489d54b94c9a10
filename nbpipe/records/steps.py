"""Steps as they are written: their options, what their outputs are called, and what they are made of.

What a step *did* is a record of a run; this is what it *is*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from nbpipe.errors import ArtifactError
from nbpipe.records.base import Record, plain_name
from nbpipe.records.tags import Tag, as_tags

LONGEST_BACKOFF_S = 600.0


class ArtifactConfig(Record):
    """How an output is kept: its artifact's name and tags.

    `Annotated[pd.DataFrame, ArtifactConfig(name="raw_data", tags=["dataset"])]`.
    """

    name: str | None = None
    tags: tuple[Tag, ...] = ()

    @field_validator("name", mode="before")
    @classmethod
    def _is_name(cls, name: object) -> str | None:
        return None if name is None else plain_name("artifact", name)

    @field_validator("tags", mode="before")
    @classmethod
    def _are_tags(cls, tags: Any) -> tuple[Tag, ...]:
        return as_tags(tags)


class StepOptions(Record):
    """How a step is run; none of it but `cache` and `expiry_s` decides whether it is.

    Attributes:
        cache: Whether an equal execution may be reused.
        retries: How many times a failing step is tried again.
        retry_delay_s: How long to wait before the first of these, in seconds.
        retry_backoff: By what that is multiplied before each later one; ten minutes are never exceeded by it.
        timeout_s: How long it may run, in seconds; `None` for as long as it takes.
        tags: Tags for the run's step outputs.
        after: Steps that must be done first though nothing flows from them.
        expiry_s: For how long an execution may be reused, in seconds; `None` for ever.
        resources: Hints for an executor, such as `{"cpu": 2}`.
    """

    cache: bool = True
    retries: int = Field(default=0, ge=0, le=1000)
    retry_delay_s: float = Field(default=0.0, ge=0)
    retry_backoff: float = Field(default=1.0, ge=1, le=1000)
    timeout_s: float | None = Field(default=None, gt=0)
    tags: tuple[Tag, ...] = ()
    after: tuple[str, ...] = ()
    expiry_s: float | None = Field(default=None, gt=0)
    resources: dict[str, float] = Field(default_factory=dict)

    def delay_before_s(self, retry: int) -> float:
        """Say how long to wait before a retry, the first of which is 1, in seconds."""
        # A power of many digits is no float any more; it is far beyond what is waited.
        grown = self.retry_backoff ** min(retry - 1, 100)
        return min(self.retry_delay_s * grown, max(self.retry_delay_s, LONGEST_BACKOFF_S))

    @cached_property
    def said(self) -> str:
        """All that was said of them in one text, the same for the same options; nothing, if nothing was."""
        return repr(self) if self.model_fields_set else ""

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the backoff out where there is none: what was written before there was any keeps its digest."""
        said: dict[str, Any] = write(self)
        return {name: value for name, value in said.items() if name != "retry_backoff" or value != 1}

    @field_validator("tags", mode="before")
    @classmethod
    def _are_tags(cls, tags: Any) -> tuple[Tag, ...]:
        return as_tags(tags)


@dataclass(frozen=True, slots=True)
class UnmaterializedArtifact:
    """A pointer to an artifact version. As a step's input annotation it asks for the pointer, and nothing is loaded.

    Attributes:
        id: The version's id.
        name: The artifact's name.
        version: Its number; `None` while the run that made it goes on.
        type: The type of the value.
        digest: The digest of its content.
    """

    id: str
    name: str
    version: int | None
    type: str
    digest: str

    def load(self) -> Any:
        """Refuse: a pointer loads nothing by itself; `load_artifact(pointer.id)` does."""
        raise ArtifactError(f"{self.name} was asked for as a pointer; call load_artifact({self.id!r}) to load it.")
