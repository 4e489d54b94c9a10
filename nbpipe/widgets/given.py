"""A trait that must be given: what widgets here are set by, where `None` says nothing."""

from __future__ import annotations

from traitlets import Any as AnyTrait


class Given(AnyTrait):
    """A trait of any type whose validator is asked about `None` too: where it is allowed, it is taken unasked."""

    allow_none = False
