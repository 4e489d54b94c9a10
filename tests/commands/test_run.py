"""Running: from a file, from a notebook and from a snapshot, with other values, and without an engine."""

from __future__ import annotations

import threading

import pytest

from nbpipe.commands.answers import Started
from nbpipe.commands.dispatch import answer, begin
from nbpipe.commands.sources import load_source
from nbpipe.errors import (
    BadValueError,
    ConflictError,
    Interrupted,
    NbpipeError,
    NotFoundError,
    ParameterError,
    StepFailedError,
)
from nbpipe.records.runs import Status
from nbpipe.services.client import Client

SLOW = """
import time
from nbpipe import pipeline, step


@step
def forever() -> int:
    while True:
        time.sleep(0.01)


@pipeline
def training():
    return forever()
"""


def test_a_run_is_answered_with_its_card_and_its_facts(ask):
    came = ask("run flow.py --set rate=0.5 --set load.n=3 --tag trial")

    assert came.record.status is Status.COMPLETED
    assert came.rows["tags"] == ["t", "latest", "trial"]
    assert came.rows["model_version"] == "m@1"
    assert came.rows["metrics"] == {"total": 1.5}
    assert [step["node"] for step in came.rows["steps"]] == ["load", "total"]
    assert all(word in came.text for word in ("run training: completed", "m@1", "trial", "rate  0.5", "total@1"))


def test_no_cache_runs_every_step_again(ask):
    first = [ask("run flow.py").rows["steps"] for _ in range(2)][1]
    again = ask("run flow.py --no-cache").rows["steps"]

    assert {step["status"] for step in first} == {Status.REUSED}
    assert {step["status"] for step in again} == {Status.COMPLETED}


def test_a_setting_wins_over_the_file(ask, project):
    (project / "prod.yaml").write_text("parameters: {n: 3, rate: 1.0}\ntags: [prod]\n")

    came = ask("run flow.py --config prod.yaml --set rate=2.0")

    assert came.rows["parameters"] == {"n": 3, "rate": 2.0}
    assert "prod" in came.rows["tags"]


def test_a_pipeline_of_the_notebook_is_run_by_name_or_as_its_own(project, notebook):
    training = load_source("flow.py")
    here = notebook({"training": training}, own=training)

    assert answer("run training --set n=2", here).rows["parameters"]["n"] == 2
    assert answer("run", here).rows["pipeline"] == "training"


def test_a_snapshots_name_runs_the_snapshot(ask):
    made = ask("snapshot create flow.py --name nightly --set n=2").record

    came = ask("run nightly --set rate=3.0")

    assert came.rows["snapshot_id"] == made.id
    assert came.rows["parameters"] == {"n": 2, "rate": 3.0}
    assert came.rows["differences"] == {"rate": 3.0}


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("nightlly", "Did you mean 'nightly'?"),
        ("flow", "Did you mean 'flow.py'?"),
        ("something_else", "a source such as flow.py:training"),
        ("../../etc/passwd", "a source such as"),
        ("'; drop table runs; --'", "No snapshot"),
        ("<script>alert(1)</script>", "No snapshot"),
        ("日本語", "No snapshot"),
        ("x" * 5000, "No snapshot"),
    ],
)
def test_what_is_neither_source_nor_snapshot_is_answered_with_what_is_near(ask, wanted, hint):
    ask("snapshot create flow.py --name nightly")

    with pytest.raises(NotFoundError) as caught:
        ask(f'run "{wanted}"')

    assert hint in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("run flow.py --set rte=1", ParameterError, "did you mean 'rate'?"),
        ("run flow.py --set n=many", ParameterError, "'many'"),
        ("run flow.py --set rate", BadValueError, "sets nothing"),
        ("run flow.py --config nothing.yaml", BadValueError, "cannot be read"),
        ("run flow.py --tag ''", BadValueError, "''"),
        ("run", BadValueError, "Say which pipeline"),
        ("run ''", BadValueError, "names no snapshot"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(ask, workspace, line, kind, said):
    with pytest.raises(kind, match=said):
        ask(line)

    assert not list(workspace.logs.iterdir())


def test_a_failing_step_is_raised_with_the_users_own_frames(ask):
    with pytest.raises(StepFailedError) as caught:
        ask("run trouble.py:bad")

    assert 'raise ValueError("no <b>good</b>")' in caught.value.traceback_text


def test_a_run_can_be_begun_and_waited_for_later(project):
    started = begin("run flow.py")

    assert isinstance(started, Started)
    assert started.wait().record.id == started.handle.id


def test_an_interrupt_while_a_command_still_begins_a_run_stops_the_run(project, monkeypatch):
    (project / "slow.py").write_text(SLOW)
    begun = []

    def interrupted(handle, *_):
        begun.append(handle)
        raise KeyboardInterrupt

    monkeypatch.setattr("nbpipe.commands.running.Started", interrupted)

    with pytest.raises(Interrupted):
        answer("run slow.py")

    assert begun[0].is_over()
    assert Client().runs.list()[0].status is Status.INTERRUPTED


def test_a_failed_run_is_resumed_by_a_line(ask, project):
    with pytest.raises(StepFailedError):
        ask("run trouble.py:bad --set n=3")
    failed = Client().runs.newest()
    text = (project / "trouble.py").read_text()
    (project / "trouble.py").write_text(text.replace("no <b>good</b>", "changed"))

    with pytest.raises(StepFailedError, match="no <b>good</b>"):
        ask(f"runs resume {failed.id[:8]}")
    again = Client().runs.newest()
    shown = ask(f"runs show {again.id}")

    assert (again.resumed_from, again.parameters) == (failed.id, {"n": 3})
    assert f"goes on from  {failed.id[:8]}" in shown.text
    assert f"done in run {failed.id[:8]}" in shown.text
    assert ask(f"runs show {again.id} --json").rows["resumed_from"] == failed.id


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("runs resume nothing", NotFoundError),
        ("runs resume", BadValueError),
        ("runs resume a b", BadValueError),
        ("runs resume 0000 --set", BadValueError),
        ("runs resume 0000 --set =", BadValueError),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_line_that_resumes_nothing_is_refused(ask, line, error):
    with pytest.raises(error):
        ask(line)


def test_a_part_is_run_by_lines_of_files_and_of_snapshots_and_its_card_says_so(ask):
    whole = ask("run flow.py --set n=3").record
    ask("snapshot create flow.py --name nightly --set n=3")

    until = ask("run flow.py --set n=3 --until load")
    only = ask("run flow.py --set n=3 --only total --set rate=2")
    of_snapshot = ask("snapshot run nightly --from total --json")

    assert [step["node"] for step in until.rows["steps"]] == ["load"]
    assert [step.status for step in until.record.steps.values()] == [Status.REUSED]
    assert "until load" in until.text
    assert whole.status is Status.COMPLETED
    assert f"only total; load as in run {until.record.id[:8]}" in ask(f"runs show {only.record.id}").text
    assert only.rows["metrics"] == {"total": 6.0}
    assert [step["node"] for step in of_snapshot.rows["steps"]] == ["total"]
    assert of_snapshot.rows["part"]["from"] == ["total"]


def test_a_part_of_the_notebooks_pipeline_is_run_by_name(project, notebook):
    training = load_source("flow.py")

    assert [
        step["node"] for step in answer("run training --until load", notebook({"training": training})).rows["steps"]
    ] == ["load"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run flow.py --until laod", "Did you mean 'load'"),
        ("run flow.py --from total --only total", "either only or from"),
        ("run flow.py --only total", "--from load"),
        ("run flow.py --from", "requires an argument"),
        ("run flow.py --only ''", "names no step"),
    ],
)
def test_a_part_that_there_is_not_is_refused_in_two_lines(ask, line, said):
    with pytest.raises(NbpipeError, match=said) as refused:
        ask(line)

    assert len(str(refused.value).splitlines()) <= 2


