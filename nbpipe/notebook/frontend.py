"""Whether somebody is looking, and what a notebook is called.

A front end names the cell in every request; nbclient, nbval and papermill do not. Where nobody is
looking, no widget is made and what is shown is the same on every run: no ids, no times.
`NBPIPE_DISPLAY` set to `static` or `live` settles it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from nbpipe.source.notebook_files import name_of_file
from nbpipe.widgets.showing import has_front_end

DISPLAY = "NBPIPE_DISPLAY"
# From here on a cell that waits lets the kernel see to messages, such as a press of Stop.
KERNEL_FROM = (7, 4)


def is_watched(cell_id: str | None) -> bool:
    """Tell whether a front end shows the outputs of the cell with this id."""
    wish = os.environ.get(DISPLAY, "").casefold()
    if wish in ("static", "live"):
        return wish == "live"
    return cell_id is not None


def takes_widgets(cell_id: str | None, namespace: Mapping[str, Any]) -> bool:
    """Tell whether what the cell with this id gives may be a widget where a picture would do.

    VS Code and Colab fetch what draws widgets from the internet, and keep nothing of them: there it is the picture,
    unless `NBPIPE_DISPLAY` is `live`.

    Args:
        cell_id: The cell.
        namespace: The notebook's names.
    """
    if not is_watched(cell_id) or not has_front_end():
        return False
    wants_live = os.environ.get(DISPLAY, "").casefold() == "live"
    return wants_live or not ("google.colab" in sys.modules or "__vsc_ipynb_file__" in namespace)


def cell_underway(shell: Any) -> str | None:
    """Give the id of the cell that is running, as the front end's request names it; `None` if it names none.

    The cell that loads the extension began before anybody could tell us of it.
    """
    parent = getattr(shell, "get_parent", None)
    request = parent() if parent is not None else None
    found = (request or {}).get("metadata", {}).get("cellId")
    return found if isinstance(found, str) else None


def remark_on_kernel(version: tuple[object, ...] | None) -> str:
    """Say what an older ipykernel does without; nothing of one that is recent, or where there is none.

    Args:
        version: Its version.
    """
    if version is None or version[:2] >= KERNEL_FROM:
        return ""
    wanted = ".".join(map(str, KERNEL_FROM))
    return (
        f"nbpipe: this is ipykernel {'.'.join(map(str, version[:3]))}. Runs work; a Stop button is heard only "
        f'once the cell is over. pip install "ipykernel>={wanted}" and restart the kernel.'
    )


def kernel_version() -> tuple[object, ...] | None:
    """Give the version of the ipykernel that runs here, if one does."""
    version: tuple[object, ...] | None = getattr(sys.modules.get("ipykernel"), "version_info", None)
    return version


def notebook_name(namespace: Mapping[str, Any]) -> str:
    """Name the notebook: by its file where the server or the front end tells it, else `notebook`.

    Args:
        namespace: The notebook's names: VS Code puts the file's path there.
    """
    told = os.environ.get("JPY_SESSION_NAME") or str(namespace.get("__vsc_ipynb_file__", ""))
    return name_of_file(told if told.endswith(".ipynb") else "")
