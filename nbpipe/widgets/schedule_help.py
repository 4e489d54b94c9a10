"""What a cron expression is made of, for who writes one: its fields, its signs, and examples.

Nothing is asked of anybody: it is all here.
"""

from __future__ import annotations

from nbpipe.schedule.words import cron_in_words
from nbpipe.views.markup import Element, element
from nbpipe.views.tables import Table, table_element

EXAMPLES = (
    "*/15 * * * *",
    "0 * * * *",
    "0 2 * * *",
    "30 7 * * mon-fri",
    "0 6 * * mon",
    "0 0 1 * *",
    "0 22 l * *",
    "0 9 * * mon#1",
)
_FIELDS = (
    ("1", "minute", "0–59", "30"),
    ("2", "hour", "0–23", "2"),
    ("3", "day of the month", "1–31, l for the last", "1,15"),
    ("4", "month", "1–12 or jan–dec", "jan-mar"),
    ("5", "day of the week", "0–7 or sun–sat, mon#2 for the second Monday", "mon-fri"),
)
_SIGNS = (
    ("*", "each"),
    ("1,15", "one and the other"),
    ("1-5", "from … to …"),
    ("*/15", "every fifteenth, from the first on"),
    ("@daily", "also @hourly, @weekly, @monthly, @yearly: the whole expression"),
)
_REMARKS = (
    "Of two days, one of the month and one of the week, either will do: 0 0 13 * fri is each 13th and each Friday.",
    "When clocks are set forward, a fixed time that is left out fires when they have been; one that comes twice "
    "in autumn fires the first time. What begins with a star follows elapsed time.",
)


def example_label(expression: str) -> str:
    """Say what an example means, in few words."""
    return cron_in_words(expression)


def cron_help() -> Element:
    """Show what the five fields take and which signs there are."""
    remarks = [element("div", remark, style="margin:2px 0; font-size:12px;") for remark in _REMARKS]
    return element(
        "div",
        table_element(Table(("field", "", "takes", "as in"), _FIELDS)),
        table_element(Table(("sign", "means"), _SIGNS)),
        *remarks,
    )
