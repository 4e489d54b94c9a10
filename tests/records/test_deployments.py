"""How a deployment serves and what may be served: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.deployments import DeploymentSettings, checked_key, free_ports, split_route
from nbpipe.records.settings_file import read_settings_file


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"timout_s": 1}, "timeout_s", id="misspelt"),
        pytest.param({"timeout_s": 0}, "timeout_s", id="no time"),
        pytest.param({"timeout_s": float("nan")}, "timeout_s", id="nan"),
        pytest.param({"timeout_s": "soon"}, "timeout_s", id="text"),
        pytest.param({"max_waiting": 0}, "max_waiting", id="nobody waits"),
        pytest.param({"max_batch": 10**9}, "max_batch", id="too many at once"),
        pytest.param({"recorded": 1.5}, "recorded", id="more than all"),
        pytest.param({"recorded": -0.1}, "recorded", id="less than none"),
        pytest.param({"cors_origins": ["*"]}, "is no origin", id="every origin"),
        pytest.param({"cors_origins": ["https://a.example/path"]}, "is no origin", id="origin with a path"),
        pytest.param({"cors_origins": ["https://*.example"]}, "is no origin", id="origins by a pattern"),
        pytest.param({"cors_origins": ["null"]}, "is no origin", id="the origin null"),
        pytest.param({"cors_origins": ["https://user@a.example"]}, "is no origin", id="origin with a user"),
        pytest.param({"cors_origins": ["https://a.example\r\nX: y"]}, "is no origin", id="origin with a header in it"),
        pytest.param({"routes": {"GET model": len}}, "is no route", id="route without a slash"),
        pytest.param({"routes": {"FETCH /model": len}}, "is no route", id="route of no method"),
        pytest.param({"routes": {"GET /a?b": len}}, "is no route", id="route with a question"),
        pytest.param({"routes": {"GET /../x": len}}, "is no route", id="route that climbs"),
        pytest.param({"routes": {"POST /invoke": len}}, "is a path of every deployment", id="route that is taken"),
        pytest.param(
            {"routes": {"GET /jobs/mine": len}}, "is a path of every deployment", id="route below a taken one"
        ),
    ],
)
def test_settings_that_will_not_do_are_named_in_two_lines_at_most(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValueError) as refused:
        DeploymentSettings.read(given)

    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def test_a_route_is_taken_apart() -> None:
    assert split_route("GET /model") == ("GET", "/model")


@pytest.mark.parametrize("key", ["short", "", "x" * 513, "ключ" * 8, "with blanks in between", "tab\tbed" * 4, None, 7])
def test_a_key_that_will_not_do_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(BadValueError) as refused:
        checked_key(key)

    assert "16 to 512 ASCII letters" in str(refused.value)
    assert not key or str(key) not in str(refused.value)


@pytest.mark.parametrize("port", [0, 70_000, -1, "x", 8000.0, True], ids=str)
def test_what_is_no_port_is_refused(port: Any) -> None:
    with pytest.raises(BadValueError, match="is no port"):
        free_ports(port)


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("timeout_s: 2\ncors_origins: ['https://a.example']\n", encoding="utf-8")

    read = read_settings_file(tmp_path / "serving.yaml")

    assert read == DeploymentSettings(timeout_s=2, cors_origins=("https://a.example",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("timout_s: 2", "timeout_s", id="misspelt"),
        pytest.param("recorded: 7", "recorded", id="out of range"),
        pytest.param("- 1", "holds no deployment settings", id="a list"),
        pytest.param("a: [", "serving.yaml", id="no yaml"),
        pytest.param("routes: {GET /x: os.system}", "routes takes functions", id="functions"),
        pytest.param("a: !!python/object/apply:os.system [true]", "serving.yaml", id="code"),
    ],
)
def test_a_file_without_settings_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "serving.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(BadValueError) as refused:
        read_settings_file(tmp_path / "serving.yaml")

    assert "serving.yaml" in str(refused.value)
    assert said in str(refused.value)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("", encoding="utf-8")

    assert read_settings_file(tmp_path / "serving.yaml") == DeploymentSettings()
