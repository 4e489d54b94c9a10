from __future__ import annotations

import pytest

from nbpipe.records.runs import Status
from nbpipe.views.theme import DEFINED, EDGE, LOOKS, Look, look, signed, weightiest

ALL = [*LOOKS.values(), DEFINED]


def luminance(color: str) -> float:
    """The relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("shown", ALL, ids=lambda shown: shown.word or "defined")
def test_text_in_a_box_can_be_read_and_its_border_be_seen(shown: Look) -> None:
    assert contrast(shown.text, shown.fill) >= 4.5
    assert contrast(shown.line, shown.fill) >= 3.0


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_edges_show_on_light_and_on_dark_pages(page: str) -> None:
    assert contrast(EDGE, page) >= 3.0


def test_every_status_of_a_run_has_a_look_and_no_two_share_a_sign_or_a_word() -> None:
    assert {str(status) for status in Status} <= set(LOOKS)
    assert len({shown.sign for shown in LOOKS.values()}) == len(LOOKS)
    assert len({shown.word for shown in LOOKS.values()}) == len(LOOKS)


def test_a_status_nobody_knows_is_shown_by_its_own_word() -> None:
    assert signed("dreaming") == "• dreaming"
    assert look("") == DEFINED


def test_what_went_wrong_speaks_for_a_group() -> None:
    assert weightiest(["completed", "failed", "running"]) == "failed"
    assert weightiest(["completed", "reused"]) == "completed"
    assert weightiest([]) == ""
