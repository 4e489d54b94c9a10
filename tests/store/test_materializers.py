"""Which materializer writes a value, and which reads it back."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbpipe.errors import ArtifactUnreadableError, BadValueError
from nbpipe.store import materializers
from nbpipe.store.materializers import REGISTRY, Materializers, label_of, register_materializer
from nbpipe.store.objects import Pickle
from nbpipe.store.plain import Json
from tests.store.trials import shown
from tests.store.values import Order, Point


@pytest.fixture
def registry(monkeypatch):
    """Give a registry for one test, in the place of the process's."""
    mine = Materializers([Pickle(), Json()])
    monkeypatch.setattr(materializers, "REGISTRY", mine)
    return mine


def plain_text(label: str, *types: type | str, version: int = 1) -> type:
    return type(
        "Written",
        (),
        {
            "name": label,
            "version": version,
            "types": types,
            "pickled": False,
            "encode": lambda self, value: [label.encode()],
            "decode": lambda self, data, loading: label,
        },
    )


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (1, ["json", "pickle"]),
        ("a", ["text", "json", "pickle"]),
        (b"a", ["bytes", "json", "pickle"]),
        (Path("a"), ["files", "json", "pickle"]),
        (np.zeros(1), ["npy", "records", "pickle"]),
        (np.float64(1), ["numpy-scalar", "json", "pickle"]),
        (pd.DataFrame(), ["arrow", "pickle"]),
        (pd.Timestamp(0), ["json", "pickle"]),
        (Order(number=1), ["pydantic", "pickle"]),
        (Point(1.0), ["pickle"]),
        (datetime, ["pickle"]),
    ],
    ids=shown,
)
def test_a_value_is_offered_along_its_ancestry_and_last_of_all_pickled(value, names):
    offered = [materializer.name for materializer in REGISTRY.for_type(type(value))]

    assert list(dict.fromkeys(offered)) == names


def test_the_last_registered_is_asked_first_and_a_nearer_class_before_a_further(registry):
    register_materializer(plain_text("for objects", object))
    register_materializer(plain_text("for points", "tests.store.values.Point"))

    assert [m.name for m in registry.for_type(Point)] == ["for points", "for objects", "pickle"]


def test_registering_again_under_a_name_replaces(registry):
    register_materializer(plain_text("mine", Point))
    register_materializer(plain_text("mine", Path, version=2))

    assert [m.name for m in registry.for_type(Point)] == ["pickle"]
    assert label_of(registry.reading("a", "mine@2")) == "mine@2"


@pytest.mark.parametrize("label", ["unknown@1", "json@2", "json", "", "os.system@1"])
def test_a_record_names_a_materializer_that_is_here_in_its_version_or_cannot_be_read(label):
    with pytest.raises(ArtifactUnreadableError):
        REGISTRY.reading("'a'", label)


def test_a_class_that_is_no_materializer_is_refused_and_told_what_it_lacks():
    with pytest.raises(BadValueError, match="lacks version, types, pickled, encode, decode"):
        register_materializer(type("Half", (), {"name": "half"}))
    with pytest.raises(BadValueError, match="@"):
        register_materializer(plain_text("a@b", Point))


def test_nothing_heavy_is_imported_to_keep_and_load_what_is_plain(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.store.store import Store\n"
        f"store = Store(WorkspacePaths(Path({str(tmp_path)!r})))\n"
        "outputs = {'a': 1, 'b': [1, 'x'], 'c': 'y' * 9999, 'd': {1: (2,)}}\n"
        "kept = store.keep(outputs, made_by='s', background=True).settled()\n"
        "store.load_all(kept.versions); [store.handed_over(v) for v in (1, [2])]; store.preview({'a': 1})\n"
        "heavy = ('numpy', 'pandas', 'pyarrow', 'sklearn', 'matplotlib', 'PIL', 'duckdb')\n"
        "print([name for name in heavy if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"
