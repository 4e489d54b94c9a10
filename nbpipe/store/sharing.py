"""Which outputs must be stored together, because they share something that can be changed.

Two names may mean one list, an array and a view of it, a figure and its axes. Stored apart they
would come back as strangers, and a change to one would no longer show in the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from nbpipe.store.content_walk import Mutables


def sharing_groups(mutables: Mapping[str, Mutables]) -> list[list[str]]:
    """Sort names into groups that share nothing with each other, in the order of their first names.

    Memory counts as shared where the spans of two arrays overlap, even if their elements
    interleave.
    """
    leader = {name: name for name in mutables}

    def lead(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    owner: dict[int, str] = {}
    for name, parts in mutables.items():
        for part in parts.ids:
            leader[lead(name)] = lead(owner.setdefault(part, name))
    spans = sorted((first, behind, name) for name, parts in mutables.items() for first, behind in parts.ranges)
    reach, reaching = 0, ""
    for first, behind, name in spans:
        if first < reach:
            leader[lead(name)] = lead(reaching)
        if behind > reach:
            reach, reaching = behind, name
    groups: dict[str, list[str]] = {}
    for name in mutables:
        groups.setdefault(lead(name), []).append(name)
    return list(groups.values())
