"""Exported snapshots: one file, the same bytes each time, and no byte of what it says can be changed unnoticed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.digest import canonical_json
from nbpipe.errors import BadValueError, BundleDamagedError, CatalogNewerError, DefinitionError, NbpipeError
from nbpipe.graph.graph import Graph
from nbpipe.records.snapshots import Environment, FieldText, SnapshotContent, StepText, digest_of
from nbpipe.snapshot.bundle import read_bundle, write_bundle
from nbpipe.snapshot.module_text import module_text
from nbpipe.source.pieces import Piece

HERE = Path("nightly.nbsnapshot")
ENVIRONMENT = Environment(python="3.12.1", implementation="cpython", platform="linux-x86_64", packages={"pandas": "3"})
CONTENT = SnapshotContent(
    pipeline="training",
    kind="cells",
    graph=Graph(nodes=()),
    steps=(StepText(name="load", variable="load", kind="cell", entry="", text="data = 1  # ü", digest="0" * 64),),
    parameters=(FieldText(name="rate", type="float", value=0.5, python="0.5"),),
    environment=ENVIRONMENT,
)


def bundle() -> bytes:
    return write_bundle(CONTENT, name="nightly", description="<b>ü</b>", tags=("a", "b"))


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    """Pack files as somebody would who knows the form but not what it is for."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.comment = hashlib.sha256(files.get("manifest.json", b"")).hexdigest().encode()
    return written.getvalue()


def with_manifest(**changes: Any) -> bytes:
    files = members(bundle())
    manifest = {**json.loads(files["manifest.json"]), **changes}
    return packed({**files, "manifest.json": canonical_json(manifest)})


def test_a_snapshot_comes_back_as_it_was_written() -> None:
    manifest, content = read_bundle(bundle(), HERE)

    assert content == CONTENT
    assert (manifest.name, manifest.description, manifest.tags) == ("nightly", "<b>ü</b>", ("a", "b"))


def test_the_same_snapshot_is_the_same_bytes() -> None:
    assert bundle() == bundle()


def test_people_find_readable_code_in_it() -> None:
    assert "rate = 0.5" in members(bundle())["pipeline.py"].decode()
    assert "data = 1  # ü" in members(bundle())["pipeline.py"].decode()


def test_no_flipped_byte_changes_what_is_read() -> None:
    whole = bundle()
    right = read_bundle(whole, HERE)
    told = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x20
        try:
            # Instants and attributes of members may say anything; nothing is made of them.
            assert read_bundle(bytes(changed), HERE) == right
        except NbpipeError:
            told += 1
    assert told > len(whole) * 0.8


@pytest.mark.parametrize("percent", range(0, 100, 7))
def test_a_file_that_was_cut_off_is_refused(percent: int) -> None:
    whole = bundle()

    with pytest.raises((BadValueError, BundleDamagedError)):
        read_bundle(whole[: len(whole) * percent // 100], HERE)


def swapped_content(files: dict[str, bytes]) -> dict[str, bytes]:
    return {**files, "content.json": files["content.json"].replace(b"0.5", b"0.6")}


def swapped_module(files: dict[str, bytes]) -> dict[str, bytes]:
    return {**files, "pipeline.py": b"print('another')"}


def without_content(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: text for name, text in files.items() if name != "content.json"}


def with_more(files: dict[str, bytes]) -> dict[str, bytes]:
    return {**files, "../../evil.py": b"print(1)"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swapped_content, "content.json is not as it was written"),
        (swapped_module, "pipeline.py is not as it was written"),
        (without_content, "content.json is missing"),
        (with_more, "'../../evil.py', which does not belong there"),
    ],
    ids=["content", "module", "missing", "more"],
)
def test_files_that_were_swapped_taken_out_or_put_in_are_told(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], said: str
) -> None:
    with pytest.raises(BundleDamagedError, match=said) as raised:
        read_bundle(packed(change(members(bundle()))), HERE)
    assert raised.value.path == HERE


