"""The command line: what is printed where, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest

from nbpipe import cli
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands import running
from nbpipe.commands.answers import Started
from nbpipe.errors import BadValueError, EnvironmentMismatchError

FLOW = """
import time

from nbpipe import pipeline, step


@step
def load(n: int = 3) -> list[int]:
    print("loading", n)
    return list(range(n))


@step
def total(numbers: list[int], rate: float = 1.0) -> float:
    if rate < 0:
        raise ValueError("rate below zero")
    return sum(numbers) * rate


@step
def wait() -> int:
    print("waiting", flush=True)
    for _ in range(600):
        time.sleep(0.05)
    return 1


@step
def bad_value() -> int:
    from nbpipe.errors import BadValueError

    raise BadValueError("not a good one")


@pipeline
def training(n: int = 3, rate: float = 1.0):
    return total(load(n), rate)


@pipeline
def sleepy():
    return wait()


@pipeline
def picky():
    return bad_value()
"""


@pytest.fixture
def project(workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a file of pipelines, entered; what runs in it has a process of its own."""
    (tmp_path / "flow.py").write_text(FLOW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "nbpipe", *words]


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, encoding="utf-8", timeout=120, check=False)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_in_a_pipe_prints_a_line_a_step_and_then_its_card_and_is_published_when_it_ends(project, workspace):
    done = ran("run", "flow.py:training", "--set", "rate=2.0")

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert done.stderr == ""
    assert lines[0] == "loading 3"
    assert lines[1].startswith("✓ load   ")
    assert lines[2].startswith("✓ total  ")
    assert lines[3] == "✓ run training: completed"
    assert list(workspace.catalog.glob("*.duckdb"))


def test_json_is_all_that_stands_on_standard_output(project):
    done = ran("run", "flow.py:training", "--json")

    assert json.loads(done.stdout)["status"] == "completed"
    assert "loading 3" in done.stderr
    assert "✓ load" in done.stderr


@pytest.mark.parametrize("source", ["flow.py:training", "nightly"])
def test_json_says_what_became_of_a_run_that_failed_and_the_exit_code_says_it_too(project, capsys, source):
    if source == "nightly":
        asked(capsys, "snapshot", "create", "flow.py:training", "--name", source)

    code, out, err = asked(capsys, "run", source, "--set", "rate=-1", "--json")

    facts = json.loads(out)
    assert code == 1
    assert (facts["status"], facts["error"]) == ("failed", "ValueError: rate below zero")
    assert {step["node"]: step["status"] for step in facts["steps"]} == {"load": "completed", "total": "failed"}
    assert "Step 'total' failed: ValueError: rate below zero" in err


def test_json_of_what_was_refused_before_it_began_is_none_at_all(project, capsys):
    code, out, err = asked(capsys, "run", "flow.py:training", "--set", "n=many", "--json")

    assert (code, out) == (2, "")
    assert "training does not take these values" in err


def test_json_says_that_a_run_was_interrupted(project):
    run = command("run", "flow.py:sleepy", "--json")
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"

    process.send_signal(signal.SIGINT)
    facts, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert json.loads(facts)["status"] == "interrupted"
    assert said.endswith("Stopped; what was done before is kept.\n")


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def interrupted_once_begun(thread: Thread, begin: Callable[[Thread], None] = Thread.start) -> None:
    begin(thread)
    if thread.name == "nbpipe-run":
        interrupted()


@pytest.mark.parametrize(
    ("of", "name", "instead"),
    [(Thread, "start", interrupted_once_begun), (running, "Started", interrupted), (Started, "wait", interrupted)],
    ids=["as it begins", "as that is told", "before the wait"],
)
def test_an_interrupt_that_comes_before_anybody_waits_stops_the_run_too(
    project, monkeypatch, capsys, of, name, instead
):
    monkeypatch.setattr(of, name, instead)

    code, facts, said = asked(capsys, "run", "flow.py:sleepy", "--json")

    assert (code, json.loads(facts)["status"]) == (1, "interrupted")
    assert said.endswith("Stopped; what was done before is kept.\n")


def test_a_failing_pipeline_ends_with_one_and_shows_the_users_frames_only(project):
    done = ran("run", "flow.py:training", "--set", "rate=-1")

    said = done.stderr.splitlines()
    assert done.returncode == 1
    assert '    raise ValueError("rate below zero")' in said
    assert said[-2] == "Step 'total' failed: ValueError: rate below zero"
    assert said[-1].startswith("See it with `nbpipe runs show ")
    assert "site-packages" not in done.stderr
    assert "nbpipe/execute" not in done.stderr


