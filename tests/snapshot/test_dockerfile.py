"""Images: pinned, without rights, without secrets, and no word of a user where a shell would read it."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot.dockerfile import image_of
from nbpipe.snapshot.environment import this_environment

D = "ab" * 32
HEAD = 'lock-version = "1.0"\n'


def wheel(name: str, where: str) -> str:
    files = f'wheels = [{{ {where}, hashes = {{ sha256 = "{D}" }} }}]'
    return f'[[packages]]\nname = "{name}"\nversion = "1.0"\n{files}\n'


PUBLIC = wheel("six", 'url = "https://files.pythonhosted.org/packages/six-1.0-py3-none-any.whl"')
PRIVATE = wheel("inhouse", 'path = "inhouse-1.0-py3-none-any.whl"')
UNVERIFIED = '[tool.nbpipe.unverified]\nunseen = "2.0"\n'
FROM_GIT = f"""[[packages]]
name = "fromgit"
vcs = {{ type = "git", url = "https://github.com/x/y", commit-id = "{"cd" * 20}" }}
"""


def environment(
    lock: str = PUBLIC, *, python: str = "3.11.7", platform: str = "linux-x86_64", kind: str = "cpython"
) -> Environment:
    return Environment(python=python, implementation=kind, platform=platform, lock=HEAD + lock)


def commands(dockerfile: str) -> list[list[str]]:
    """Read the commands of RUN and ENTRYPOINT that no shell reads."""
    return [
        json.loads(words) for words in re.findall(r"^(?:RUN|ENTRYPOINT)(?: --mount=\S+)? (\[.*\])$", dockerfile, re.M)
    ]


def test_an_image_is_pinned_runs_without_rights_and_begins_the_run() -> None:
    text = image_of("nightly", environment()).dockerfile
    lines = text.splitlines()

    assert "FROM --platform=linux/amd64 python:3.11.7-slim" in lines
    assert lines.index("USER nbpipe") < lines.index("COPY snapshot.nbsnapshot ./")
    assert commands(text)[-2:] == [
        ["python", "-m", "nbpipe", "snapshot", "import", "snapshot.nbsnapshot"],
        ["python", "-m", "nbpipe", "snapshot", "run", "nightly"],
    ]
    assert all(re.match(r"RUN (--mount=\S+ )?\[", line) for line in lines if line.startswith("RUN"))
    assert "latest" not in text


def test_all_that_is_copied_is_there_but_the_snapshot() -> None:
    image = image_of("nightly", environment(PUBLIC + PRIVATE + UNVERIFIED))
    copied = re.findall(r"^COPY (\S+) ", image.dockerfile, re.M)

    assert copied.pop() == "snapshot.nbsnapshot"
    assert {*copied} == {name.split("/")[0] for name in image.files}
    assert "nbpipe/services/child.py" in image.files
    assert not any("__pycache__" in name for name in image.files)


def test_what_everybody_can_fetch_is_locked_and_the_rest_is_asked_of_an_index_named_at_build_time() -> None:
    image = image_of("nightly", environment(PUBLIC + PRIVATE + UNVERIFIED))
    lock = tomllib.loads(image.files["pylock.toml"].decode())

    assert [one["name"] for one in lock["packages"]] == ["six"]
    assert f"inhouse==1.0 --hash=sha256:{D}\n" in image.files["requirements.txt"].decode()
    assert "unseen==2.0\n" in image.files["requirements-unverified.txt"].decode()
    assert 'RUN --mount=type=secret,id=index,env=UV_INDEX_URL ["uv", ' in image.dockerfile


def test_git_is_there_only_where_a_package_came_from_a_repository() -> None:
    assert "apt-get" not in image_of("nightly", environment()).dockerfile
    assert "apt-get install --yes --no-install-recommends git" in image_of("n", environment(FROM_GIT)).dockerfile


def test_a_lock_of_another_system_keeps_versions_and_says_so() -> None:
    image = image_of("nightly", environment(platform="macosx-14.0-arm64"))

    assert "FROM --platform=linux/arm64 python:" in image.dockerfile
    assert "six==1.0\n" in image.files["requirements-unverified.txt"].decode()
    assert "digests are not" in image.notices[-1]


NAMES = ['"; rm -rf / #', "$(id) `id` ${HOME}", "<script>", "Ω" * 255, "a'b\"c\\", "]\nRUN x"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_stands_in_one_array_only(name: str) -> None:
    text = image_of(name, environment()).dockerfile

    assert commands(text)[-1][-1] == name
    assert text.isascii()
    assert text.count("\n") == image_of("plain", environment()).dockerfile.count("\n")


@pytest.mark.parametrize("name", ["--help", "-x", "--", "run:1", "snapshot:a"])
def test_a_name_that_reads_like_something_else_is_given_as_a_snapshots_and_options_may_follow(name: str) -> None:
    assert commands(image_of(name, environment()).dockerfile)[-1][-2:] == ["run", f"snapshot:{name}"]


@pytest.mark.parametrize(
    ("python", "kind"), [("3.11.7", "pypy"), ("3.11", "cpython"), ("3.11.7\nRUN x", "cpython"), ("latest", "cpython")]
)
def test_what_has_no_image_to_build_on_is_refused(python: str, kind: str) -> None:
    with pytest.raises(BadValueError, match="no image of"):
        image_of("nightly", environment(python=python, kind=kind))


def test_this_very_environment_makes_an_image_and_its_lock_is_one() -> None:
    image = image_of("nightly", this_environment())

    assert "FROM --platform=" in image.dockerfile
    assert any(name in image.files for name in ("pylock.toml", "requirements-unverified.txt"))
