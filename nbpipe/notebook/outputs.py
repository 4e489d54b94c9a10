"""What a cell shows, kept as a notebook keeps it, and shown again.

While a step's cell runs, its prints, displays and result pass through here; a reused cell shows
them again in the same order, so that the notebook looks the same. The form is nbformat's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

_MOST_CHARS = 1 << 20

Output = dict[str, Any]


class Recorder:
    """Listens to one shell while a cell runs.

    Args:
        shell: The shell; what is put in its way is taken out again by `stop`.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.outputs: list[Output] = []
        self._undo: list[Callable[[], None]] = []
        self._chars = 0

    def start(self) -> None:
        """Begin to listen."""
        self._listen_to_streams()
        publisher, hook = self._shell.display_pub, self._shell.displayhook
        publish, write = publisher.publish, hook.write_format_data

        def publish_and_keep(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
            if not options.get("update"):
                self._keep({"output_type": "display_data", "data": plain(data), "metadata": dict(metadata or {})})
            return publish(data, metadata, *args, **options)

        def write_and_keep(format_dict: Any, md_dict: Any = None, *args: Any, **options: Any) -> Any:
            self._keep({"output_type": "execute_result", "data": plain(format_dict), "metadata": dict(md_dict or {})})
            return write(format_dict, md_dict, *args, **options)

        publisher.publish, hook.write_format_data = publish_and_keep, write_and_keep
        # The shell's classes have these as methods: dropping ours from the instances brings them back.
        self._undo.append(lambda: _drop(publisher, "publish", publish_and_keep))
        self._undo.append(lambda: _drop(hook, "write_format_data", write_and_keep))

    def stop(self) -> list[Output]:
        """Stop listening and give what was shown."""
        while self._undo:
            self._undo.pop()()
        return self.outputs

    def _listen_to_streams(self) -> None:
        for name in ("stdout", "stderr"):
            original = getattr(sys, name)
            tee = _Tee(original, name, self._keep_text)
            setattr(sys, name, tee)
            self._undo.append(lambda name=name, tee=tee, original=original: _restore(name, tee, original))  # type: ignore[misc]

    def _keep_text(self, name: str, text: str) -> None:
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            if self._chars < _MOST_CHARS:
                last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})
        self._chars += len(text)

    def _keep(self, output: Output) -> None:
        self.outputs.append(output)


def _drop(thing: Any, name: str, ours: object) -> None:
    # Whoever put something over ours in the meantime keeps theirs.
    if thing.__dict__.get(name) is ours:
        delattr(thing, name)


def _restore(name: str, tee: object, original: TextIO) -> None:
    if getattr(sys, name) is tee:
        setattr(sys, name, original)


class _Tee:
    """A stream that passes everything on, and tells what was written."""

    def __init__(self, original: TextIO, name: str, tell: Callable[[str, str], None]) -> None:
        self._original = original
        self._name = name
        self._tell = tell

    def write(self, text: str) -> int:
        self._tell(self._name, text)
        return self._original.write(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give a display's data as JSON can hold it: pictures as base64 text, as in a saved notebook."""
    from base64 import b64encode

    return {
        kind: b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
        if isinstance(value, str | bytes | dict | list | int | float | bool | None)
        and kind != "application/vnd.jupyter.widget-view+json"
    }


class Replayed:
    """The result of a reused cell: shown as it was."""

    def __init__(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._data = dict(data)
        self._metadata = dict(metadata)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._metadata

    def __repr__(self) -> str:
        return str(self._data.get("text/plain", ""))


def replay(shell: Any, outputs: Sequence[Output]) -> Replayed | None:
    """Show outputs again; the answer is the cell's result, if it had one."""
    result = None
    for output in outputs:
        match output["output_type"]:
            case "stream":
                getattr(sys, output["name"]).write(output["text"])
            case "display_data":
                shell.display_pub.publish(output["data"], output["metadata"])
            case "execute_result":
                result = Replayed(output["data"], output["metadata"])
    return result
