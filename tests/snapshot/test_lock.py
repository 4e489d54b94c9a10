"""Locks: what is written holds nothing of a machine, and nothing but names, versions and digests is read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from packaging.pylock import Pylock

from nbpipe.errors import BadValueError
from nbpipe.snapshot.installed import Installed
from nbpipe.snapshot.lock import read_lock, write_lock

DIGEST, COMMIT = "ab" * 32, "cd" * 20
PUBLIC = "https://files.pythonhosted.org/packages/0b/7d/six-1.17.0-py2.py3-none-any.whl"


def known(url: str, **more: Any) -> dict[str, Any]:
    return {"six": {"name": "six", "version": "1.17.0", "wheels": [{"url": url, "hashes": {"sha256": DIGEST}, **more}]}}


def written(url: str) -> str:
    return write_lock([Installed("six", "1.17.0")], known(url), python="3.11.7")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@pypi.corp.example/simple/six-1.17.0-py2.py3-none-any.whl",
        "https://files.pythonhosted.org/six-1.17.0-py2.py3-none-any.whl?token=secret",
        "https://secret@files.pythonhosted.org/six-1.17.0-py2.py3-none-any.whl",
        "http://files.pythonhosted.org:8080/secret/six-1.17.0-py2.py3-none-any.whl",
        "file:///home/secret/wheels/six-1.17.0-py2.py3-none-any.whl",
        "/home/secret/wheels/six-1.17.0-py2.py3-none-any.whl",
    ],
)
def test_an_index_a_path_and_a_password_never_stand_in_a_lock(url: str) -> None:
    text = written(url)

    for trace in ("secret", "corp.example", "/home", "://"):
        assert trace not in text
    assert tomllib.loads(text)["packages"][0]["wheels"][0]["path"] == "six-1.17.0-py2.py3-none-any.whl"


def test_a_file_of_the_public_index_keeps_its_address_so_that_any_tool_can_install_it() -> None:
    text = written(PUBLIC)

    assert tomllib.loads(text)["packages"][0]["wheels"][0]["url"] == PUBLIC
    Pylock.from_dict(tomllib.loads(text))


def test_what_is_written_is_a_lock_by_the_standard_and_reads_back_the_same() -> None:
    found = [
        Installed("six", "1.17.0"),
        Installed("unseen", "2.0"),
        Installed("homemade", "3.0", is_local=True),
        Installed("checkout", "4.0", is_local=True, is_editable=True),
        Installed("from-git", "5.0", repository="https://github.com/someone/from-git.git", commit=COMMIT),
        Installed("from-nowhere", "6.0", repository="https://", commit=COMMIT),
    ]

    text = write_lock(found, known(PUBLIC), python="3.11.7")
    lock = read_lock(text)

    Pylock.from_dict(tomllib.loads(text))
    assert [one.line for one in lock.packages.values()] == [
        f"from-git @ git+https://github.com/someone/from-git.git@{COMMIT}",
        f"six==1.17.0 --hash=sha256:{DIGEST}",
        "unseen==2.0",
    ]
    assert [one.name for one in lock.unverified] == ["unseen"]
    assert dict(lock.elsewhere) == {"homemade": "3.0", "from-nowhere": "6.0"}
    assert "checkout" not in text


def test_the_order_in_which_packages_are_found_does_not_matter() -> None:
    one, other = Installed("a", "1"), Installed("b", "2")

    assert write_lock([one, other], {}, python="3.11.7") == write_lock([other, one], {}, python="3.11.7")


HEAD = 'lock-version = "1.0"\n'


def package(name: str = '"six"', version: str = '"1.0"', digest: str = f'"{DIGEST}"', more: str = "") -> str:
    wheel = f'wheels = [{{ path = "x", hashes = {{ sha256 = {digest} }} }}]'
    return f"{HEAD}[[packages]]\nname = {name}\nversion = {version}\n{wheel}\n{more}"


def repository(url: str, commit: str = COMMIT) -> str:
    where = f'vcs = {{ type = "git", url = "{url}", commit-id = "{commit}" }}'
    return f'{HEAD}[[packages]]\nname = "six"\n{where}\n'


TAMPERED = {
    "no toml": "]]",
    "no version": "packages = []",
    "a newer form": 'lock-version = "2.0"',
    "an odd version": "lock-version = 1",
    "a name with a path": package(name='"../../etc"'),
    "a name with an option": package(name='"--index-url"'),
    "a name with an address": package(name='"six @ https://evil.example/six.whl"'),
    "a name over two lines": package(name='"six\\n--index-url https://evil.example"'),
    "a name that is none": package(name="7"),
    "a huge name": package(name=f'"{"x" * 5000}"'),
    "a version with a command": package(version='"1.0; $(id)"'),
    "a version with an option": package(version='"1.0 --pre"'),
    "a version over two lines": package(version='"1.0\\n-e ."'),
    "no digest": package(digest='""'),
    "a short digest": package(digest='"ab"'),
    "a digest with a command": package(digest=f'"{"ab" * 31}$("'),
    "a name twice": package() + package().removeprefix(HEAD),
    "tables that are none": f"{HEAD}packages = 7",
    "a package that is none": f"{HEAD}packages = [7]",
    "a repository by ssh": repository("ssh://git@host.example/x"),
    "a repository with a password": repository("https://me:secret@host.example/x"),
    "a repository that climbs": repository("https://host.example/a/../../x"),
    "a repository with an option": repository("https://host.example/x#egg=y"),
    "a repository of a file": repository("file:///etc"),
    "a commit that is none": repository("https://host.example/x", "main"),
    "an unverified name that is none": f'{HEAD}[tool.nbpipe.unverified]\n"-e ." = "1.0"\n',
    "an unverified version that is none": f'{HEAD}[tool.nbpipe.unverified]\nsix = "@ file:///etc"\n',
    "a name verified and not": package(more='[tool.nbpipe.unverified]\nsix = "1.0"\n'),
}


@pytest.mark.parametrize("text", TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_lock_is_refused_in_two_lines(text: str) -> None:
    with pytest.raises(BadValueError, match="The environment's lock cannot be used") as refused:
        read_lock(text)

    assert len(str(refused.value)) < 400
    assert len(str(refused.value).splitlines()) <= 2


def test_addresses_of_a_lock_are_not_what_is_installed() -> None:
    text = package().replace('path = "x"', 'url = "https://evil.example/six.whl", path = "../../x"')

    assert "evil" not in read_lock(text).packages["six"].line
