"""Lists whose items are kept already: they are named and not stored again, and come back as what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ArtifactDamagedError, ArtifactUnreadableError, UntrustedArtifactError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.store.collected import COLLECTED, digests_in
from nbpipe.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(WorkspacePaths(tmp_path / ".nbpipe").ensure())


def kept(store: Store, values: list[Any]) -> list[ArtifactVersion]:
    return [store.keep({"x": value}, made_by=f"step {place}").versions["x"] for place, value in enumerate(values)]


def collected(store: Store, values: list[Any]) -> ArtifactVersion:
    return store.collect("scores", "output", kept(store, values), made_by="step")


@pytest.mark.parametrize(
    "values", [[], [1, "a", None, True], [{"a": [1]}, (1, 2)], ["x" * 9000]], ids=["none", "scalars", "plain", "large"]
)
def test_a_list_comes_back_as_what_it_was(store: Store, values: list[Any]) -> None:
    made = collected(store, values)

    assert store.load(made) == values
    assert (made.materializer, made.type_name) == (COLLECTED, "list")
    assert [store.load(item) for item in store.items(made)] == values


def test_a_list_of_lists_comes_back(store: Store) -> None:
    inner = [collected(store, [1, 2]), collected(store, [])]

    made = store.collect("pairs", "output", inner, made_by="step")

    assert store.load(made) == [[1, 2], []]
    assert store.exists(made)


def test_no_value_is_stored_again(store: Store) -> None:
    arrays = [np.full(50_000, n) for n in range(20)]
    made = collected(store, arrays)

    assert made.size_bytes < 10_000
    assert [array[0] for array in store.load(made)] == list(range(20))


def test_equal_items_give_an_equal_digest_whoever_made_them(store: Store) -> None:
    one, same, other = collected(store, [1, 2.0]), collected(store, [1, 2.0]), collected(store, [2.0, 1])

    assert one.digest == same.digest != other.digest


def test_of_a_list_it_is_told_when_an_item_is_gone(store: Store) -> None:
    made = collected(store, ["x" * 9000, 1])
    assert store.exists(made)

    (digest,) = digests_in(memoryview(repr(made.inline).encode()))
    (store.workspace / "blobs" / digest[:2] / digest[2:]).unlink()

    assert not store.exists(made)
    with pytest.raises(ArtifactDamagedError):
        store.load(made)


def test_a_pickled_item_is_not_loaded_without_trust(store: Store) -> None:
    made = collected(store, [1, {1, frozenset({object})}])

    assert made.pickled
    with pytest.raises(UntrustedArtifactError):
        store.load(made)


def test_what_names_no_items_is_refused(store: Store) -> None:
    made = collected(store, [1])
    broken = ArtifactVersion.from_record({**made.as_record(), "inline": {"json": {"kinds": [], "items": [[3]]}}})

    with pytest.raises(ArtifactUnreadableError, match="names no items"):
        store.load(broken)


def test_the_preview_says_how_many_items_there_are_and_the_first_few(store: Store) -> None:
    assert collected(store, [1, "a", "x" * 9000]).preview["text"] == "3 items: 1, 'a', …"
    assert collected(store, list(range(1000))).preview["text"] == "1,000 items: 0, 1, 2, 3, 4, 5, 6, 7, …"
