"""What a cell shows, kept as a notebook keeps it, and shown again.

While a step's cell runs, its prints, displays and results pass through here; a reused cell shows
them again in the same order, so that the notebook looks the same. The form is nbformat's.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Output = dict[str, Any]

_MOST_CHARS = 1 << 20
_LEFT_OUT = "\n… the rest was left out …\n"
_WIDGET = "application/vnd.jupyter.widget-view+json"


class Recorder:
    """Listens to one shell while a cell runs.

    Args:
        shell: The shell; what is put in its way is taken out again by `stop`.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._outputs: list[Output] = []
        self._by_display_id: dict[str, list[Output]] = {}
        self._undo: list[Callable[[], None]] = []
        self._chars = 0
        self._clears_next = False
        self._is_inside_display = False

    def start(self) -> None:
        """Begin to listen."""
        publisher, hook = self._shell.display_pub, self._shell.displayhook
        for name in ("stdout", "stderr"):
            self._put(getattr(sys, name), "write", self._writing(getattr(sys, name).write, name))
        self._put(publisher, "publish", self._publishing(publisher.publish))
        self._put(publisher, "clear_output", self._clearing(publisher.clear_output))
        # Between these two, a terminal prints what is kept as a result.
        self._put(hook, "start_displayhook", self._entering(hook.start_displayhook))
        self._put(hook, "write_format_data", self._showing(hook.write_format_data))
        self._put(hook, "finish_displayhook", self._leaving(hook.finish_displayhook))

    def stop(self) -> list[Output]:
        """Stop listening and give what was shown."""
        while self._undo:
            self._undo.pop()()
        return self._outputs

    def _put(self, thing: Any, name: str, ours: Callable[..., Any]) -> None:
        """Put a function over a method; whoever puts something over ours meanwhile keeps theirs."""
        setattr(thing, name, ours)
        self._undo.append(lambda: delattr(thing, name) if vars(thing).get(name) is ours else None)

    def _writing(self, write: Callable[[str], int], name: str) -> Callable[[str], int]:
        def write_and_keep(text: str) -> int:
            if not self._is_inside_display:
                self._keep_text(name, text)
            return write(text)

        return write_and_keep

    def _publishing(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        def publish_and_keep(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
            display_id = (options.get("transient") or {}).get("display_id", "")
            self._keep_display(plain(data), dict(metadata or {}), display_id, is_update=bool(options.get("update")))
            former, self._is_inside_display = self._is_inside_display, True
            try:
                return publish(data, metadata if metadata is not None else {}, *args, **options)
            finally:
                self._is_inside_display = former

        return publish_and_keep

    def _clearing(self, clear: Callable[..., Any]) -> Callable[..., Any]:
        def clear_and_forget(wait: bool = False) -> Any:
            self._clears_next = wait
            if not wait:
                self._outputs.clear()
            return clear(wait)

        return clear_and_forget

    def _entering(self, start: Callable[[], Any]) -> Callable[[], Any]:
        def start_quietly() -> Any:
            self._is_inside_display = True
            return start()

        return start_quietly

    def _showing(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def write_and_keep(format_dict: Any, md_dict: Any = None) -> Any:
            self._keep({"output_type": "execute_result", "data": plain(format_dict), "metadata": dict(md_dict or {})})
            return write(format_dict, md_dict)

        return write_and_keep

    def _leaving(self, finish: Callable[[], Any]) -> Callable[[], Any]:
        def finish_and_listen() -> Any:
            try:
                return finish()
            finally:
                self._is_inside_display = False

        return finish_and_listen

    # Keeping ---------------------------------------------------------------------------------

    def _keep(self, output: Output) -> None:
        if self._clears_next:
            self._outputs.clear()
            self._clears_next = False
        self._outputs.append(output)

    def _keep_text(self, name: str, text: str) -> None:
        if self._chars >= _MOST_CHARS:
            return
        self._chars += len(text)
        if self._chars >= _MOST_CHARS:
            text += _LEFT_OUT
        last = self._outputs[-1] if self._outputs and not self._clears_next else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self._keep({"output_type": "stream", "name": name, "text": text})

    def _keep_display(self, data: Output, metadata: Output, display_id: str, *, is_update: bool) -> None:
        if is_update:
            for shown in self._by_display_id.get(display_id, ()):
                shown |= {"data": data, "metadata": metadata}
            return
        output = {"output_type": "display_data", "data": data, "metadata": metadata}
        self._keep(output)
        if display_id:
            self._by_display_id.setdefault(display_id, []).append(output)


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give a display's data as JSON can hold it: pictures as base64 text, as in a saved notebook."""
    return {
        kind: b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
        if isinstance(value, str | bytes | dict | list | int | float | bool | None) and kind != _WIDGET
    }


class Replayed:
    """The result of a reused cell: shown as it was."""

    def __init__(self, output: Output) -> None:
        self._data = dict(output["data"])
        self._metadata = dict(output["metadata"])

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._metadata

    def __repr__(self) -> str:
        return str(self._data.get("text/plain", ""))


class Replay:
    """What a reused cell showed, in two parts: up to its result, and what came after it.

    Figures are shown after the result, when a cell is over.

    Args:
        shell: The shell that shows it.
        outputs: What was shown.
    """

    def __init__(self, shell: Any, outputs: Sequence[Output]) -> None:
        self._shell = shell
        results = [place for place, output in enumerate(outputs) if output["output_type"] == "execute_result"]
        place = results[-1] if results else len(outputs)
        self._before = outputs[:place]
        self._result = outputs[place] if results else None
        self._after = outputs[place + 1 :]

    def show(self) -> Replayed | None:
        """Show the first part; the answer is the cell's result, if it had one."""
        self._show(self._before)
        return Replayed(self._result) if self._result is not None else None

    def finish(self) -> None:
        """Show the rest."""
        self._show(self._after)

    def _show(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output["output_type"]:
                case "stream":
                    getattr(sys, output["name"]).write(output["text"])
                case "display_data":
                    self._shell.display_pub.publish(output["data"], output["metadata"])
                case "execute_result":
                    self._shell.displayhook(Replayed(output))
