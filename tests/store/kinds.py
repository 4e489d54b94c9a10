"""One value of every kind that a materializer of ours writes without a pickle, and a way to change it in place."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image
import polars as pl
import scipy.sparse


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        make: Makes a new one, each time equal.
        change: Changes it in place; `None` if nobody can.
        label: Which materializer takes it.
        needs_trust: Whether nothing here can check what comes from elsewhere.
    """

    make: Callable[[], Any]
    change: Callable[[Any], Any] | None
    label: str
    needs_trust: bool = False


def structured() -> np.ndarray[Any, Any]:
    inner = np.dtype([("x", "<f4"), ("y", ">i2", (2,))])
    layout = np.dtype(
        {
            "names": ["id", "when", "where"],
            "formats": ["u1", "M8[s]", inner],
            "offsets": [1, 8, 20],
            "titles": [None, "The moment", None],
            "itemsize": 40,
        }
    )
    array = np.zeros(3, layout)
    array["id"], array["where"]["x"] = [1, 2, 3], np.nan
    return array


def aligned() -> np.ndarray[Any, Any]:
    return np.array([(1, 2.5), (2, -0.0)], np.dtype([("flag", "u1"), ("value", "f8")], align=True))


def overlapping() -> np.ndarray[Any, Any]:
    layout = np.dtype({"names": ["all", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0], "itemsize": 8})
    array = np.zeros((2, 3), layout, order="F")
    array["all"] = np.arange(6).reshape(2, 3) * 70_000
    return array


def records() -> Any:
    return np.rec.array([(1, "a"), (2, "é")], dtype=[("number", "i4"), ("name", "U3")])


def masked(**options: Any) -> Any:
    return np.ma.array([[1.0, np.nan], [3.0, 4.0]], mask=[[False, True], [True, False]], **options)


def set_first(array: Any) -> None:
    array[(0,) * array.ndim] = 9


def matrix(form: str, *, is_array: bool) -> Any:
    kind = getattr(scipy.sparse, f"{form}_{'array' if is_array else 'matrix'}")
    dense = np.zeros((4, 6))
    dense[[0, 0, 2, 3], [0, 5, 3, 1]] = [1.5, -0.0, np.inf, 7]
    dense[0, 5] = 4
    return kind(dense)


def change_matrix(value: Any) -> None:
    if value.format in ("lil", "dok"):
        value[1, 1] = 5
    else:
        value.data.flat[0] = 99