def test_an_error_of_ours_that_a_step_raises_is_the_pipelines_failure(project, capsys):
    code, _, err = asked(capsys, "run", "flow.py:picky")

    assert code == 1
    assert "not a good one" in err


def test_an_interrupt_stops_the_run_and_ends_with_one(project, capsys):
    run = command("run", "flow.py:sleepy")
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said == "Stopped; what was done before is kept.\n"
    assert json.loads(asked(capsys, "runs", "list", "--json")[1])[0]["status"] == "interrupted"


def test_a_snapshot_runs_in_this_very_process_and_says_where_the_environment_differs(project, capsys):
    asked(capsys, "snapshot", "create", "flow.py:training", "--name", "nightly")

    done = ran("snapshot", "run", "nightly", "--set", "n=5")

    assert done.returncode == 0
    assert "loading 5" in done.stdout


def test_a_reader_who_stops_reading_is_no_error(project):
    process = subprocess.Popen(command("run", "--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("words", [(), ("--help",), ("run", "--help"), ("snapshot",), ("version",), ("--version",)])
def test_help_and_version_end_with_nought(words, capsys, project):
    code, out, err = asked(capsys, *words)

    assert (code, err) == (0, "")
    assert "nbpipe" in out


MISTAKES = {
    ("rnu",): 2,
    ("runs", "list", "--nope"): 2,
    ("runs", "show"): 2,
    ("run", "flow.py:training", "--set", "rate"): 2,
    ("run", "flow.py:training", "--set", "rte=1"): 2,
    ("run", "flow.py:training", "--set", "n=x", "--set", "rate=y"): 2,
    ("catalog", "query", "drop table runs"): 2,
    ("run", "nothing"): 3,
    ("run", "nothing.py"): 3,
    ("run", "flow.py"): 3,
    ("runs", "show", "ffffffff"): 3,
    ("model", "show", "nothing"): 3,
    ("tag", "delete", "nothing"): 3,
    ("run", "needy.py"): 6,
}
# A process of its own for one of each exit code; `make soak` has one for all.
OFTEN = {("rnu",), ("run", "nothing"), ("run", "needy.py")}
EACH_APART = [pytest.param(words, marks=[] if words in OFTEN else [pytest.mark.soak]) for words in MISTAKES]


@pytest.mark.parametrize("words", MISTAKES)
def test_each_mistake_has_its_exit_code_and_two_lines_at_most(capsys, project, words):
    (project / "needy.py").write_text("import surely_not_installed\n")

    code, out, err = asked(capsys, *words)

    assert (code, out) == (MISTAKES[words], "")
    assert 1 <= len(err.splitlines()) <= 2
    assert "Traceback" not in err


@pytest.mark.parametrize("words", EACH_APART)
def test_a_mistake_ends_a_process_with_its_exit_code_and_two_lines_at_most(project, words):
    (project / "needy.py").write_text("import surely_not_installed\n")

    done = ran(*words)

    assert done.returncode == MISTAKES[words]
    assert done.stdout == ""
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr


def test_a_conflict_ends_with_four(project, capsys):
    asked(capsys, "snapshot", "create", "flow.py:training", "--name", "nightly")

    done = ran("snapshot", "create", "flow.py:training", "--name", "nightly", "--set", "n=9")

    assert done.returncode == 4


@pytest.fixture
def unusable(project, monkeypatch):
    """Have `NBPIPE_HOME` name what is no folder."""
    (project / "file").write_text("no folder")
    monkeypatch.setenv("NBPIPE_HOME", str(project / "file"))


@pytest.mark.parametrize("words", [("run", "flow.py:training"), ("runs", "list"), ("snapshot", "list"), ("doctor",)])
def test_a_workspace_that_cannot_be_used_ends_with_five(capsys, unusable, words):
    code, out, err = asked(capsys, *words)

    assert code == 5, out + err
    assert "Traceback" not in err


def test_a_workspace_that_cannot_be_used_ends_a_process_with_five(unusable):
    done = ran("run", "flow.py:training")

    assert done.returncode == 5, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_damage_that_a_check_finds_ends_with_five(project, workspace, capsys):
    (workspace.logs / "9-somebody.log").write_bytes(b"no line of ours\n")

    assert asked(capsys, "catalog", "check")[0] == 5


NASTY = ["日本語", "<script>alert(1)</script>", "../../etc/passwd", "", " ", "a'b\"c", "x" * 100_000, "\x1b[2J"]
NAMING = (["run"], ["runs", "show"], ["snapshot", "run"], ["tag", "delete"], [])


def test_whatever_is_given_as_a_name_is_answered_in_two_clean_lines(capsys, project):
    for words in ([*command, word] for word in NASTY for command in NAMING):
        code, out, err = asked(capsys, *words)

        assert code in (2, 3), words
        assert out == "", words
        assert 1 <= len(err.splitlines()) <= 2, words
        assert len(err) < 1500, words
        assert "\x1b" not in err, words


def test_an_error_that_nobody_foresaw_is_told_in_a_line(monkeypatch, capsys, project):
    def broken(_):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(cli, "ask", broken)

    code, out, err = asked(capsys, "runs", "list")

    assert (code, out) == (5, "")
    assert err.startswith("nbpipe failed: ZeroDivisionError: of ours (test_cli.py, line ")


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (BadValueError("one"), ["one"]),
        (BadValueError("one\n  a   wrong\n  b   wrong"), ["one", "a wrong; b wrong"]),
        (BadValueError(""), ["BadValueError"]),
        (BadValueError("x" * 5000), ["x" * 599 + "…"]),
    ],
)
def test_a_message_is_never_longer_than_two_lines(monkeypatch, capsys, error, lines):
    def refuse(_):
        raise error

    monkeypatch.setattr(cli, "ask", refuse)

    code, _, err = asked(capsys, "runs", "list")

    assert (code, err.splitlines()) == (2, lines)


