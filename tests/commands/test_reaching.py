"""Settings that reach into a parameter."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbpipe.commands.answers import Answer
from nbpipe.errors import UserError

Say = Callable[..., Any]

REACHING = """
from pydantic import BaseModel, SecretStr

from nbpipe import pipeline, step


class Inner(BaseModel):
    rate: float = 0.1


class Options(BaseModel):
    depth: int = 2
    name: str = "a"
    inner: Inner = Inner()


class Login(BaseModel):
    token: SecretStr = SecretStr("hunter2")
    user: str = "ada"


@step
def use(options: Options) -> str:
    return options.model_dump_json()


@step
def plain(more: dict | None = None, n: int = 1) -> str:
    return f"{more} {n}"


@step
def sign(login: Login) -> str:
    return login.user


@pipeline
def fit(options: Options = Options()):
    use(options)
    use(options)
    plain()


@pipeline
def signed(login: Login = Login()):
    sign(login)


@pipeline
def needs(options: Options, n: int):
    use(options)
    plain(n=n)
"""


@pytest.fixture
def source(project: Path) -> str:
    (project / "reaching.py").write_text(REACHING, encoding="utf-8")
    return "reaching.py:fit"


@pytest.fixture
def say(ask: Callable[[str], Answer]) -> Say:
    return lambda *words: ask(shlex.join(words))


def gave(answer: Any, node: str) -> Any:
    return answer.record.steps[node].outputs["output"].load()


@pytest.mark.parametrize(
    ("settings", "used", "second"),
    [
        (["options.depth=3"], '{"depth":3,"name":"a","inner":{"rate":0.1}}', "3"),
        (["options.inner.rate=0.5"], '{"depth":2,"name":"a","inner":{"rate":0.5}}', "2"),
        (['options={"name":"b"}', "options.depth=4"], '{"depth":4,"name":"b","inner":{"rate":0.1}}', "4"),
        (["use.options.depth=5", "use_2.options.depth=6"], '{"depth":5,"name":"a","inner":{"rate":0.1}}', "6"),
        (["options.name=b", "use_2.options.depth=6"], '{"depth":2,"name":"b","inner":{"rate":0.1}}', "6"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_one_field_is_set_and_the_others_stay(
    say: Say, source: str, settings: list[str], used: str, second: str
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]

    answer = say("run", source, *words)

    assert gave(answer, "use") == used
    assert f'"depth":{second}' in gave(answer, "use_2")


def test_a_dict_that_is_not_there_is_made(say: Say, source: str) -> None:
    assert gave(say("run", source, "--set", "plain.more.a.b=1", "--set", "plain.n=2"), "plain") == "{'a': {'b': 1}} 2"


def test_what_a_parameter_without_a_default_lacks_is_told(say: Say, source: str) -> None:
    answer = say("run", "reaching.py:needs", "--set", "options.depth=3", "--set", "n=1", "--set", "plain.n=4")

    assert '"depth":3' in gave(answer, "use")
    assert gave(answer, "plain") == "None 4"


def test_a_snapshot_keeps_and_takes_single_fields(say: Say, source: str) -> None:
    say("snapshot", "create", source, "--name", "nightly", "--set", "options.depth=9")

    answer = say("snapshot", "run", "nightly", "--set", "options.name=b")

    assert gave(answer, "use") == '{"depth":9,"name":"b","inner":{"rate":0.1}}'
    assert answer.record.differences == {"options": {"depth": 9, "name": "b", "inner": {"rate": 0.1}}}


@pytest.mark.parametrize(
    ("pipeline", "setting", "said"),
    [
        ("fit", "options.dept=3", "options.dept  is not known here; did you mean 'depth'?"),
        ("fit", "options.depth=deep", "options.depth  should be a valid integer"),
        ("fit", "optoins.depth=3", "has no step 'optoins'"),
        ("fit", "use.optoins.depth=3", "has no step 'use.optoins'"),
        ("signed", "login.user=bob", "login holds a secret, which is not kept; give it whole"),
    ],
)
def test_what_does_not_fit_is_refused(say: Say, source: str, pipeline: str, setting: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        say("run", f"reaching.py:{pipeline}", "--set", setting)

    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
