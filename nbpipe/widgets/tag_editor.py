"""The tags of one thing or of several: what they bear, what could be put on, and what that would do.

Before anything is done it is said whom an exclusive tag would be taken from and how far a cascading
one would go. Should that have changed by the time of the press, the press does nothing but say so.
Every rule is the service's; a refusal is shown, and nothing has changed then.

An editor can be driven without a front end: set `names` and `exclusive`, then `add_button.click()`
or `remove_button.click()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from traitlets import HasTraits, Int, Unicode, observe, validate

from nbpipe.commands.showing import flags_text
from nbpipe.errors import BadValueError, NbpipeError
from nbpipe.records.base import shorten
from nbpipe.records.refs import Target
from nbpipe.records.tags import Tag
from nbpipe.services.resolve import resolve_all
from nbpipe.services.tag_foresight import TagEffect, named
from nbpipe.services.tags import tags_of
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.widgets.given import Given
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown
from nbpipe.widgets.tag_editor_controls import Chip, TagEditorControls

if TYPE_CHECKING:
    from nbpipe.services.client import Client

_MOST_KNOWN = 500


class TagEditor(Shown, HasTraits):
    """Puts tags on things and takes them off.

    Args:
        client: Whose things they are.
        targets: A record, a reference, a text that says its kind (`"run:1f3a9c"`), or a list of those.
        static: Show a table that needs no front end instead.

    Attributes:
        names: The tags to put on or take off.
        exclusive: Whether a new tag among them is to have one holder; flags of a known tag stay as they are.
        message: What the last press did.
        revision: How often tags were changed here; whoever shows the same things may watch it.

    Raises:
        BadValueError: Nothing to edit.
        NotFoundError: One of the targets does not exist.
    """

    names = Given(())
    exclusive = Given(False)
    message = Unicode("")
    revision = Int(0)

    def __init__(self, client: Client, targets: object, *, static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._client = client
        self._lock = RLock()
        self._is_drawing = False
        self._message_status = ""
        self._announced: tuple[Any, ...] | None = None
        # What was typed and is no list of tags, with why.
        self._refused: tuple[str, str] | None = None
        self._targets = resolve_all(client.workspace, {None: targets})
        self._load()

    @property
    def add_button(self) -> Any:
        """The Add button: `.click()` does what a press does."""
        return self._controls.add

    @property
    def remove_button(self) -> Any:
        """The Remove button: `.click()` does what a press does."""
        return self._controls.remove

    @property
    def chips(self) -> tuple[Any, ...]:
        """The buttons of the tags that are there; each takes its tag off."""
        return tuple(self._controls.chips.children)

    @property
    def widget(self) -> Any:
        """The live editor."""
        return self._controls.page

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is edited."""
        return self._targets

    @property
    def tags(self) -> dict[str, int]:
        """The tags that are there, each with how many of the targets bear it."""
        return dict(self._present)

    @property
    def effects(self) -> list[TagEffect]:
        """What putting `names` on would do now."""
        return list(self._client.tags.foresee(self._wanted(), list(self._targets))) if self.names else []

    def show(self, targets: object) -> None:
        """Edit other things from now on.

        Raises:
            BadValueError: Nothing to edit.
            NotFoundError: One of them does not exist.
        """
        self._targets = resolve_all(self._client.workspace, {None: targets})
        self._tell("", "")

    def reload(self) -> None:
        """Ask again which tags are there."""
        self._load()
        self._refresh()

    def static(self) -> Bundle:
        """Give the tags as a table, without instants, and what `names` would do."""
        rows = [(name, *self._counted(count), self._flags_of(name)) for name, count in self._present.items()]
        columns = ["tag", *(["on"] if len(self._targets) > 1 else []), "flags"]
        shown = [Section("tags", shown_table(Table(columns, rows)))] if rows else []
        said = [(effect.said,) for effect in self.effects]
        shown += [Section("to add", shown_table(Table(["what it would do"], said)))] if said else []
        return written(Card("tags", self._title, facts=[] if rows else [("tags", "none")], sections=shown))

    @validate("names")
    def _valid_names(self, proposal: Any) -> tuple[str, ...]:
        names = proposal["value"]
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise BadValueError(f"names={shorten(names)} is no list of tags; write [{shorten(names)}].")
        return tuple(dict.fromkeys(Tag(name=name).name for name in names))

    @validate("exclusive")
    def _valid_flag(self, proposal: Any) -> bool:
        if not isinstance(proposal["value"], bool):
            raise BadValueError(f"exclusive={shorten(proposal['value'])} should be True or False.")
        return bool(proposal["value"])

    @observe("names", "exclusive")
    def _decided_otherwise(self, _change: Any) -> None:
        self._refused = None
        self._refresh()

    @property
    def _title(self) -> str:
        if len(self._targets) == 1:
            return named(self._targets[0].kind, self._targets[0].label)
        return f"{len(self._targets)} things"

    def _load(self) -> None:
        borne = [name for target in self._targets for name in tags_of(self._client.workspace, target.kind, target.id)]
        self._present = {name: borne.count(name) for name in dict.fromkeys(borne)}
        self._known = {tag.name: tag for tag in self._client.tags.list()}

    def _wanted(self) -> list[Tag | str]:
        # What a known tag is was settled at its first use.
        return [
            Tag(name=name, exclusive=True) if self.exclusive and name not in self._known else name
            for name in self.names
        ]

    def _counted(self, count: int) -> list[str]:
        return [f"{count} of {len(self._targets)}"] if len(self._targets) > 1 else []

    def _flags_of(self, name: str) -> str:
        return flags_text(self._known[name]) if name in self._known else ""

    def _add(self) -> None:
        with self._lock:
            if self._refused is not None:
                typed, self.message = self._refused
                self._message_status = "failed"
                self._refresh(typed=typed, problem=self.message)
                return
            if not self.names and self._message_status == "completed":
                # The second press of a double click: what the first did stays told.
                return
            announced = self._announced
            self._load()
            effects = self._safe_effects()
            problem = next((effect.problem for effect in effects if effect.problem), "")
            if not self.names:
                self._tell("Name a tag first.", "failed")
            elif problem:
                self._tell(problem, "failed")
            elif announced is not None and _moves(effects) != announced:
                self._tell("Somebody was faster: look again at what it would do now, and press once more.", "failed")
            else:
                said = " ".join(effect.said for effect in effects)
                self._do(
                    lambda: self._client.tags.add(self._wanted(), to=list(self._targets)), lambda _: f"Done: {said}"
                )

    def _remove(self, names: Sequence[str]) -> None:
        with self._lock:
            if not names:
                self._tell("Name a tag first.", "failed")
                return
            what = ", ".join(names)
            done = self._do(
                lambda: self._client.tags.remove(list(names), to=list(self._targets)),
                lambda count: (
                    f"{what} is taken off {self._title}."
                    if count
                    else f"{self._title} {'do' if len(self._targets) > 1 else 'does'} not bear {what}."
                ),
            )
            if done:
                # So that Add puts it back.
                self.names = names

    def _do(self, act: Any, said: Any) -> bool:
        try:
            count = act()
        except Exception as error:  # noqa: BLE001 — whatever it was, the editor says so and stays
            self._tell(error_text(error), "failed")
            return False
        self.names, self.exclusive = (), False
        self.revision += 1
        self._tell(said(count), "completed")
        return True

    def _tell(self, text: str, status: str) -> None:
        self._load()
        self.message = text
        self._message_status = status
        self._refresh()

    @cached_property
    def _controls(self) -> TagEditorControls:
        controls = TagEditorControls()
        controls.add.on_click(lambda _: self._add())
        controls.remove.on_click(lambda _: self._remove(self.names))
        controls.exclusive.observe(lambda change: self._chosen("exclusive", change["new"]), "value")
        controls.name.observe(lambda change: self._typed(change["new"]), "value")
        vars(self)["_controls"] = controls
        self._refresh()
        return controls

    def _typed(self, text: str) -> None:
        if self._is_drawing:
            return
        try:
            # What is typed stays as it is typed while it is looked at.
            self._is_drawing = True
            self.names = [part for part in text.split(",") if part.strip()]
            problem = ""
        except NbpipeError as error:
            problem = str(error)
        finally:
            self._is_drawing = False
        self._refused = (text, problem) if problem else None
        self._refresh(typed=text, problem=problem)

    def _chosen(self, name: str, value: Any) -> None:
        if not self._is_drawing:
            setattr(self, name, value)

    def _safe_effects(self) -> list[TagEffect]:
        try:
            return self.effects
        except Exception as error:  # noqa: BLE001 — a target may be gone: the editor says so and stays
            return [TagEffect("", is_new=False, exclusive=False, cascade=False, problem=error_text(error))]

    def _refresh(self, *, typed: str | None = None, problem: str = "") -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self) or self._is_drawing:
            return
        with self._drawing():
            self._draw(self._controls, typed, problem)

    def _draw(self, controls: TagEditorControls, typed: str | None, problem: str) -> None:
        chips = [
            Chip(name, " ".join([name, *self._counted(count)]), self._flags_of(name), self._title)
            for name, count in self._present.items()
        ]
        controls.show_chips(self._title, chips, lambda name: self._remove([name]))
        everywhere = {name for name, count in self._present.items() if count == len(self._targets)}
        controls.suggest([name for name in self._known if name not in everywhere][:_MOST_KNOWN])
        if typed is None:
            controls.name.value = ", ".join(self.names)
        effects = [] if problem else self._safe_effects()
        self._announced = _moves(effects)
        is_any_new = any(name not in self._known for name in self.names)
        controls.offer(effects, problem, is_any_new=is_any_new, exclusive=self.exclusive, bears=self._bears_any())
        controls.say(self.message, self._message_status)

    def _bears_any(self) -> bool:
        return any(name in self._present for name in self.names)


def _moves(effects: Sequence[TagEffect]) -> tuple[Any, ...]:
    """Say what effects come to for who would lose or get something."""
    return tuple((effect.name, effect.losers, effect.reached) for effect in effects)
