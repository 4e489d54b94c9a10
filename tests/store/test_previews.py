"""Small pictures of values."""

from __future__ import annotations

import io
import json
from base64 import b64decode

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given

from nbpipe.store.preview_pictures import MAX_IMAGE_LETTERS
from nbpipe.store.previews import MAX_BYTES, preview
from tests.store.test_content_frames import columns
from tests.store.values import PLAIN, one_of_each


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


@given(value=PLAIN)
def test_every_preview_is_small_json_in_utf_8(value):
    said = json.dumps(preview(value), allow_nan=False, ensure_ascii=False).encode()

    assert len(said) <= 2 * MAX_BYTES


@pytest.mark.parametrize(
    "value",
    [*one_of_each().values(), Rude(), [Rude()], lambda: 1, np.array([]), np.array(1.0), "\ud800"],
    ids=lambda v: type(v).__name__,
)
def test_everything_has_a_preview(value):
    shown = preview(value)

    assert shown["kind"] in ("text", "json", "array")
    json.dumps(shown, ensure_ascii=False).encode()


def test_a_frame_shows_its_head_as_text_and_its_whole_shape():
    frame = pd.DataFrame(np.arange(20 * 30.0).reshape(20, 30))

    shown = preview(frame)

    assert shown["shape"] == [20, 30]
    assert len(shown["rows"]) == len(shown["index"]) == 8
    assert len(shown["columns"]) == 12
    assert shown["rows"][1][0] == "30"


@pytest.mark.parametrize("kind", columns())
def test_a_column_of_any_kind_shows_its_cells(kind):
    shown = preview(columns()[kind])

    assert shown["shape"] == [4]
    assert [len(row) for row in shown["rows"]] == [1] * 4


def test_long_cells_are_cut_so_that_a_table_stays_small():
    frame = pd.DataFrame({f"{n} {'é' * 500}": ["\u2603" * 500] * 20 for n in range(12)})

    assert len(json.dumps(preview(frame))) <= MAX_BYTES


def test_a_text_shows_its_beginning_and_an_array_its_range():
    assert preview("x" * 5000) == {"kind": "text", "text": "x" * 2000, "length": 5000}
    assert preview(np.arange(6.0).reshape(2, 3)) == {
        "kind": "array", "dtype": "float64", "shape": [2, 3], "min": "0", "max": "5",
        "values": ["0", "1", "2", "3", "4", "5"],
    }  # fmt: skip


def test_small_plain_data_is_shown_whole_and_large_by_its_size():
    assert preview({"a": (1, 2)}) == {"kind": "json", "value": {"a": {"$tuple": [1, 2]}}}
    assert preview([0] * 100_000) == {"kind": "text", "text": "a list of 100,000"}


def test_a_figure_and_an_image_are_shown_as_a_png_of_bounded_size():
    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9))
    figure.subplots().imshow(np.random.default_rng(1).random((300, 300)))
    noise = PIL.Image.effect_noise((900, 900), 90).convert("CMYK")

    for value in (figure, noise, PIL.Image.new("RGB", (5, 5))):
        shown = preview(value)
        assert shown["kind"] == "image"
        assert len(shown["png"]) <= MAX_IMAGE_LETTERS
        assert PIL.Image.open(io.BytesIO(b64decode(shown["png"]))).format == "PNG"
