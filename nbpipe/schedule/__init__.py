"""When things are due: pure functions of a schedule and an instant."""

from __future__ import annotations

from nbpipe.schedule.firing import next_fire

__all__ = ["next_fire"]