def test_a_line_debugs_a_run_in_the_calling_thread(ask, project):
    (project / "where.py").write_text(
        "import threading\nfrom nbpipe import pipeline, step\n\n@step\ndef where() -> str:\n"
        "    return threading.current_thread().name\n\n@pipeline\ndef asking():\n    return where()\n"
    )
    ask("snapshot create where.py --name placed")

    assert ask("run where.py --no-cache").record.output == "nbpipe-run"
    for line in ("run where.py --no-cache --debug", "snapshot run placed --no-cache --debug"):
        assert ask(line).record.output == threading.current_thread().name
    with pytest.raises(BadValueError, match="leave one of them out"):
        ask("snapshot run placed --debug --isolated")


def test_what_steps_printed_is_asked_by_a_line(ask):
    run = ask("run flow.py --set n=3").record.id[:8]

    assert "load: ✓ completed" in ask(f"runs logs {run}").text
    assert ask(f"runs logs {run} --step load").text == "loading 3"
    assert ask(f"runs logs {run} --step total").text == "Nothing was printed."
    assert [log["text"] for log in ask(f"runs logs {run} --json").rows] == ["loading 3\n", ""]
    with pytest.raises(NotFoundError, match="Did you mean 'load'"):
        ask(f"runs logs {run} --step laod")


def test_a_run_is_followed_to_its_end_by_a_line(ask, project, capsys):
    (project / "slow.py").write_text(
        "import time\nfrom nbpipe import pipeline, step\n\n@step(cache=False)\ndef a() -> int:\n    print('<a>')\n"
        "    time.sleep(0.5)\n    return 1\n\n@step(cache=False)\ndef b(x: int) -> int:\n    print('b')\n"
        "    return x\n"
        "\n@pipeline\ndef slow():\n    return b(a())\n"
    )
    started = begin("run slow.py")
    capsys.readouterr()

    came = ask(f"runs logs {started.handle.id} --follow")

    started.wait()
    said = capsys.readouterr().out
    assert said.index("── a: ✓ completed") < said.index("── b: ✓ completed")
    assert came.text.endswith("is over: completed.")
    assert [log.text for log in came.record] == ["<a>\n", "b\n"]


def test_a_run_is_stopped_by_a_line(ask, project):
    (project / "forever.py").write_text(SLOW)
    started = begin("run forever.py")

    came = ask(f"runs stop {started.handle.id[:8]}")

    assert "is over: it is interrupted. Go on from it: nbpipe runs resume" in came.text
    with pytest.raises(NbpipeError, match="was stopped"):
        started.wait()
    with pytest.raises(ConflictError, match="is over"):
        ask(f"runs stop {started.handle.id}")
