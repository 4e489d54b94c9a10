"""Which outputs must be stored together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.store.content_walk import Mutables
from nbpipe.store.sharing import sharing_groups

PARTS = st.builds(
    lambda ids, ranges: Mutables(frozenset(ids), tuple((first, first + length) for first, length in ranges)),
    st.sets(st.integers(0, 12), max_size=3),
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 10)), max_size=3),
)


def share(one: Mutables, other: Mutables) -> bool:
    return bool(one.ids & other.ids) or any(a < d and c < b for a, b in one.ranges for c, d in other.ranges)


@given(parts=st.dictionaries(st.text("abcdef", min_size=1, max_size=2), PARTS, max_size=8))
def test_groups_are_the_connected_parts_of_what_shares(parts):
    groups = sharing_groups(parts)

    assert sorted(name for group in groups for name in group) == sorted(parts)
    for group in groups:
        reached, waiting = {group[0]}, [group[0]]
        while waiting:
            name = waiting.pop()
            near = [other for other in parts if other not in reached and share(parts[name], parts[other])]
            reached.update(near)
            waiting.extend(near)
        assert reached == set(group)


def test_names_and_groups_keep_their_order():
    shared, alone = Mutables(frozenset({1})), Mutables()

    assert sharing_groups({"z": shared, "m": alone, "a": shared}) == [["z", "a"], ["m"]]


def test_memory_that_only_touches_is_not_shared():
    assert sharing_groups({"a": Mutables(ranges=((0, 8),)), "b": Mutables(ranges=((8, 16),))}) == [["a"], ["b"]]
