"""`nbpipe deploy` and `nbpipe deployment`: one deployment that all tests of this file ask, and some of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbpipe.cli import main
from nbpipe.commands.answers import Answer
from nbpipe.commands.dispatch import answer, completions
from nbpipe.errors import BadValueError, ConflictError, NbpipeError, NotFoundError, ParameterError, StepFailedError
from nbpipe.services.workspace import open_workspace
from tests.serving import Serving, free_port, is_free, served_folder

FLOW = """
from nbpipe import pipeline, step


@step
def tell(city: str, note: str | None, n: int, flags: list[int]) -> str:
    if city == "Atlantis":
        raise LookupError("it is under water")
    return f"{city!r} {note!r} {n!r} {flags!r}"


@pipeline
def telling(city: str = "Paris", note: str | None = None, n: int = 1, flags: list[int] = []):
    return tell(city, note, n, flags)


@pipeline
def other(city: str = "Paris"):
    return tell(city, None, 1, [])
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with served_folder(tmp_path_factory.mktemp("commands")) as serving:
        serving.project.write("flow.py", FLOW)
        answer("deploy flow.py:telling --name weather_service --set n=5")
        serving.url = serving.client.deployments.get("weather_service").url
        yield serving


@pytest.fixture(autouse=True)
def _here(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBPIPE_HOME", str(serving.paths.root))
    monkeypatch.chdir(serving.project.folder)


def invoked(line: str) -> Any:
    said: Answer = answer(f"deployment invoke weather_service {line} --json")
    return next(iter(json.loads(said.text)["outputs"].values()))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "'Paris' None 5 []"),
        ("--city=London", "'London' None 5 []"),
        ("--city London --n 7", "'London' None 7 []"),
        ("--city 12", "'12' None 5 []"),
        ("--city=true", "'true' None 5 []"),
        ("--note=null", "'Paris' None 5 []"),
        ("--note=7", "'Paris' '7' 5 []"),
        ("--set city=Oslo", "'Oslo' None 5 []"),
        ("--city=Oslo --set n=3", "'Oslo' None 3 []"),
        ("--flags '[1, 2]'", "'Paris' None 5 [1, 2]"),
        ("--n -3", "'Paris' None -3 []"),
        ("--city 'São Paulo = big'", "'São Paulo = big' None 5 []"),
    ],
)
def test_values_are_read_as_the_schema_says(line: str, told: str) -> None:
    assert invoked(line) == told


def test_the_answer_is_shown_with_its_run() -> None:
    said = answer("deployment invoke weather_service --city=London")

    assert "'London' None 5 []" in said.text
    assert said.record.run_id in said.text


@pytest.mark.parametrize(
    ("line", "error", "code", "told"),
    [
        ("deployment invoke weather_service --cty=x", ParameterError, 2, "did you mean 'city'"),
        ("deployment invoke weather_service --n=x", ParameterError, 2, "integer"),
        ("deployment invoke weather_service --city=Atlantis", StepFailedError, 1, "it is under water"),
        ("deployment invoke weather_servise", NotFoundError, 3, "weather_service"),
        ("deployment show nothing", NotFoundError, 3, "nothing"),
        ("deployment stop ''", BadValueError, 2, "names no deployment"),
        ("deploy flow.py:telling --port 70000", BadValueError, 2, "is no port"),
        ("deploy flow.py:telling --port x", BadValueError, 2, "port"),
        ("deploy flow.py:telling --host 0.0.0.0", BadValueError, 2, "api_key"),
        ("deploy flow.py:telling --new-key --key-from X", BadValueError, 2, "not both"),
        ("deploy flow.py:telling --key-from NOT_THERE", BadValueError, 2, "NOT_THERE"),
        ("deploy flow.py:telling --settings absent.yaml", BadValueError, 2, "absent.yaml"),
        ("deploy flow.py:other --name weather_service", ConflictError, 4, "--replace"),
        ("deploy flow.py:tellin", NbpipeError, 0, "telling"),
        ("deploy flow.py:telling --nmae x", BadValueError, 2, "--name"),
        ("deployment lst", BadValueError, 2, "list"),
        ("deployment logs weather_service --limit 0", BadValueError, 2, "limit"),
    ],
)
def test_what_will_not_do_is_said_in_two_lines_with_its_exit_code(
    line: str, error: type[NbpipeError], code: int, told: str, serving: Serving
) -> None:
    before = len(serving.client.snapshots.list())

    with pytest.raises(error) as refused:
        answer(line)

    assert told in str(refused.value)
    assert code in (0, refused.value.exit_code)
    assert len(serving.client.snapshots.list()) == before
    assert len(serving.client.deployments.list()) == 1


