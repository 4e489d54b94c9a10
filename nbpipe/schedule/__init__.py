"""When things are due: pure functions of a schedule and an instant, and the loop that sees to it."""

from __future__ import annotations




