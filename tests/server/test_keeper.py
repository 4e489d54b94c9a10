"""The process that keeps a deployment up, with processes to keep that do as their files say and load nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from nbpipe.base.serving_folder import ServingFolder, Standing, Wanted
from nbpipe.server.keeper import main
from tests.serving import until

# What stands in for the process that answers: it says what `words` say for its generation, and lives until it is told.
ANSWERER = """
import json, os, pathlib, signal, sys, time
generation, held, telling, living = map(int, sys.argv[2:])
folder = pathlib.Path({folder!r})
with (folder / "begun").open("a") as file:
    file.write(f"{{generation}}\\n")
word = json.loads((folder / "words").read_text()).get(str(generation), "ready")
if word == "dies":
    sys.exit(3)
if word == "slow":
    time.sleep(60)
os.write(telling, json.dumps({{word: "x"}}).encode() + b"\\n")
if word == "ready":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(120)
"""
KEEPER = """
import sys
from nbpipe.server import keeper
keeper._ANSWERER = "answerer_of_a_test"
sys.exit(keeper.main({folder!r}, "x", {held}))
"""


class Kept:
    """A keeper in a process of its own, and its folder."""

    def __init__(self, place: Path) -> None:
        self.folder = ServingFolder(place / "deployments" / "one")
        self.folder.make()
        self.place = place
        self.say()
        # `-P` leaves out the current folder, so the stand-in is named by a path.
        (place / "answerer_of_a_test.py").write_text(ANSWERER.format(folder=str(place)), encoding="utf-8")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.process: subprocess.Popen[bytes] | None = None

    def say(self, **words: str) -> None:
        said = {name.removeprefix("g"): word for name, word in words.items()}
        (self.place / "words").write_text(json.dumps(said), encoding="utf-8")

    def start(self, generation: int = 1) -> None:
        self.folder.want(Wanted(generation, drain_s=1))
        held = self.listening.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", KEEPER.format(folder=str(self.folder.path), held=held)],
            pass_fds=(held,),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(self.place), os.environ.get("PYTHONPATH", "")])},
            stdout=subprocess.DEVNULL,
        )

    def comes_to(self, status: str, generation: int) -> Standing:
        def found() -> Standing | None:
            standing = self.folder.standing()
            is_it = standing is not None and (standing.status, standing.generation) == (status, generation)
            return standing if is_it else None

        return until(found, 30)

    @property
    def begun(self) -> list[str]:
        return (self.place / "begun").read_text(encoding="utf-8").split()

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.listening.close()
    if made.process is not None:
        with suppress(psutil.NoSuchProcess):
            for child in made.children():
                child.kill()
        made.process.kill()
        made.process.wait()


def test_what_answered_is_started_again_however_often_it_dies(kept: Kept) -> None:
    kept.start()
    pid = kept.comes_to("running", 1).pid

    for _ in range(8):
        os.kill(pid, signal.SIGKILL)
        dead = pid
        until(lambda dead=dead: kept.comes_to("running", 1).pid != dead)
        pid = kept.comes_to("running", 1).pid

    standing = kept.comes_to("running", 1)
    assert standing.restarts == 8
    assert "SIGKILL" in standing.error


@pytest.mark.parametrize(("word", "why"), [("dies", "code 3"), ("refused", "x")])
def test_what_never_came_up_is_given_up_with_the_reason(kept: Kept, word: str, why: str) -> None:
    kept.say(g1=word)
    kept.start()

    assert why in kept.comes_to("failed", 1).error
    assert kept.process is not None
    assert kept.process.wait(20) == 0
    assert not kept.folder.is_kept


def test_what_cannot_take_over_leaves_the_former_and_is_tried_again_only_when_that_dies(kept: Kept) -> None:
    kept.say(g2="refused")
    kept.start()
    pid = kept.comes_to("running", 1).pid
    kept.folder.want(Wanted(2, drain_s=1))

    assert kept.comes_to("failed", 2).pid == pid
    assert psutil.pid_exists(pid)
    kept.say()
    os.kill(pid, signal.SIGKILL)
    assert kept.comes_to("running", 2).pid != pid


def test_what_is_no_longer_wanted_is_not_waited_for(kept: Kept) -> None:
    kept.say(g2="slow")
    kept.start()
    former = kept.comes_to("running", 1).pid
    kept.folder.want(Wanted(2, drain_s=1))
    until(lambda: kept.begun == ["1", "2"])

    kept.folder.want(Wanted(3, drain_s=1))

    new = kept.comes_to("running", 3).pid
    assert new != former
    assert [child.pid for child in kept.children()] == [new]


def test_it_ends_what_it_keeps_when_it_is_told_to(kept: Kept) -> None:
    kept.start()
    kept.comes_to("running", 1)
    children = kept.children()

    kept.folder.want(Wanted(1, stop=True, drain_s=1))

    kept.comes_to("stopped", 1)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_who_asks_whether_it_is_kept_does_not_keep_it_from_being_kept(kept: Kept) -> None:
    kept.folder.lock.touch()
    with kept.folder.lock.open("rb") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        kept.start()
        assert kept.process is not None
        with pytest.raises(subprocess.TimeoutExpired):
            kept.process.wait(0.8)

    kept.comes_to("running", 1)


def test_a_second_one_leaves_the_first_alone(kept: Kept) -> None:
    kept.start()
    kept.comes_to("running", 1)

    assert main(str(kept.folder.path), "x", kept.listening.fileno()) == 0
    assert kept.folder.is_kept
