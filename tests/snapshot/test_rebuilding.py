"""Environments built again, for real: with wheels made on the spot, by uv and by pip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbpipe.errors import BadValueError, EnvironmentBuildError
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot import rebuilt
from nbpipe.snapshot.lock import Lock, Locked
from nbpipe.snapshot.rebuilding import Interpreter, environment_of, find_interpreter, rebuild
from tests.snapshot.wheels import make_wheel, only_from

HERE = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that is all the index there is, with an empty cache for what is built."""
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path / "cache"))
    only_from(tmp_path / "wheels", monkeypatch)
    yield tmp_path / "wheels"


def lock_of_wheel(wheels: Path, name: str = "tiny-one", version: str = "1.0") -> Lock:
    digest = make_wheel(wheels, name, version, code="def say():\n    print('said')")
    return Lock({name: Locked(name, version, (f"sha256:{digest}",))})


def build(lock: Lock, told: list[str] | None = None) -> tuple[Path, bool]:
    return environment_of(lock, HERE, (told if told is not None else []).append, starts="tiny_one")


def left_in_cache() -> list[str]:
    return [place.name for place in rebuilt.folder().iterdir() if place.is_dir()]


def said_by(place: Path) -> str:
    script = "import sys, tiny_one; print(tiny_one.VERSION, sys.prefix)"
    done = subprocess.run([rebuilt.python_in(place), "-I", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def without_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have neither a uv beside this Python nor one on the path."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))


def test_what_is_locked_is_built_once_and_then_found(wheels: Path) -> None:
    lock, told = lock_of_wheel(wheels), list[str]()

    place, was_built = build(lock, told)
    again, was_built_again = build(lock, told)

    assert (was_built, was_built_again, place) == (True, False, again)
    assert said_by(place) == f"1.0 {place}"
    assert [line for line in told if line.endswith(", 1 package")]
    assert left_in_cache() == [place.name]


def test_its_scripts_run_where_it_came_to_lie(wheels: Path) -> None:
    place, _ = build(lock_of_wheel(wheels))

    assert subprocess.check_output([place / "bin" / "tiny-one-says"], text=True) == "said\n"


def test_pip_builds_it_where_there_is_no_uv_and_that_is_told(
    wheels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock, told = lock_of_wheel(wheels), list[str]()
    without_uv(monkeypatch, tmp_path)

    place, _ = build(lock, told)

    assert any("uv is not here; pip builds it" in line for line in told)
    assert said_by(place) == f"1.0 {place}"
    assert subprocess.check_output([place / "bin" / "tiny-one-says"], text=True) == "said\n"


def test_a_file_that_is_not_the_one_of_the_lock_is_refused_and_pip_is_not_asked(wheels: Path) -> None:
    make_wheel(wheels, "tiny-one", "1.0")
    told: list[str] = []

    with pytest.raises(EnvironmentBuildError, match=r"tiny-one==1\.0 that the index gives is not the one") as refused:
        build(Lock({"tiny-one": Locked("tiny-one", "1.0", (f"sha256:{'0' * 64}",))}), told)

    assert refused.value.package == "tiny-one==1.0"
    assert not any("pip" in line for line in told)
    assert left_in_cache() == []


def test_a_package_that_no_index_has_is_named_with_the_cure(wheels: Path) -> None:
    lock = lock_of_wheel(wheels)
    missing = Lock({**lock.packages, "nowhere-at-all": Locked("nowhere-at-all", "3.1", (f"sha256:{'0' * 64}",))})

    with pytest.raises(EnvironmentBuildError, match=r"nowhere-at-all==3\.1") as refused:
        build(missing)

    assert "Check the network" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2
    assert left_in_cache() == []


def test_an_environment_in_which_nothing_starts_is_not_kept(wheels: Path) -> None:
    digest = make_wheel(wheels, "tiny-one", "1.0", code="raise OSError('broken from the start')")

    with pytest.raises(EnvironmentBuildError, match=r"tiny_one does not start in it .*broken from the start"):
        build(Lock({"tiny-one": Locked("tiny-one", "1.0", (f"sha256:{digest}",))}))

    assert left_in_cache() == []


def test_a_damaged_environment_is_built_anew(wheels: Path) -> None:
    lock = lock_of_wheel(wheels)
    place, _ = build(lock)
    for harm in ("package", "manifest", "interpreter", "all"):
        packages = place / json.loads((place / rebuilt.MANIFEST).read_text())["packages_in"]
        match harm:
            case "package":
                (packages / "tiny_one.py").unlink()
            case "manifest":
                (place / rebuilt.MANIFEST).write_text("{")
            case "interpreter":
                (place / "bin" / "python").unlink()
                (place / "bin" / "python").symlink_to("/nowhere/python")
            case "all":
                for file in place.iterdir():
                    subprocess.run(["rm", "-rf", file], check=True)
        told: list[str] = []

        again, was_built = build(lock, told)

        assert (again, was_built) == (place, True), harm
        assert any("damaged" in line for line in told), harm
        assert said_by(place).startswith("1.0"), harm
        assert left_in_cache() == [place.name], harm


BUILDER = """
import sys
from nbpipe.snapshot.lock import Lock, Locked
from nbpipe.snapshot.rebuilding import Interpreter, environment_of
print("begun", flush=True)
lock = Lock({"tiny-one": Locked("tiny-one", "1.0", (sys.argv[1],))})
here = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))
place, was_built = environment_of(lock, here, lambda said: print(said, flush=True), starts="tiny_one")
print("built" if was_built else "found", place, flush=True)
"""


def builder(lock: Lock) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", BUILDER, lock.packages["tiny-one"].digests[0]]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_of_several_who_want_the_same_one_builds_and_the_others_wait(wheels: Path) -> None:
    lock = lock_of_wheel(wheels)

    ends = [started.communicate()[0].splitlines()[-1] for started in [builder(lock) for _ in range(3)]]

    assert sorted(end.split()[0] for end in ends) == ["built", "found", "found"]
    assert len({end.split()[1] for end in ends}) == 1


def test_what_a_killed_builder_left_is_removed_and_the_next_one_builds(wheels: Path) -> None:
    # It sleeps while it is tried, which is when it is killed.
    code = "import os, time\nif os.environ.get('TINY_SLEEPS'):\n    time.sleep(60)"
    digest = make_wheel(wheels, "tiny-one", "1.0", code=code)
    lock = Lock({"tiny-one": Locked("tiny-one", "1.0", (f"sha256:{digest}",))})
    os.environ["TINY_SLEEPS"] = "1"
    try:
        killed = builder(lock)
    finally:
        del os.environ["TINY_SLEEPS"]
    while not list(rebuilt.folder().glob("*.draft-*/lib/*/site-packages/tiny_one.py")):
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert killed.stdout is not None
    killed.stdout.close()
    assert any(".draft-" in name for name in left_in_cache())

    place, was_built = build(lock)

    assert was_built
    assert left_in_cache() == [place.name]


def test_what_is_in_use_stays_and_the_rest_is_removed(wheels: Path) -> None:
    used, _ = build(lock_of_wheel(wheels))
    unused, _ = build(lock_of_wheel(wheels, version="2.0"))
    (rebuilt.folder() / f"{unused.name}.draft-1").mkdir()
    descriptor = rebuilt.Rebuilt(used).hold()

    would = rebuilt.remove_unused(dry_run=True)
    count, size = rebuilt.remove_unused()

    assert would == (count, size)
    assert (count, size > 0, left_in_cache()) == (2, True, [used.name])
    os.close(descriptor)
    assert rebuilt.remove_unused()[0] == 1


def test_a_cache_that_cannot_be_written_is_told(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path / "file"))

    with pytest.raises(Exception, match="Set NBPIPE_CACHE"):
        build(lock_of_wheel(wheels))


def recorded(python: str = HERE.version, lock: str = "", **packages: str) -> Environment:
    return Environment(
        python=python, implementation=sys.implementation.name, platform="linux-x86_64", packages=packages, lock=lock
    )


def test_a_python_that_is_not_here_is_named_and_nothing_is_downloaded() -> None:
    with pytest.raises(EnvironmentBuildError, match=r"needs Python 3\.4, and this machine has none") as refused:
        find_interpreter(recorded("3.4.1"))

    assert "uv python install 3.4" in str(refused.value)


@pytest.mark.parametrize("python", ["", "3", "../..", "3.x.1", "3.11; rm -rf /", "9" * 5000, "$(id).1"])
def test_what_is_no_version_of_python_is_refused(python: str) -> None:
    with pytest.raises(BadValueError):
        find_interpreter(recorded(python))


@pytest.mark.parametrize("name", ["../evil", "-r/etc/passwd", "a b", "x @ https://evil", "--index-url=x", "", "ä"])
def test_no_name_of_a_lock_reaches_an_installer_unless_it_is_a_name(name: str, wheels: Path) -> None:
    with pytest.raises(BadValueError, match="is no name of a package"):
        rebuild(recorded(**{name: "1.0"}))

    assert not rebuilt.folder().exists()


def test_a_package_from_a_folder_that_steps_import_is_refused_with_the_cure() -> None:
    lock = 'lock-version = "1.0"\n[tool.nbpipe.elsewhere]\nhomemade = "1.0"\n'

    with pytest.raises(EnvironmentBuildError, match=r"homemade 1\.0 was installed from a folder") as refused:
        rebuild(recorded(lock=lock), needed=("homemade",))

    assert "pip install -e" in str(refused.value)


@pytest.mark.parametrize("harm", ["environment", "cache"])
def test_an_environment_that_vanished_since_it_was_found_is_told_to_whoever_holds_it(wheels: Path, harm: str) -> None:
    place, _ = build(lock_of_wheel(wheels))
    subprocess.run(["rm", "-rf", place if harm == "environment" else rebuilt.folder()], check=True)
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(EnvironmentBuildError, match="was removed or damaged") as refused:
        rebuilt.Rebuilt(place).hold()

    assert len(str(refused.value).splitlines()) == 2
    assert len(os.listdir("/proc/self/fd")) == before
