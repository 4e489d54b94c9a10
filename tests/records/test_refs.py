"""References: kind, name, version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError
from nbpipe.records.refs import EntityRef, Kind, parse_ref

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(kind=st.sampled_from(Kind), name=WORDS, version=WORDS | st.just(""))
def test_a_written_reference_reads_as_itself(kind: Kind, name: str, version: str) -> None:
    ref = EntityRef(kind, name, version)

    assert parse_ref(str(ref)) == ref
    assert parse_ref(f"  {str(ref).replace(kind, kind.upper(), 1)} ") == ref


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("iris@3", EntityRef(Kind.MODEL, "iris", "3")),
        ("a:b", EntityRef(Kind.MODEL, "a:b")),
        ("me@home@2", EntityRef(Kind.MODEL, "me@home", "2")),
        ("run:1f3a", EntityRef(Kind.RUN, "1f3a")),
        ("iris@", EntityRef(Kind.MODEL, "iris")),
    ],
)
def test_what_names_no_kind_is_of_the_default_kind(text: str, read: EntityRef) -> None:
    assert parse_ref(text, Kind.MODEL) == read


@pytest.mark.parametrize("text", ["", "  ", "iris", "model:", "model:@3", None, 7, "modle:iris"])
def test_what_points_at_nothing_is_refused(text: object) -> None:
    with pytest.raises(BadValueError):
        parse_ref(text)


def test_a_mistyped_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadValueError, match="Did you mean 'model:'"):
        parse_ref("modle:iris")
