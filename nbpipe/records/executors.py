"""Which executor is meant: a text that a configuration can keep.

`in-process` runs one step at a time in the thread of the run; `processes` and `processes:4` run them in
killable processes of this machine; `dask` and `dask:tcp://127.0.0.1:8786` on a cluster. What they do is the
affair of `execute`; here stands only how they are asked for.
"""

from __future__ import annotations

import re

from nbpipe.errors import BadValueError, nearest
from nbpipe.records.base import shorten

IN_PROCESS = "in-process"
KNOWN = (IN_PROCESS, "processes", "dask")
_MOST_WORKERS = 512


def check_executor(asked: object) -> str:
    """Give the text of an executor as it is kept.

    Raises:
        BadValueError: There is no such executor.
    """
    if not isinstance(asked, str):
        raise BadValueError(f"{shorten(asked)} is no executor; give {', '.join(map(repr, KNOWN))}.")
    name, _, rest = asked.strip().partition(":")
    if name not in KNOWN:
        near = nearest(name, KNOWN)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise BadValueError(f"There is no executor {shorten(asked)}; there are {', '.join(KNOWN)}.{hint}")
    if name == IN_PROCESS and rest:
        raise BadValueError(f"{shorten(asked)} says more than in-process takes: that runs one step at a time.")
    if name == "processes" and rest and not (re.fullmatch(r"[0-9]{1,4}", rest) and 0 < int(rest) <= _MOST_WORKERS):
        raise BadValueError(f"{shorten(asked)} asks for {rest!r} processes; give a number from 1 to {_MOST_WORKERS}.")
    return asked.strip()