def test_a_content_under_another_digest_is_told_though_all_else_agrees() -> None:
    changed = members(bundle())["content.json"].replace(b"0.5", b"0.6")
    files = {**json.loads(members(bundle())["manifest.json"])["files"]}
    files["content.json"] = hashlib.sha256(changed).hexdigest()
    whole = members(with_manifest(files=files)) | {"content.json": changed}

    with pytest.raises(BundleDamagedError, match="should have digest"):
        read_bundle(packed(whole), HERE)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"format": 99}, CatalogNewerError),
        ({"unheard": 1}, BundleDamagedError),
        ({"pipeline": "other"}, BundleDamagedError),
        ({"files": "none"}, BundleDamagedError),
        ({"format": "one"}, BundleDamagedError),
        ({"tags": 5}, BundleDamagedError),
    ],
    ids=["newer", "unheard of", "other pipeline", "no files", "no number", "no tags"],
)
def test_a_manifest_that_does_not_fit_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=HERE.stem):
        read_bundle(with_manifest(**changes), HERE)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"no archive", packed({"readme.txt": b"x"}), packed({"manifest.json": b"[]"})],
    ids=["empty", "two letters", "text", "another archive", "a list"],
)
def test_what_is_no_exported_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises((BadValueError, BundleDamagedError), match=HERE.stem):
        read_bundle(data, HERE)


def test_a_file_that_unpacks_to_more_than_there_is_room_for_is_refused() -> None:
    written = io.BytesIO()
    quickly = zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with quickly as archive, archive.open("content.json", "w") as file:
        for _ in range(260):
            file.write(b"\0" * (1 << 20))

    with pytest.raises(BundleDamagedError, match="unpacks to more than 256 MiB"):
        read_bundle(written.getvalue(), HERE)


def test_two_members_of_one_name_are_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for text in (b"{}", b"[]"):
            archive.writestr("manifest.json", text)

    with pytest.raises(BundleDamagedError, match="does not belong there"):
        read_bundle(written.getvalue(), HERE)


def resealed(content: bytes) -> bytes:
    """Make a bundle of another content, all digests right: what somebody does who means it."""
    files = {**members(bundle()), "content.json": content}
    manifest = json.loads(files["manifest.json"])
    manifest["digest"] = digest_of(content)
    manifest["files"]["content.json"] = hashlib.sha256(content).hexdigest()
    return packed({**files, "manifest.json": canonical_json(manifest)})


@pytest.mark.parametrize(
    "content",
    [b"[]", b"nonsense", b'{"schema_number": "x"}', b"{}", b"[" * 100_000, b'"\xff"', b'{"schema_number": 1}'],
    ids=["list", "no json", "no number", "empty", "deep", "no text", "nothing in it"],
)
def test_a_content_that_is_none_is_refused_though_all_digests_are_right(content: bytes) -> None:
    with pytest.raises(BundleDamagedError, match=HERE.stem):
        read_bundle(resealed(content), HERE)


def test_a_content_that_leans_on_what_is_not_there_is_refused() -> None:
    step = CONTENT.steps[0].model_copy(update={"pieces": (99,)})
    content = CONTENT.model_copy(update={"steps": (step,)}).to_bytes()

    with pytest.raises(BundleDamagedError, match="leans on piece 99"):
        read_bundle(resealed(content), HERE)


def test_the_module_shows_all_that_a_run_executes() -> None:
    hidden = Piece(text="import os; os.getcwd()", binds=("os",), origin="flow.py", line=1, digest="1" * 64)
    said = "rate: float = print('hello') or 0.5"
    content = CONTENT.model_copy(update={"library": (hidden,), "parameters_text": said})

    text = module_text(content)

    assert hidden.text in text
    assert said in text


def test_code_that_this_python_does_not_read_is_told() -> None:
    step = CONTENT.steps[0].model_copy(update={"kind": "function", "text": "def ("})
    content = CONTENT.model_copy(update={"kind": "function", "body": step})

    with pytest.raises(DefinitionError, match="cannot be read by this Python"):
        module_text(content)


@pytest.mark.parametrize(
    ("before", "behind"), [(b"", b"\0"), (b"#!", b""), (b"", b"PK")], ids=["behind", "before", "PK"]
)
def test_nothing_may_stand_before_or_behind_the_archive(before: bytes, behind: bytes) -> None:
    with pytest.raises((BadValueError, BundleDamagedError)):
        read_bundle(before + bundle() + behind, HERE)
