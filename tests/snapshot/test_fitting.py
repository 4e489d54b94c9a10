"""What is told of another environment: what is missing stops a run, all else is told in a few lines."""

from __future__ import annotations

from typing import Any

from nbpipe.records.snapshots import Environment
from nbpipe.snapshot.fitting import Here, compare, differences
from nbpipe.source.closure import ModuleUse


def recorded(python: str = "3.11.7", platform: str = "linux-x86_64", **packages: str) -> Environment:
    return Environment(python=python, implementation="cpython", platform=platform, packages=packages)


def here(python: str = "3.11.9", platform: str = "linux-x86_64", **versions: Any) -> Here:
    return Here(python, "cpython", platform, versions)


def test_what_steps_import_and_is_not_here_is_missing_and_the_rest_is_told() -> None:
    found = compare(
        recorded(pandas="3.0", numpy="2.0", six="1.0", unused="1.0"),
        {"pandas": "3.0", "Gone": "1.5"},
        here(pandas="3.1", numpy="2.1", six=None, gone=None),
    )

    assert found.missing == ("Gone 1.5 is not installed",)
    assert found.other == ("pandas is 3.1, was 3.0", "numpy is 2.1, was 2.0", "six is not here, was 1.0")


def test_an_equal_environment_is_told_nothing_of() -> None:
    assert compare(recorded(pandas="3.0"), {"pandas": "3.0"}, here(pandas="3.0")).other == ()


def test_another_python_and_another_platform_are_told_and_a_patch_release_is_not() -> None:
    told = compare(recorded(), {}, here("3.12.1", "macosx-14.0-arm64")).other

    assert told == ("Python is 3.12.1, was 3.11.7", "the platform is macosx-14.0-arm64, was linux-x86_64")
    assert compare(recorded(platform="macosx-13.0-arm64"), {}, here(platform="macosx-14.0-arm64")).other == ()
    assert compare(recorded(), {}, Here("3.11.7", "pypy", "linux-x86_64", {})).other == ("Python is pypy, was cpython",)


def test_many_differences_are_told_in_a_few_lines_with_what_is_imported_first() -> None:
    packages = {f"p{n}": "1" for n in range(40)}
    found = compare(recorded(**packages), {"p39": "1"}, here(**dict.fromkeys(packages, "2")))

    assert found.other[0] == "p39 is 2, was 1"
    assert found.other[-1] == "36 more packages have other versions"
    assert len(found.other) == 5


def test_what_imported_packages_require_here_is_looked_at_and_nothing_else() -> None:
    use = ModuleUse(name="pandas", distribution="pandas", version="0.1")
    found = differences(recorded(numpy="0.1", pytest="0.1"), [use])

    assert any(line.startswith("pandas is ") for line in found.other)
    assert any(line.startswith("numpy is ") for line in found.other)
    assert not any("pytest" in line for line in found.other)


def test_a_module_that_no_package_owns_is_missed_too() -> None:
    use = ModuleUse(name="nowhere_at_all", distribution="", version="")

    assert differences(recorded(), [use]).missing == ("nowhere_at_all is not here",)
