"""Numbers, durations, sizes and instants, written as people say them.

Pure functions of one value, but for `time_text`, which reads which zone is the local one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta

from nbpipe.views.markup import one_line

_UNITS = ("kB", "MB", "GB", "TB", "PB")


def number_text(value: float) -> str:
    """Write a number: whole ones in full with thousands apart, others to four significant digits."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        # Beyond Python's limit for writing integers in full, and long before it beyond a reader's.
        return f"{value:,}" if value.bit_length() < 200 else f"about 2^{value.bit_length() - 1}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.1f}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"


def duration_text(seconds: float) -> str:
    """Write a duration: `8 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0:
        return f"−{duration_text(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 or not seconds else "< 1 ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def items_text(counts: Mapping[str, int]) -> str:
    """Say what became of the items of a mapped step: `9,997 ok · 3 failed`, `3 ran · 9,997 reused`."""
    ran, reused = counts.get("completed", 0), counts.get("reused", 0)
    failed, left, now = counts.get("failed", 0), counts.get("interrupted", 0), counts.get("running", 0)
    if failed or left or now:
        said = [(ran + reused, "ok"), (failed, "failed"), (left, "not run"), (now, "running")]
    else:
        said = [(ran, "ran"), (reused, "reused")] if ran and reused else []
    return " · ".join(f"{count:,} {word}" for count, word in said if count)


def size_text(size_bytes: int) -> str:
    """Write a size in powers of 1000: `312 bytes`, `4.1 kB`, `1.2 GB`."""
    if abs(size_bytes) < 1000:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size = float(size_bytes)
    for unit in _UNITS:
        size /= 1000
        if abs(size) < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size:,.0f} {_UNITS[-1]}"


def time_text(instant: datetime | str | None) -> str:
    """Write an instant in the local zone to the minute: `2026-11-20 08:15`.

    Args:
        instant: Aware, or as text in ISO 8601; a naive one is taken as local. Other text is given back.
    """
    if instant is None:
        return ""
    try:
        moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    except ValueError:
        return one_line(str(instant))
    try:
        local = moment.astimezone()
    except (OverflowError, ValueError, OSError):
        # The first and last days that a datetime can hold have no local counterpart.
        local = moment
    return local.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")


def value_text(value: object, *, most: int = 200) -> str:
    """Write any plain value on one line, cut to `most` characters."""
    return shorten(_value_text(value, depth=0), most)


def shorten(text: str, most: int) -> str:
    """Cut `text` to `most` characters, the last of which then is `…`."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _value_text(value: object, *, depth: int) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, timedelta):
        return duration_text(value.total_seconds())
    if isinstance(value, datetime):
        return time_text(value)
    if depth > 3:
        return "…"
    if isinstance(value, Mapping):
        inner = (f"{_value_text(key, depth=4)}: {_value_text(item, depth=depth + 1)}" for key, item in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(_value_text(item, depth=depth + 1) for item in value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return "[" + ", ".join(_value_text(item, depth=depth + 1) for item in value) + "]"
    try:
        return one_line(str(value))
    except Exception:  # noqa: BLE001 — a user's broken __str__ must not keep a card from being shown
        return f"<{type(value).__name__}>"
