"""Pydantic models, scikit-learn's estimators, and anything else that can be pickled.

A model is its fields as JSON and its class by name. It is read back once when it is written: if that
gives another model (a field of type `Any`, a validator that is not idempotent), it is pickled
instead. Everything written here but models is a pickle and is marked as one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store import pickles
from nbpipe.store.buffers import Piece
from nbpipe.store.live import refusal
from nbpipe.store.loading import Loading

if TYPE_CHECKING:
    from pydantic import BaseModel


class PydanticModel:
    """A pydantic model, as the JSON it dumps and validates itself."""

    name: ClassVar[str] = "pydantic"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("pydantic.main.BaseModel",)

    def encode(self, value: BaseModel) -> list[Piece] | None:
        """Write its fields, or decline a model that would not come back equal."""
        kind = type(value)
        if "<" in kind.__qualname__ or any(refusal(type(part)) for part in vars(value).values()):
            # To write an iterator is to use it up.
            return None
        try:
            fields = value.model_dump_json(round_trip=True)
            if kind.model_validate_json(fields) != value:
                return None
        except Exception:  # noqa: BLE001 - serializers and validators are the user's own code
            return None
        said = {
            "class": f"{kind.__module__}:{kind.__qualname__}",
            "set": sorted(value.model_fields_set),
            "fields": fields,
        }
        return [json.dumps(said).encode()]

    def decode(self, data: memoryview, loading: Loading) -> BaseModel:
        """Have the class validate the fields.

        Raises:
            LookupError: There is no class of that name here.
        """
        from pydantic import BaseModel

        said = json.loads(bytes(data))
        kind = loading.classes(said["class"])
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            raise LookupError(f"there is no model class {said['class']} here")
        model = kind.model_validate_json(said["fields"])
        model.model_fields_set.intersection_update(said["set"])
        return model


class Pickle:
    """Whatever can be pickled: the last resort."""

    name: ClassVar[str] = "pickle"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = True
    types: ClassVar[tuple[type | str, ...]] = (object,)

    def encode(self, value: Any) -> list[Piece] | None:
        """Pickle it."""
        return pickles.dump(value).pieces

    def decode(self, data: memoryview, loading: Loading) -> Any:
        """Run the pickle."""
        return pickles.load(data, loading.classes)


class SklearnEstimator(Pickle):
    """An estimator of scikit-learn's: a pickle under a name of its own."""

    name: ClassVar[str] = "sklearn"
    types: ClassVar[tuple[type | str, ...]] = ("sklearn.base.BaseEstimator",)


class Figure(Pickle):
    """A figure of matplotlib's: a pickle, so that it can be drawn on; its preview is a PNG."""

    name: ClassVar[str] = "figure"
    types: ClassVar[tuple[type | str, ...]] = ("matplotlib.figure.Figure",)


class Bundle(Pickle):
    """Outputs that share something: a list of them in one pickle. No type asks for it."""

    name: ClassVar[str] = "bundle"
    types: ClassVar[tuple[type | str, ...]] = ()
