"""What all written records share: they are frozen, and a field they do not know is an error.

Pydantic's own report of a bad value is a page; ours is a line or two that names the value.
"""

from __future__ import annotations

from typing import Any, Self
from unicodedata import category

from pydantic import BaseModel, ConfigDict, ValidationError

from nbpipe.errors import BadValueError, nearest


class Record(BaseModel):
    """A frozen record. Making one from bad values raises `BadValueError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadValueError(sentences(type(self).__name__, error, tuple(type(self).model_fields))) from None

    # So marked it is not called for a record within another, whose problems then keep their full names.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def read(cls, data: Any) -> Self:
        """Make one from plain data, such as a parsed file.

        Raises:
            BadValueError: The data does not fit; every field that is wrong is named.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise BadValueError(sentences(cls.__name__, error, tuple(cls.model_fields))) from None


def problems_of(error: ValidationError, known: tuple[str, ...] = ()) -> dict[str, str]:
    """Turn pydantic's report into one sentence a field, by the field's dotted name."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "value"
        found.setdefault(name, _sentence(name, problem, known))
    return found


def sentences(subject: str, error: ValidationError, known: tuple[str, ...] = ()) -> str:
    """Turn pydantic's report into one or two lines about `subject`."""
    problems = problems_of(error, known)
    said = [text if name == "value" else f"{name} {text}" for name, text in problems.items()]
    more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
    return f"{subject}: {'; '.join(said[:3])}{more}"


def _sentence(name: str, problem: Any, known: tuple[str, ...]) -> str:
    match problem["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            near = nearest(name.rpartition(".")[2], known)
            return f"is not known here; did you mean {near[0]!r}?" if near else "is not known here"
        case "missing" | "missing_argument":
            return "needs a value"
        case "value_error":
            return str(problem["ctx"]["error"])
        case _:
            said = problem["msg"][0].lower() + problem["msg"][1:]
            said = said.removeprefix("input ").removeprefix("value ")
            return f"{said} (got {shorten(problem['input'])})"


def shorten(value: Any, width: int = 60) -> str:
    """Show a value in at most `width` letters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 — a broken __repr__ of the user's must not hide the real error
        text = f"<{type(value).__name__}>"
    return text if len(text) <= width else f"{text[: width - 1]}…"


def is_whole(text: str) -> bool:
    """Tell whether a text can be written: half of a character, which a broken decoding leaves, cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def is_plain(text: str) -> bool:
    """Tell whether a text can be a name: it can be written, and holds no control characters."""
    return is_whole(text) and not any(category(letter) == "Cc" for letter in text)


def plain_name(what: str, text: object) -> str:
    """Give the name of a `what` as it is kept: trimmed.

    Raises:
        BadValueError: It is no text, empty, longer than 255 characters, or holds control characters or half of one.
    """
    name = text.strip() if isinstance(text, str) else ""
    if not name or len(name) > 255 or not is_plain(name):
        raise BadValueError(f"{shorten(text)} cannot name a {what}: use 1 to 255 printable characters.")
    return name
