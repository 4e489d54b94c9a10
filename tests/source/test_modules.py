from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nbpipe.errors import DefinitionError
from nbpipe.source.modules import modules_used


def write(folder: Path, **texts: str) -> list[str]:
    """Write modules into `folder` (`a_b` is module `b` of package `a`, `a_` its init) and give the search path."""
    for name, text in texts.items():
        package, _, module = name.rpartition("_")
        path = folder / package / f"{module or '__init__'}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [str(folder)]


def test_the_standard_library_and_nbpipe_are_nothing():
    used = modules_used(["os.path", "json", "sys", "nbpipe.errors", "__main__"])

    assert used.installed == used.local == ()


@pytest.mark.parametrize(
    ("name", "distribution"),
    [("numpy.random", "numpy"), ("yaml", "PyYAML"), ("_pytest", "pytest"), ("pydantic", "pydantic")],
)
def test_an_installed_package_is_known_by_distribution_and_version(name, distribution):
    (use,) = modules_used([name]).installed

    assert use.name == name.partition(".")[0]
    assert (use.distribution.lower(), use.version) == (distribution.lower(), version(distribution))


def test_an_installed_package_is_not_imported_to_be_found():
    before = set(sys.modules)

    modules_used(["nbconvert", "sklearn"])

    assert not {"nbconvert", "sklearn"} & (set(sys.modules) - before)


def test_a_module_that_is_nowhere_is_left_out():
    used = modules_used(["no_such_module_here", "json.no_such"])

    assert used.installed == used.local == ()


def test_local_modules_are_carried_with_all_that_they_import(tmp_path):
    path = write(
        tmp_path,
        first="import second, json\nfrom package import deep\n",
        second="def f():\n    import third\n",
        third="x = 1\n",
        package_="from .near import y\n",
        package_near="from . import other\ny = 1\n",
        package_other="",
        package_deep="from ..first import z\nimport numpy\n",
        package_unused="",
    )

    used = modules_used(["first"], search_path=path)

    names = ["first", "package", "package.deep", "package.near", "package.other", "second", "third"]
    assert [module.name for module in used.local] == names
    assert [module.is_package for module in used.local] == [name == "package" for name in names]
    assert [use.name for use in used.installed] == ["numpy"]


def test_a_folder_without_init_is_a_package(tmp_path):
    path = write(tmp_path, space_inner="x = 1\n")

    used = modules_used(["space.inner"], search_path=path)

    assert [(module.name, module.text) for module in used.local] == [("space", ""), ("space.inner", "x = 1\n")]


def test_a_local_file_stands_before_an_installed_package_of_its_name(tmp_path):
    path = write(tmp_path, yaml="x = 1\n")

    used = modules_used(["yaml"], search_path=path)

    assert [module.name for module in used.local] == ["yaml"]
    assert used.installed == ()


def test_comments_and_docstrings_of_a_local_module_do_not_count(tmp_path):
    plain = modules_used(["mine"], search_path=write(tmp_path / "a", mine="x = 1\n")).local[0]
    dressed = modules_used(["mine"], search_path=write(tmp_path / "b", mine="'''About.'''\nx  =  1 # one\n")).local[0]
    other = modules_used(["mine"], search_path=write(tmp_path / "c", mine="x = 2\n")).local[0]

    assert plain.digest == dressed.digest != other.digest


def test_an_edit_of_a_local_module_is_seen_at_once(tmp_path):
    path = write(tmp_path, mine="x = 1\n")
    before = modules_used(["mine"], search_path=path).local[0]

    write(tmp_path, mine="x = 2\n")

    assert modules_used(["mine"], search_path=path).local[0].digest != before.digest


def test_a_compiled_module_that_is_not_installed_is_refused(tmp_path):
    import importlib.machinery

    (tmp_path / f"fast{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"")

    with pytest.raises(DefinitionError, match="'fast' is compiled"):
        modules_used(["fast"], search_path=[str(tmp_path)])
