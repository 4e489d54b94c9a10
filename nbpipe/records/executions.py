"""A recorded execution of a step: the body of its fact, as it stands in the log, with its `id`.

A plan asks the same execution again and again what it gave, and a step that is reused is written
down in nearly the same words each time. Both are worked out once and stay with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nbpipe.records.artifacts import ArtifactVersion


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step ran with, or is about to, for a comparison of the two.

    Attributes:
        source: The digest of its source.
        parameters: Its parameters as JSON data.
        inputs: The content digest of each input.
    """

    source: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]


def facts_in(body: Mapping[str, Any]) -> Facts:
    """Read what an execution ran with."""
    inputs = {given["name"]: given["digest"] for given in body["inputs"]}
    return Facts(body["source"], body["parameters"], inputs)


class RecordedExecution(dict[str, Any]):
    """What an execution was and gave; nobody changes it.

    Attributes:
        last_reuse: The body of the fact that last told of its reuse, as JSON without its beginning, and of what
            else that was made.
    """

    last_reuse: tuple[tuple[str, ...], bytes] = ((), b"")

    @cached_property
    def artifacts(self) -> Mapping[str, ArtifactVersion]:
        """The artifact versions that it gave, by output."""
        return {output["output"]: ArtifactVersion.from_record(output) for output in self["outputs"]}
