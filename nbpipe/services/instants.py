"""Instants as records hold them: aware, in UTC, whether they come from a view or from the state."""

from __future__ import annotations

from datetime import UTC, datetime


def as_instant(written: str | datetime) -> datetime:
    """Read an instant, written as ISO 8601 or given by the catalog in any zone."""
    at = datetime.fromisoformat(written) if isinstance(written, str) else written
    return at.astimezone(UTC)
