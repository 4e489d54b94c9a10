"""Notebook files are read as their cells' text, and what is none is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbpipe.errors import BadValueError, SourceNotFoundError
from nbpipe.source.notebook_files import name_of_file, read_cells


def code(text, **more):
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": text, **more}


def book(*cells, metadata=None, minor=4, major=4):
    return {"cells": list(cells), "metadata": metadata or {}, "nbformat": major, "nbformat_minor": minor}


def written(folder: Path, content: object, name: str = "book.ipynb") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def refused(path: Path, kind: type[Exception] = BadValueError) -> str:
    with pytest.raises(kind) as caught:
        read_cells(path)
    said = str(caught.value)
    assert len(said.splitlines()) <= 2
    return said


def test_cells_are_given_in_the_files_order_with_their_text(tmp_path: Path) -> None:
    markdown = {"cell_type": "markdown", "metadata": {}, "source": ["# A\n", "title"]}
    marked = code("1/0", metadata={"tags": ["raises-exception"]})

    cells = read_cells(written(tmp_path, book(markdown, code(["x = 1\n", "y = 2"]), marked)))

    assert [(cell.is_code, cell.text, cell.may_raise) for cell in cells] == [
        (False, "# A\ntitle", False),
        (True, "x = 1\ny = 2", False),
        (True, "1/0", True),
    ]


@pytest.mark.parametrize("minor", [0, 2, 4, 5])
def test_every_minor_format_is_read_and_ids_may_be_missing_or_twice(tmp_path: Path, minor: int) -> None:
    cells = [code("x = 1"), code("y = 2")]
    if minor == 5:
        cells += [code("z = 3", id="same"), code("z = 4", id="same")]

    assert len(read_cells(written(tmp_path, book(*cells, minor=minor)))) == len(cells)


def test_what_cells_once_showed_costs_nothing(tmp_path: Path) -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 50_000_000}, "metadata": {}}

    assert read_cells(written(tmp_path, book(code("x = 1", outputs=[picture]))))[0].text == "x = 1"


def test_a_byte_order_mark_and_letters_of_every_kind_are_read(tmp_path: Path) -> None:
    path = tmp_path / "Übung 数据.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(book(code("größe = '🐧'")), ensure_ascii=False).encode())

    assert read_cells(path)[0].text == "größe = '🐧'"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no notebook that can be read"),
        ("import pandas\n", "no notebook that can be read"),
        ("[1, 2]", "does not say its nbformat"),
        ("{}", "does not say its nbformat"),
        ('{"nbformat": "4"}', "does not say its nbformat"),
        (json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}), "no notebook that can be read"),
        (json.dumps(book({"cell_type": "code"})), "no notebook that can be read"),
        (json.dumps(book(7)), "no notebook that can be read"),
        (json.dumps(book(minor="5")), "its nbformat_minor is '5'"),
        (json.dumps(book(minor=None)), "its nbformat_minor is 'None'"),
        (json.dumps(book(minor=[4.5] * 5000)), "its nbformat_minor is "),
        ("[" * 100_000, "no notebook that can be read"),
        (json.dumps(book(code("x"), major=5)), "newer than the 4"),
    ],
    ids=[
        "empty",
        "python",
        "list",
        "bare",
        "text",
        "cells",
        "cell",
        "number",
        "text minor",
        "no minor",
        "long minor",
        "deep",
        "newer",
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(written(tmp_path, content))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "book.ipynb").write_bytes(b"\x80\x81\xff")

    assert "no notebook that can be read" in refused(tmp_path / "book.ipynb")


def test_an_old_format_is_refused_with_the_cure(tmp_path: Path) -> None:
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}

    assert "jupyter nbconvert --to notebook --inplace book.ipynb" in refused(written(tmp_path, old))


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}},
        {"language_info": {"name": "julia"}},
    ],
    ids=["R", "julia"],
)
def test_a_notebook_of_another_language_is_refused(tmp_path: Path, metadata: dict[str, object]) -> None:
    assert "notebooks of Python" in refused(written(tmp_path, book(code("x <- 1"), metadata=metadata)))


def test_a_folder_is_refused_and_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "folder.ipynb").mkdir()
    written(tmp_path, book(), "analysis.ipynb")

    assert "is a folder" in refused(tmp_path / "folder.ipynb")
    assert "analysis.ipynb" in refused(tmp_path / "analisys.ipynb", SourceNotFoundError)


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/b/my notebook.ipynb", "my_notebook"), ("Untitled-1.ipynb", "Untitled_1"), ("---.ipynb", "notebook")],
)
def test_a_pipeline_is_named_after_its_file(file: str, name: str) -> None:
    assert name_of_file(file) == name
