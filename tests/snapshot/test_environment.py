"""The captured environment: all that is installed, nothing of the machine, and quick the second time."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from nbpipe.base.cache import cache_folder
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot import environment
from nbpipe.snapshot.environment import captured_environment, files_known_to_uv, this_environment
from nbpipe.snapshot.installed import Installed, fingerprint, installed
from nbpipe.snapshot.lock import Lock, Locked, read_lock, write_lock
from nbpipe.snapshot.rebuilding import Interpreter, environment_of
from tests.snapshot.wheels import make_wheel, only_from


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path / "cache"))


def test_all_that_is_installed_is_in_it_but_what_only_installs_and_what_travels_as_text() -> None:
    found = this_environment()
    lock = read_lock(found.lock)

    assert found.packages["pydantic"] == metadata.version("pydantic")
    assert {"pydantic", "pandas", "duckdb"} <= {*lock.packages}
    assert "pip" in found.packages
    assert "pip" not in lock.packages
    assert all(found.packages[name] == one.version for name, one in lock.packages.items())


def test_nothing_of_this_machine_is_in_it() -> None:
    text = this_environment().model_dump_json()

    for trace in (sys.prefix, str(Path.home()), "file:", "/simple", str(Path(metadata.__file__).parent)):
        assert trace not in text
    addresses = {word.partition('"')[0].split("/")[2] for word in text.split("https://")[1:] for word in [f"//{word}"]}
    assert {address for address in addresses if address} <= {"", "files.pythonhosted.org", "github.com"}


def test_it_is_captured_once_and_again_when_something_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    captures: list[Environment] = []

    def counted() -> Environment:
        captures.append(captured_environment())
        return captures[-1]

    monkeypatch.setattr(environment, "captured_environment", counted)
    first, second = this_environment(), this_environment()
    folder = tmp_path / "site"
    (folder / "tiny_one-1.0.dist-info").mkdir(parents=True)
    (folder / "tiny_one-1.0.dist-info" / "METADATA").write_text("Name: tiny-one\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(folder))

    third = this_environment()

    assert first == second
    assert len(captures) == 2
    assert third.packages["tiny-one"] == "1.0"
    assert read_lock(third.lock).packages["tiny-one"].digests == ()


def test_a_capture_in_the_cache_that_cannot_be_read_is_made_anew() -> None:
    first = this_environment()
    (kept,) = cache_folder("locks").iterdir()

    kept.write_text('{"python": 3}')

    assert this_environment() == first


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path / "file"))

    assert read_lock(this_environment().lock).packages


def test_without_uv_there_are_names_and_versions_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    text = captured_environment().lock
    lock = read_lock(text)

    assert lock.packages
    assert {one.name for one in lock.unverified} == {one.name for one in lock.packages.values() if not one.repository}
    assert "packages" not in tomllib.loads(text) or lock.packages


ORIGINS = {
    "an index": (None, {"is_local": False}),
    "a checkout": ({"url": "file:///home/x", "dir_info": {"editable": True}}, {"is_local": True, "is_editable": True}),
    "a folder": ({"url": "file:///home/x", "dir_info": {}}, {"is_local": True, "is_editable": False}),
    "a wheel": ({"url": "file:///home/x.whl", "archive_info": {}}, {"is_local": True}),
    "a repository": (
        {"url": "https://me:secret@git.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}},
        {"is_local": False, "repository": "https://git.example/x.git", "commit": "ab" * 20},
    ),
    "a port": (
        {"url": "https://me:secret@git.example:8443/x.git", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}},
        {"is_local": False, "repository": "https://git.example:8443/x.git", "commit": "ab" * 20},
    ),
    "a subdirectory": (
        {
            "url": "https://git.example/x.git",
            "vcs_info": {"vcs": "git", "commit_id": "ab" * 20},
            "subdirectory": "packages/one",
        },
        {"is_local": False, "repository": "https://git.example/x.git#subdirectory=packages/one"},
    ),
    "ssh": ({"url": "ssh://git@git.example/x", "vcs_info": {"vcs": "git", "commit_id": "ab"}}, {"is_local": True}),
    "nonsense": ("nonsense", {"is_local": False}),
}


def add_package(site: Path, name: str, origin: object, needs: str = "") -> None:
    """Have a package lie in a folder as if it had been installed there."""
    info = site / f"{name.lower()}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n{needs}")
    if origin is not None:
        (info / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))


def test_where_a_package_came_from_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # All in one folder: to look through all that is installed here takes longer than anything else.
    for nth, (origin, _) in enumerate(ORIGINS.values()):
        needs = "Requires-Dist: A.b>=1\nRequires-Dist: c; extra == 'x'\n"
        add_package(tmp_path / "site", f"Tiny_No{nth}", origin, needs)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    packages = installed()

    for nth, (what, (_, facts)) in enumerate(ORIGINS.items()):
        found = packages[f"tiny-no{nth}"]
        assert {name: getattr(found, name) for name in facts} == facts, what
        assert found.needs == ("a-b",), what


def test_the_fingerprint_is_another_when_a_package_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()

    for nth, what in enumerate(("an index", "a checkout", "a repository", "nonsense")):
        add_package(tmp_path / f"site {nth}", "Tiny_One", ORIGINS[what][0])
        monkeypatch.syspath_prepend(str(tmp_path / f"site {nth}"))

        assert fingerprint() != before, what
        before = fingerprint()


def test_a_repository_that_a_lock_cannot_name_is_locked_as_one_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {"url": "https://git.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}}
    add_package(tmp_path / "site", "Tiny_One", origin | {"url": "https://git.example:8443/x.git"})
    add_package(tmp_path / "site", "Tiny_Two", origin | {"subdirectory": "packages/one"})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    packages = installed()

    lock = read_lock(write_lock([packages["tiny-one"], packages["tiny-two"]], {}, python="3.11.7"))

    assert (lock.packages, lock.elsewhere) == ({}, {"tiny-one": "1.0", "tiny-two": "1.0"})


def test_a_package_that_uv_installed_is_captured_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_from(tmp_path / "wheels", monkeypatch)
    digest = make_wheel(tmp_path / "wheels", "tiny-one", "1.0")
    lock = Lock({"tiny-one": Locked("tiny-one", "1.0", (f"sha256:{digest}",))})
    here = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))
    environment_of(lock, here, lambda _: None, starts="tiny_one")
    found = [Installed("tiny-one", "1.0"), Installed("unseen", "1.0")]

    known = files_known_to_uv({one.name: one for one in found[:1]})
    text = write_lock(found, known, python="3.11.7")

    assert f'path = "tiny_one-1.0-py3-none-any.whl", hashes = {{ sha256 = "{digest}" }}' in text
    assert str(tmp_path) not in text


def test_one_package_that_uv_has_not_kept_does_not_cost_the_digests_of_the_others() -> None:
    found = {one.name: one for one in installed().values() if one.name == "six"}
    found["unseen-by-anybody"] = Installed("unseen-by-anybody", "1.0", installer="pip")

    assert {*files_known_to_uv(found)} == {*files_known_to_uv({name: found[name] for name in found if name == "six"})}
