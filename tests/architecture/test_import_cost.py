"""The price of `import nbpipe`: no heavy library is loaded by it, nor by asking for what is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"duckdb", "pandas", "numpy", "pyarrow", "ipywidgets", "anywidget", "IPython", "pydantic"} | {
    "fastapi",
    "uvicorn",
}


def modules_loaded_by(statement: str) -> set[str]:
    """Run `statement` in a fresh interpreter and give the top-level modules it leaves loaded."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import nbpipe", "import nbpipe; dir(nbpipe)", "import nbpipe.errors"])
def test_importing_nbpipe_loads_no_heavy_library(statement: str) -> None:
    loaded = modules_loaded_by(statement)

    assert "nbpipe" in loaded
    assert loaded & HEAVY == set()


def test_a_heavy_library_that_is_imported_is_noticed() -> None:
    assert "numpy" in modules_loaded_by("import numpy") & HEAVY
