"""What every widget test is held to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_callback_raises(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a press raised: ipywidgets logs what a callback raises, and goes on."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if "callback" in record.getMessage()] == []