def test_an_environment_that_does_not_fit_ends_with_six(monkeypatch, capsys):
    def refuse(_):
        raise EnvironmentMismatchError("Snapshot nightly", ["pandas 3.0 is not installed"])

    monkeypatch.setattr(cli, "ask", refuse)

    assert asked(capsys, "snapshot", "run", "nightly")[0] == 6


WITHOUT_ENGINE = """
import json, os, sys, threading

imported = []
def watch(event, arguments):
    if event == "import" and arguments[0] in ("duckdb", "pandas", "IPython", "ipywidgets", "numpy"):
        # Publishing goes on behind everybody's back; nobody waits for the engine there.
        if threading.current_thread().name != "nbpipe-publisher":
            imported.append(arguments[0])
sys.addaudithook(watch)

from nbpipe.cli import main

# Each command has a process, which has imported what every command does.
import nbpipe.commands.run

for words in json.loads(sys.argv[1]):
    if not (child := os.fork()):
        break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, words
else:
    assert not imported, imported
    sys.exit()

code = main(words)
assert code == 0, code
assert not imported, imported
"""


def test_running_what_is_new_and_freezing_never_wait_for_the_engine(project):
    commands = (
        ("version",),
        ("--help",),
        ("run", "flow.py:training"),
        ("snapshot", "create", "flow.py:training", "--name", "nightly"),
        ("snapshot", "list"),
        ("snapshot", "run", "nightly", "--set", "n=4"),
        ("run", "nightly", "--json", "--no-cache"),
    )
    script = [sys.executable, "-c", WITHOUT_ENGINE, json.dumps(commands)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr


def test_version_and_help_load_no_service(project):
    script = "import sys; from nbpipe.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    for word in ("version", "--help"):
        words = [sys.executable, "-c", script, word]
        loaded = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout

        assert "nbpipe.commands.grammar" in loaded
        assert "nbpipe.services" not in loaded
        assert "nbpipe.catalog" not in loaded


def test_two_commands_at_once_both_record(project, capsys):
    run = command("run", "flow.py:training", "--no-cache")
    both = [subprocess.Popen(run, stdout=subprocess.DEVNULL) for _ in range(2)]
    codes = [process.wait(timeout=120) for process in both]

    assert codes == [0, 0]
    assert len(json.loads(asked(capsys, "runs", "list", "--json")[1])) == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_our_signs_shows_plain_ones_and_no_traceback(project: Path, encoding: str) -> None:
    named = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        command("run", "flow.py:training", "--tag", "räder ☃"),
        capture_output=True,
        encoding=encoding,
        env=named,
        check=True,
    )

    assert "+ run training: completed" in done.stdout
    assert "  <" in done.stdout
    assert "----" in done.stdout
    assert ("räder ?" if encoding == "cp1252" else "r?der ?") in done.stdout
    assert "Traceback" not in done.stderr
