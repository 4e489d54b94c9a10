"""What starts a scheduler with the machine: a systemd user unit, a launchd agent, or a task of Windows.

Sources: systemd.service(5) and systemd.syntax(7); launchd.plist(5); "Task Scheduler Schema" of Microsoft. The text is
made here and written where each of them looks; switching it on is left to people.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, SchedulerError
from nbpipe.records.base import shorten

KINDS = ("systemd", "launchd", "windows")
_NAMED_BY = 8


@dataclass(frozen=True, slots=True)
class Unit:
    """What starts a scheduler with the machine.

    Attributes:
        kind: `systemd`, `launchd` or `windows`.
        path: Where it is written.
        text: What it says.
        switch_on: The command that switches it on.
        switch_off: The command that switches it off.
    """

    kind: str
    path: str
    text: str
    switch_on: str
    switch_off: str

    def write(self) -> None:
        """Write it where it is looked for; a former one of this workspace is replaced.

        Raises:
            SchedulerError: It cannot be written.
        """
        place = Path(self.path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # Windows reads its tasks as UTF-16, as their first line says.
            place.write_text(self.text, encoding="utf-16" if self.kind == "windows" else "utf-8")
        except OSError as error:
            raise SchedulerError(f"{place} cannot be written: {error.strerror or error}.") from error


def kind_here() -> str:
    """Give the kind that this machine has."""
    return {"darwin": "launchd", "win32": "windows"}.get(sys.platform, "systemd")


def unit_for(kind: str, paths: WorkspacePaths, *, workers: int) -> Unit:
    """Say what starts a scheduler of a workspace with the machine.

    Args:
        kind: `systemd`, `launchd` or `windows`.
        paths: The workspace.
        workers: How many runs go on at once.

    Raises:
        BadValueError: A kind that is none, or a path that cannot be said in it.
    """
    root = str(paths.root)
    if not all(part.isprintable() for part in (root, sys.executable)):
        raise BadValueError(f"{shorten(root)} holds letters that no unit can say.")
    # One for each workspace of a machine.
    name = f"nbpipe-scheduler-{hashlib.sha256(os.fsencode(root)).hexdigest()[:_NAMED_BY]}"
    command = [sys.executable, "-P", "-m", "nbpipe", "scheduler", "run", "--workers", str(workers), "--background"]
    match kind:
        case "systemd":
            return _systemd(name, root, command)
        case "launchd":
            return _launchd(name, root, command)
        case "windows":
            return _windows(name, root, command)
    raise BadValueError(f"kind={shorten(kind)} is none; there are {', '.join(KINDS)}.")


def _systemd(name: str, root: str, command: list[str]) -> Unit:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    place = Path(home) / "systemd" / "user" / f"{name}.service"
    text = "\n".join(
        (
            "[Unit]",
            f"Description=nbpipe scheduler of {_percents(root)}",
            "",
            "[Service]",
            f"ExecStart={' '.join(map(_quoted, command))}",
            f"Environment={_quoted(f'NBPIPE_HOME={root}')}",
            f"WorkingDirectory={_percents(str(Path(root).parent))}",
            "Restart=on-failure",
            "RestartSec=10",
            # Runs that it began go on when it ends.
            "KillMode=process",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        )
    )
    on = f"systemctl --user daemon-reload && systemctl --user enable --now {name}"
    return Unit("systemd", str(place), text, on, f"systemctl --user disable --now {name}")


def _percents(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Write a word as systemd reads it: in quotation marks, with its own signs doubled."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_percents(escaped)}"'


def _launchd(name: str, root: str, command: list[str]) -> Unit:
    label = f"org.{name}"
    place = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
    agent = {
        "Label": label,
        "ProgramArguments": command,
        "EnvironmentVariables": {"NBPIPE_HOME": root},
        "WorkingDirectory": str(Path(root).parent),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        # Runs that it began go on when it ends.
        "AbandonProcessGroup": True,
    }
    said = shlex.quote(str(place))
    text = plistlib.dumps(agent).decode()
    return Unit("launchd", str(place), text, f"launchctl load -w {said}", f"launchctl unload -w {said}")


def _windows(name: str, root: str, command: list[str]) -> Unit:
    place = Path(root) / "schedules" / f"{name}.xml"
    arguments = escape(" ".join(command[1:]))
    text = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>nbpipe scheduler of {escape(root)}</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions>
    <Exec>
      <Command>{escape(command[0])}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{escape(str(Path(root).parent))}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""
    on = f'schtasks /Create /TN {name} /XML "{place}"'
    return Unit("windows", str(place), text, on, f"schtasks /Delete /TN {name} /F")
