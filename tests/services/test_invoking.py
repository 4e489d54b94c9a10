"""Calling a deployment: what is said when nothing was sent."""

from __future__ import annotations

import pytest

from nbpipe.errors import BadValueError
from nbpipe.services.invoking import call


@pytest.mark.parametrize("key", ["secret-of-mine\nX: y", "secret-of-mine\r", "secret-of-mine-é"], ids=["lf", "cr", "é"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(BadValueError) as told:
        call("weather", "http://127.0.0.1:1", {}, key, 1.0)

    assert "secret-of-mine" not in str(told.value)