def test_a_step_that_fails_is_shown_without_our_frames_and_the_command_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["deployment", "invoke", "weather_service", "--city=Atlantis"])

    said = capsys.readouterr().err
    assert code == 1
    assert "it is under water" in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) <= 3


def test_deployments_are_listed(serving: Serving) -> None:
    (row,) = json.loads(answer("deployment list --json").text)

    assert (row["name"], row["status"], row["url"]) == ("weather_service", "running", serving.url)
    assert "weather_service" in answer("deployment list").text
    assert json.loads(answer("deployment list --pipeline nothing --json").text) == []


def test_one_is_shown_with_the_call_to_copy(serving: Serving) -> None:
    invoked("--city=London")
    shown = answer("deployment show weather_service").text
    plain = json.loads(answer("deployment show weather_service --json").text)

    assert f"curl -X POST {serving.url}/invoke" in shown
    assert "Client().deployments.invoke('weather_service'" in shown
    assert plain["requests"][0]["status"] == 200
    assert (plain["restarts"], plain["error"]) == (0, "")


def test_its_requests_are_told_newest_first() -> None:
    invoked("--city=First")
    invoked("--city=Second")

    told = json.loads(answer("deployment logs weather_service --requests --limit 3 --json").text)

    assert [one["path"] for one in told].count("/invoke") >= 1
    assert told == sorted(told, key=lambda one: one["at"], reverse=True)
    assert "POST /invoke" in answer("deployment logs weather_service --requests").text


def test_names_complete() -> None:
    assert completions("deployment sh", 13, None) == ["show"]
    assert completions("deployment show wea", 19, None) == ["weather_service"]
    assert "--port" in completions("deploy flow.py --p", 18, None)


def test_a_deployment_goes_through_its_life_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_folder(tmp_path) as serving:
        serving.project.write("flow.py", FLOW)
        (tmp_path / "serving.yaml").write_text("timeout_s: 5\nmax_waiting: 2\n", encoding="utf-8")
        monkeypatch.setenv("NBPIPE_HOME", str(serving.paths.root))
        monkeypatch.setenv("THE_KEY", "a-key-that-is-long-enough")

        shown = answer("deploy flow.py:telling --name 'a b <i>' --key-from THE_KEY --settings serving.yaml").text
        found = serving.client.deployments.get("a b <i>")
        refused = main(["deployment", "invoke", "a b <i>"])
        monkeypatch.setenv("NBPIPE_API_KEY", "a-key-that-is-long-enough")
        said = json.loads(answer("deployment invoke 'a b <i>' --json").text)
        stopped = answer("deployment stop 'a b <i>'")
        assert is_free(found.url)
        restarted = answer("deployment restart 'a b <i>'").text
        port = free_port()
        moved = json.loads(answer(f"deployment restart 'a b <i>' --port {port} --json").text)
        deleted = json.loads(answer("deployment delete 'a b <i>' --json").text)
        open_workspace(serving.paths).close()

        assert (found.settings.timeout_s, found.settings.max_waiting) == (5, 2)
        assert "$NBPIPE_API_KEY" in shown
        assert "a-key" not in shown
        assert refused != 0
        assert list(said["outputs"].values()) == ["'Paris' None 1 []"]
        assert "restart" in stopped.text
        assert found.url in restarted
        assert moved["url"] == f"http://127.0.0.1:{port}"
        assert deleted == {"deleted": found.id}
        assert list(serving.client.deployments.list()) == []


def test_a_snapshot_is_deployed_by_name_with_a_key_that_is_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served_folder(tmp_path) as serving:
        serving.project.write("flow.py", FLOW)
        monkeypatch.setenv("NBPIPE_HOME", str(serving.paths.root))
        answer("snapshot create flow.py:telling --name nightly --set city=Oslo")
        with pytest.raises(BadValueError, match="snapshot create"):
            answer("deploy nightly --set city=Rome")

        code = main(["deploy", "nightly", "--name", "n", "--new-key"])

        printed = capsys.readouterr()
        key = (printed.out + printed.err).partition("shown this once: ")[2].split()[0]
        assert code == 0
        assert serving.client.deployments.get("n").invoke(api_key=key).output == "'Oslo' None 1 []"