ARRAYS: dict[str, Kind] = {
    "structured": Kind(structured, lambda array: array["id"].fill(7), "npy@1"),
    "aligned": Kind(aligned, lambda array: array["value"].fill(7), "records@1"),
    "overlapping": Kind(overlapping, lambda array: array["low"].fill(7), "records@1"),
    "records": Kind(records, lambda array: array.number.fill(7), "records@1"),
    "fields in Greek": Kind(
        lambda: np.array([(1, 2)], dtype=[("α", "i4"), ("β", "i4")]), lambda array: array["α"].fill(7), "records@1"
    ),
    "records in an array": Kind(lambda: records().view(np.ndarray), lambda array: array["number"].fill(7), "records@1"),
    "masked": Kind(masked, set_first, "masked@1"),
    "masked hard": Kind(lambda: masked(hard_mask=True, fill_value=-1), lambda array: array.data.fill(7), "masked@1"),
    "mask of another": Kind(masked, lambda array: array.mask.fill(True), "masked@1"),
    "hardened": Kind(masked, lambda array: array.harden_mask(), "masked@1"),
    "no mask": Kind(lambda: np.ma.array([1, 2, 3]), set_first, "masked@1"),
    "masked structured": Kind(
        lambda: np.ma.array([(1, 2.0), (3, 4.0)], mask=[(0, 1), (1, 0)], dtype=[("a", "i4"), ("b", "f8")]),
        lambda array: array["a"].fill(7),
        "masked@1",
    ),
    "masked empty": Kind(lambda: np.ma.zeros((0, 3)), None, "masked@1"),
    "masked number": Kind(lambda: np.ma.array(1.0, mask=True), None, "masked@1"),
    "dates": Kind(lambda: np.array(["2026-01-01", "NaT"], "M8[D]"), lambda array: array.fill("NaT"), "npy@1"),
}
SPARSE: dict[str, Kind] = {
    f"{form} {'array' if is_array else 'matrix'}": Kind(
        lambda form=form, is_array=is_array: matrix(form, is_array=is_array), change_matrix, "sparse@1"
    )
    for form in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
    for is_array in (True, False)
}
SPARSE |= {
    "csr of one axis": Kind(lambda: scipy.sparse.csr_array(np.array([0, 1.0, 2])), change_matrix, "sparse@1"),
    "dok of one axis": Kind(
        lambda: scipy.sparse.dok_array(np.array([0, 1.0, 2])), lambda value: value.__setitem__(0, 3.0), "sparse@1"
    ),
    "coo of three axes": Kind(
        lambda: scipy.sparse.coo_array(np.arange(8.0).reshape(2, 2, 2)), change_matrix, "sparse@1"
    ),
    "coo with duplicates": Kind(
        lambda: scipy.sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 3)),
        lambda value: value.sum_duplicates(),
        "sparse@1",
    ),
    "empty csr": Kind(lambda: scipy.sparse.csr_array((0, 5)), None, "sparse@1"),
    "empty lil": Kind(lambda: scipy.sparse.lil_array((0, 0)), None, "sparse@1"),
    "csr of whole numbers": Kind(
        lambda: scipy.sparse.random_array((50, 40), density=0.1, rng=1, dtype="i2"), change_matrix, "sparse@1"
    ),
}


def columns_of_polars() -> dict[str, pl.Series]:
    """Make a series of every type of polars'."""
    texts = ["b", None, "a", "b"]
    days = [datetime(2026, 3, 29, 2, 30), None, datetime(1, 1, 1), datetime(9999, 12, 31)]
    made = {
        "int8": ([1, None, -3, 4], pl.Int8),
        "uint64": ([1, None, 2**64 - 1, 4], pl.UInt64),
        "int128": ([1, None, -(2**100), 4], pl.Int128),
        "float16": ([1.5, None, float("nan"), -0.0], pl.Float16),
        "float": ([1.5, None, float("nan"), -0.0], pl.Float64),
        "bool": ([True, None, False, True], pl.Boolean),
        "text": (["é", None, "", "<script>\0" * 9], pl.String),
        "bytes": ([b"\xff", None, b"", b"x" * 99], pl.Binary),
        "date": ([date(2026, 1, 1), None, date(1, 1, 1), date(9999, 12, 31)], pl.Date),
        "time": ([time(1, 2, 3, 4), None, time(0), time(23, 59, 59)], pl.Time),
        "datetime": (days, pl.Datetime("ms")),
        "zoned": (days, pl.Datetime("us", "Europe/Paris")),
        "duration": ([timedelta(1), None, timedelta(-1), timedelta(0, 1)], pl.Duration("ns")),
        "decimal": ([Decimal("1.10"), None, Decimal("-2.2"), Decimal(0)], pl.Decimal(38, 4)),
        "categories": (texts, pl.Categorical),
        "named categories": (texts, pl.Categorical(pl.Categories(name="letters", physical=pl.UInt8))),
        "enum": (texts, pl.Enum(["c", "b", "a"])),
        "list": ([[1, None], None, [], [2]], pl.List(pl.Int16)),
        "array": ([[1, None], None, [3, 4], [5, 6]], pl.Array(pl.Int16, 2)),
        "struct": (
            [{"x": 1, "y": ["a"]}, None, {"x": None, "y": []}, {"x": 2, "y": None}],
            pl.Struct({"x": pl.Int8, "y": pl.List(pl.Enum(["a"]))}),
        ),
        "list of categories": ([["b"], None, [], ["a", None]], pl.List(pl.Categorical)),
        "nulls": ([None] * 4, pl.Null),
    }
    return {name: pl.Series(name, values, dtype=dtype, strict=False) for name, (values, dtype) in made.items()}


