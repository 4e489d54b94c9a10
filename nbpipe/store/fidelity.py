"""Whether what was stored comes back as it was: loaded once when it is written, and compared.

A pickle is what classes choose to tell of their instances, and says nothing of memory. Who reaches
into whose memory is mended for arrays (`store.arrays_in_memory`); what else there is shows here, before
anybody relies on it.

Compared are types, content digests and how parts are shared. Of a value without a canonical
form the walk says only what it met until it gave up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbpipe.records.artifacts import type_name_of
from nbpipe.store.content import Content

TakeContent = Callable[[Any], Content]


def what_changed(value: Any, content: Content, loaded: Any, take_content: TakeContent) -> str:
    """Say in which way `loaded` is not `value`; `""` if it is.

    Args:
        value: What was stored.
        content: Its content.
        loaded: What came back.
        take_content: Tells the content of a value.
    """
    if type(loaded) is not type(value):
        return f"it would come back as a {type_name_of(type(loaded))}"
    again = take_content(loaded)
    if again.digest != content.digest:
        return "it would come back with another content"
    return (
        ""
        if again.mutables.aliases == content.mutables.aliases
        else "its parts share memory in a way that cannot be stored"
    )


def members_changed(
    members: Mapping[str, Any], whole: Content, loaded: Sequence[Any], take_content: TakeContent
) -> dict[str, str]:
    """Give the members of a bundle that do not come back as they were, alone or beside the others, and why.

    Args:
        members: What was stored together.
        whole: The content of the list of them.
        loaded: What came back, in the same order.
        take_content: Tells the content of a value.
    """
    same_types = list(map(type, members.values())) == list(map(type, loaded))
    if (
        whole.digest is not None
        and same_types
        and not what_changed(list(members.values()), whole, list(loaded), take_content)
    ):
        return {}
    pairs = {name: (value, again) for (name, value), again in zip(members.items(), loaded, strict=True)}
    contents = {name: take_content(value) for name, value in members.items()}
    changed: dict[str, str] = {}
    alike: list[str] = []
    # A walk ends at the first value that has no form, so these are seen beside the others one by one.
    for name in sorted(pairs, key=lambda name: contents[name].digest is None):
        value, again = pairs[name]
        why = what_changed(value, contents[name], again, take_content)
        if not why and not _share_alike([*alike, name], pairs, take_content):
            other = next((other for other in alike if not _share_alike([other, name], pairs, take_content)), None)
            why = f"it shares memory with {other!r} in a way that cannot be stored"
        if why:
            changed[name] = why
        elif contents[name].digest is not None:
            alike.append(name)
    return changed


def _share_alike(names: Sequence[str], pairs: Mapping[str, tuple[Any, Any]], take_content: TakeContent) -> bool:
    before = take_content([pairs[name][0] for name in names])
    after = take_content([pairs[name][1] for name in names])
    return before.mutables.aliases == after.mutables.aliases
