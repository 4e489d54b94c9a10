"""A project as a user has one: a folder with files, which are imported, edited and imported again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.client import Client
from nbpipe.services.workspace import open_workspace

# All public names but those for a notebook, which is not loaded then.
HEAD = """
from __future__ import annotations
from typing import Annotated, Any
from nbpipe import ArtifactConfig, Client, Model, ModelStages, PipelineRunConfiguration, StorageSize, Tag, Uri
from nbpipe import UnmaterializedArtifact, add_tags, errors, get_pipeline_context, get_step_context, load_artifact
from nbpipe import log_metadata, pipeline, register_materializer, remove_tags, step
"""
# Only where they are used: a process that imports the file takes longer for them than for all the rest.
LIBRARIES = {"np": "import numpy as np\n", "pd": "import pandas as pd\n"}
ROOT = Path(__file__).parents[2]


class Project:
    """A folder with a workspace.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded = 0

    @property
    def client(self) -> Client:
        """What this process may ask of the workspace."""
        return Client()

    def write(self, name: str, text: str) -> Path:
        """Write a file, its text without common indentation."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")
        # Two edits within one tick of the file system's clock must not look the same.
        self._loaded += 1
        os.utime(path, ns=(10**18 + self._loaded * 10**9, 10**18 + self._loaded * 10**9))
        return path

    def load(self, text: str, name: str = "flow", *, head: str = HEAD) -> Any:
        """Write a file, with imports above the text, and import it, whatever was imported by this name before."""
        libraries = "".join(line for short, line in LIBRARIES.items() if f"{short}." in text)
        path = self.write(f"{name}.py", f"{head}{libraries}\n{textwrap.dedent(text)}")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self.forget_helpers()
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
        return module

    def forget_helpers(self) -> None:
        """Have modules of this folder be imported anew."""
        # As text: thousands of modules are loaded, and a path made of each took half the time of such a test.
        inside = f"{self.folder}{os.sep}"
        for name, module in list(sys.modules.items()):
            if isinstance(module, ModuleType) and (getattr(module, "__file__", None) or "").startswith(inside):
                del sys.modules[name]
        importlib.invalidate_caches()

    def python(self, code: str, *, check: bool = False, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python in this folder to its end."""
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
            **options,
        )

    def process(self, code: str) -> subprocess.Popen[str]:
        """Start Python in this folder; its standard output can be read."""
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], cwd=self.folder, stdout=subprocess.PIPE, text=True
        )

    def reopen(self) -> None:
        """Let go of the workspace, as a new process would begin."""
        self.client.close()

    def logs_bytes(self) -> int:
        """Count what is written in all logs."""
        paths = self.client.workspace.paths
        return sum(path.stat().st_size for folder in (paths.logs, paths.operations) for path in folder.glob("*.log"))


def why(run: Any) -> dict[str, str]:
    """Say of each step how it ended and why."""
    return {node: f"{step.status.value}: {step.why}" for node, step in run.steps.items()}


def ran(run: Any) -> list[str]:
    """Name the steps that ran, in their order."""
    return [node for node, step in run.steps.items() if step.status.value == "completed"]


@contextmanager
def project_in(paths: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Work in a project's folder for the block."""
    folder = paths.root.parent
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(folder)]))
    project = Project(folder)
    yield project
    project.forget_helpers()
    open_workspace(paths).close()
