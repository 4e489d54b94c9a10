"""How much lies in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from nbpipe.base.folders import size_below


def test_all_files_below_count_a_link_as_itself_and_what_is_not_there_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"x" * 10)
    (tmp_path / "a" / "b" / "two").write_bytes(b"x" * 100)
    os.link(tmp_path / "one", tmp_path / "a" / "again")
    link = tmp_path / "gone"
    link.symlink_to("nowhere")

    assert size_below(tmp_path) == 120 + link.lstat().st_size
    assert size_below(tmp_path / "none") == 0