def change_series(series: pl.Series) -> None:
    series.extend(series.head(1))


POLARS: dict[str, Kind] = {
    f"polars {name}": Kind(lambda name=name: columns_of_polars()[name], change_series, "polars@1", name == "int128")
    for name in columns_of_polars()
}
POLARS |= {
    "polars frame": Kind(
        lambda: pl.DataFrame(list(columns_of_polars().values())),
        lambda frame: frame.drop_in_place("text"),
        "polars@1",
        True,
    ),
    "polars without rows": Kind(
        lambda: pl.DataFrame(list(columns_of_polars().values())).clear(),
        lambda frame: frame.drop_in_place("text"),
        "polars@1",
        True,
    ),
    "polars without columns": Kind(
        pl.DataFrame, lambda frame: frame.insert_column(0, pl.Series("a", [], pl.Int8)), "polars@1"
    ),
    "polars rows without columns": Kind(lambda: pl.DataFrame(height=3), None, "polars@1"),
    "polars hostile names": Kind(
        lambda: pl.DataFrame(
            {"": [1], "<script>alert(1)</script>": ["x"], "'; DROP TABLE runs": [2.0], "\u202e" * 5000: [1]}
        ),
        lambda frame: frame.drop_in_place(""),
        "polars@1",
    ),
}


def picture(mode: str, size: tuple[int, int] = (5, 3)) -> Any:
    image = PIL.Image.new(mode, size)
    length = len(image.tobytes())
    image.frombytes(bytes(place * 37 % 256 for place in range(length)))
    return image


def with_palette(mode: str, colours: int, kind: str = "P") -> Any:
    image = PIL.Image.new(kind, (4, 4), 1)
    image.putpalette(bytes(range(len(mode) * colours)), mode)
    image.putpixel((0, 0), 0)
    return image


def opened() -> Any:
    file = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Make] = "<b>Nobody</b>"
    PIL.Image.linear_gradient("L").resize((9, 9)).save(file, "JPEG", dpi=(72, 72), exif=exif, comment="a 'note'")
    return PIL.Image.open(io.BytesIO(file.getvalue())).copy()


def paint(image: Any) -> None:
    image.putpixel((0, 0), image.getpixel((1, 1)))
    image.info["painted"] = True


IMAGES: dict[str, Kind] = {
    f"image {mode}": Kind(
        lambda mode=mode: picture(mode),
        paint,
        "png@2" if mode in ("1", "L", "LA", "RGB", "RGBA", "I;16") else "pixels@1",
    )
    for mode in PIL.Image.MODES
    if mode not in ("P", "PA")
}
IMAGES |= {
    "image P": Kind(lambda: with_palette("RGB", 20), paint, "png@2"),
    "image P of two colours": Kind(lambda: with_palette("RGB", 2), paint, "png@2"),
    "image P of too few colours": Kind(lambda: with_palette("RGB", 1), paint, "pixels@1"),
    "image P without colours": Kind(lambda: PIL.Image.new("P", (2, 2)), paint, "pixels@1"),
    "image P half clear": Kind(lambda: with_palette("RGBA", 9), paint, "pixels@1"),
    "image PA": Kind(lambda: with_palette("RGB", 9, "PA"), paint, "pixels@1"),
    "image opened": Kind(opened, lambda image: image.getexif().update({271: "x"}), "png@2"),
    "image without pixels": Kind(lambda: PIL.Image.new("RGB", (0, 3)), None, "pixels@1"),
}
KINDS: dict[str, Kind] = {**ARRAYS, **SPARSE, **POLARS, **IMAGES}
