from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.lettering import cut, fitting, text_columns, width_px


@given(st.text(), st.floats(20, 400), st.booleans())
def test_what_is_fitted_fits_and_is_whole_if_it_can_be(text: str, room: float, bold: bool) -> None:
    fitted = fitting(text, 13, room, bold=bold)

    assert width_px(fitted, 13, bold=bold) <= room
    assert fitted == text or fitted.endswith("…")


@given(st.text(), st.integers(1, 40))
def test_what_is_cut_is_no_wider_than_asked(text: str, width: int) -> None:
    assert text_columns(cut(text, width)) <= width


def test_combining_marks_take_no_column_and_wide_letters_two() -> None:
    assert [text_columns(text) for text in ("abc", "e\u0301", "漢", "a\u200bb")] == [3, 1, 2, 2]


@given(st.text(max_size=30))
def test_bold_text_is_not_narrower_and_more_text_is_wider(text: str) -> None:
    assert width_px(text, 13, bold=True) >= width_px(text, 13)
    assert width_px(text + "m", 13) > width_px(text, 13)
