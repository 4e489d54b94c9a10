"""Deployment settings from a file: the same keys as in Python, but for the functions, which a file cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbpipe.errors import BadValueError
from nbpipe.records.config import read_plain_file
from nbpipe.records.deployments import DeploymentSettings

_FUNCTIONS = ("routes", "middleware")


def read_settings_file(path: Path | str) -> DeploymentSettings:
    """Read deployment settings from a YAML or JSON file.

    Raises:
        BadValueError: No such file, too large, not YAML, or no settings; the file and the key are named.
    """
    place = Path(path)
    said: Any = read_plain_file(place, "deployment settings") or {}
    if not isinstance(said, dict):
        raise BadValueError(f"{place.name}: it holds no deployment settings; write timeout_s: 30, for one.")
    functions = [name for name in _FUNCTIONS if name in said]
    if functions:
        raise BadValueError(
            f"{place.name}: {functions[0]} takes functions; give them in Python, to deploy(settings=…)."
        )
    try:
        return DeploymentSettings.read(said)
    except BadValueError as error:
        raise BadValueError(f"{place.name}: {error}") from None
