"""How all widgets look: what they share, and what nobody may change under the others."""

from __future__ import annotations

import re
from pathlib import Path

import ipywidgets

from nbpipe.widgets import appearance


def test_a_widget_is_laid_out_anew_without_the_others_that_had_the_same() -> None:
    first, second = (appearance.control(ipywidgets.Text) for _ in range(2))
    assert first.layout is second.layout

    appearance.lay_out(first, display="none")

    assert (first.layout.display, second.layout.display) == ("none", None)
    appearance.lay_out(first, display=None)
    assert first.layout is second.layout


def test_no_layout_is_changed_in_place_since_many_widgets_share_one() -> None:
    changes = re.compile(r"\.(?:layout|style)\.\w+ = ")
    lines = [
        f"{path.name}: {line.strip()}"
        for path in Path(appearance.__file__).parent.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]

    # The one that is let through is a row of buttons of that name.
    assert [line for line in lines if changes.search(line) and "self.layout.value" not in line] == []
