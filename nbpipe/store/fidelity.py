"""Whether what was stored comes back as it was: loaded once when it is written, and compared.

A pickle is what classes choose to tell of their instances, and says nothing of memory. Who reaches
into whose memory is mended for arrays (`store.arrays_in_memory`); what else there is shows here, before
anybody relies on it.

Compared are types, content digests and how parts are shared. Of a value without a canonical
form the walk says only what it met until it gave up. Where the digest of a value is another every
time it is loaded (its state holds addresses), that says nothing of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from nbpipe.records.artifacts import type_name_of
from nbpipe.store.content import Content

TakeContent = Callable[[Any], Content]


def what_changed(value: Any, content: Content, load: Callable[[], Any], take_content: TakeContent) -> str:
    """Say in which way what `load` gives is not `value`; `""` if it is, and nothing stands against storing it.

    Args:
        value: What was stored.
        content: Its content.
        load: Gives what comes back, another one each time.
        take_content: Tells the content of a value.
    """
    loaded = load()
    if type(loaded) is not type(value):
        return f"it would come back as a {type_name_of(type(loaded))}"
    again = take_content(loaded)
    if again.digest != content.digest:
        return "it would come back with another content" if take_content(load()).digest == again.digest else ""
    if again.mutables.aliases != content.mutables.aliases:
        return "its parts share memory in a way that cannot be stored"
    return ""


def members_changed(
    members: Mapping[str, Any], whole: Content, load: Callable[[], Sequence[Any]], take_content: TakeContent
) -> dict[str, str]:
    """Give the members of a bundle that do not come back as they were, alone or beside the others, and why.

    Args:
        members: What was stored together.
        whole: The content of the list of them.
        load: Gives what comes back, in the same order, another each time.
        take_content: Tells the content of a value.
    """
    loaded = load()
    if whole.digest is not None and list(map(type, members.values())) == list(map(type, loaded)):
        again = take_content(list(loaded))
        if (again.digest, again.mutables.aliases) == (whole.digest, whole.mutables.aliases):
            return {}
    names = list(members)
    contents = {name: take_content(value) for name, value in members.items()}
    pairs = {name: (value, again) for (name, value), again in zip(members.items(), loaded, strict=True)}
    changed: dict[str, str] = {}
    alike: list[str] = []
    # A walk ends at the first value that has no form, so these are seen beside the others one by one.
    for name in sorted(members, key=lambda name: contents[name].digest is None):
        why = what_changed(members[name], contents[name], _loader(loaded, load, names.index(name)), take_content)
        if not why and alike and not _share_alike([*alike, name], pairs, take_content):
            others = [other for other in alike if not _share_alike([other, name], pairs, take_content)] or alike
            why = f"it shares memory with {others[0]!r} in a way that cannot be stored"
        if why:
            changed[name] = why
        elif contents[name].digest is not None:
            alike.append(name)
    return changed


def _loader(loaded: Sequence[Any], load: Callable[[], Sequence[Any]], place: int) -> Callable[[], Any]:
    """Load one member: at first from what is there already."""
    found = chain([loaded], iter(load, None))
    return lambda: next(found)[place]


def _share_alike(names: Sequence[str], pairs: Mapping[str, tuple[Any, Any]], take_content: TakeContent) -> bool:
    before = take_content([pairs[name][0] for name in names])
    after = take_content([pairs[name][1] for name in names])
    return before.mutables.aliases == after.mutables.aliases
