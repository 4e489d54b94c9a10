"""The pages of `docs/` as somebody reads them: each block typed as it stands, from top to bottom.

A Python block is a cell of one notebook, a line behind `$ nbpipe` a command in the same folder. What a page
asserts must hold; a block marked `text` is only shown. Pages that are about processes of their own have
their own flows.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from nbpipe.commands.dispatch import answer, words
from nbpipe.commands.grammar import HELP, Noun, command_in, names_in, root
from tests.notebook.shells import Notebook, end_shell, make_shell

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    path.name for path in DOCS.glob("*.md") if path.read_text("utf-8").count("```python\n%load_ext nbpipe\n") == 1
)
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_the_page_says(
    page: str, tmp_path: Path, workspace: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    shell = make_shell(str(tmp_path / "ipython"))
    try:
        for kind, text in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
            if kind == "python":
                Notebook(shell).ok(text)
                continue
            for line in text.splitlines():
                command = shlex.split(line, comments=True)
                assert command[:2] == ["$", "nbpipe"], line
                assert answer(shlex.join(command[2:])).text, line
    finally:
        end_shell(shell)


def test_there_is_a_page_for_each_task_and_the_list_knows_every_page() -> None:
    listed = set(_LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))

    assert {path.name for path in DOCS.glob("*.md")} == {*listed, "README.md"}
    assert len(PAGES) >= 6


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_a_page_points_only_to_what_is_there(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    named = [*_LINK.findall(text), *re.findall(r"`((?:docs|notebooks)/[\w./]+\.(?:md|ipynb))`", text)]

    missing = [one for one in named if not any((root / one).exists() for root in (DOCS, DOCS.parent))]
    assert missing == []


def commands_in(page: Path) -> list[str]:
    """Give the commands that a page writes, as they stand behind `nbpipe`."""
    lines = re.findall(r"^(?:\$ (?:[A-Z_]+=\S+ )?|%)nbpipe +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in lines if "…" not in line and not line.endswith("?")]


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_every_command_that_a_page_writes_is_of_the_grammar(page: Path) -> None:
    for line in commands_in(page):
        command, rest = root(), [re.sub(r"^\[|\]$", "", word) for word in words(line)]
        while rest and isinstance(command, Noun) and rest[0] in names_in(command):
            command = command_in(command, rest.pop(0))
        known = {name for one in command.params for name in one.opts} | set(HELP)
        unknown = [word for word in rest if word.startswith("--") and word not in known]

        assert not isinstance(command, Noun) or command.invoke_without_command or not rest or rest[0] in HELP, line
        assert unknown == [] or command.name == "invoke", line
