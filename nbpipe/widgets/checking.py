"""Whether the values in a form will do, and what to say of each that will not.

Pure: values go in, checked values or sentences come out. The rules are the model's own; a rule of
the user's that raises is a sentence too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.errors import ParameterError
from nbpipe.records.parameters import Parameters

TOGETHER = "value"  # where `records.base.problems_of` puts what concerns no single field


@dataclass(frozen=True, slots=True)
class Assessment:
    """What came of a check.

    Attributes:
        values: The value of every parameter, of its declared type; `None` if some will not do.
        problems: A sentence for each that will not, by dotted name.
    """

    values: Mapping[str, Any] | None
    problems: Mapping[str, str]


def assess(parameters: Parameters, values: Mapping[str, Any], unreadable: Mapping[str, str]) -> Assessment:
    """Check what a form shows.

    Args:
        parameters: What is wanted.
        values: The values that could be read, by name.
        unreadable: What is wrong with those that could not, by dotted name.
    """
    try:
        checked = parameters.check(values)
        found: dict[str, str] = {}
    except ParameterError as error:
        checked, found = {}, error.problems
    except Exception as error:  # noqa: BLE001 — a user's validator may raise anything; a form must tell, not break
        checked, found = {}, {TOGETHER: f"a rule of the model failed: {type(error).__name__}: {error}"}
    if not unreadable:
        return Assessment(checked, {}) if not found else Assessment(None, found)
    # Those left out were missing, or stood at their defaults, which nobody sees: nothing follows from that.
    left_out = {path.partition(".")[0] for path in unreadable}
    kept = {path: said for path, said in found.items() if path in values and path not in left_out}
    kept |= {path: said for path, said in found.items() if path.partition(".")[0] in values and path not in kept}
    return Assessment(None, {**unreadable, **kept})


def by_field(problems: Mapping[str, str], paths: Collection[str]) -> dict[str, str]:
    """Give each problem to the innermost field that it is about; what is about none goes under `""`."""
    told: dict[str, list[str]] = {}
    for path, said in problems.items():
        place = path
        while place and place not in paths:
            place = place.rpartition(".")[0]
        rest = path[len(place) :].strip(".") if place else path
        is_named = bool(rest) and rest != TOGETHER and not rest.isidentifier()
        told.setdefault(place, []).append(f"{rest} {said}" if is_named else said)
    return {place: "; ".join(dict.fromkeys(said)) for place, said in told.items()}
