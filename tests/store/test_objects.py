"""Models and estimators."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import BaseModel, PrivateAttr, field_validator

from nbpipe.store.buffers import joined
from nbpipe.store.loading import Loading
from nbpipe.store.materializers import REGISTRY
from nbpipe.store.objects import PydanticModel
from tests.store.trials import there_and_back
from tests.store.values import Order


class Growing(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def grow(cls, number: int) -> int:
        return number + 1


class Secretive(BaseModel):
    number: int
    _secret: int = PrivateAttr(default=0)


def read(data: bytes, classes, tmp_path):
    return PydanticModel().decode(memoryview(data), Loading(classes, tmp_path, False))


def test_a_model_comes_back_equal_and_knows_which_fields_were_set(tmp_path):
    order = Order(number=1, when=datetime(2026, 1, 1, tzinfo=UTC), lines=("a", "b"))
    data = joined(PydanticModel().encode(order))

    again = read(data, {"tests.store.values:Order": Order}.get, tmp_path)

    assert again == order
    assert again.model_fields_set == {"number", "when", "lines"}


def test_a_model_that_would_come_back_as_another_is_declined():
    secretive = Secretive(number=1)
    secretive._secret = 7

    for model in (Growing(number=1), Order(number=1, anything=(1, 2)), Order(number=1, anything=object()), secretive):
        assert PydanticModel().encode(model) is None


def test_a_record_cannot_have_another_kind_of_class_called(tmp_path):
    data = joined(PydanticModel().encode(Order(number=1)))

    for found in (None, dict, object):
        with pytest.raises(LookupError, match=r"tests\.store\.values:Order"):
            read(data, lambda _, found=found: found, tmp_path)


def test_an_estimator_is_a_pickle_and_says_so():
    from sklearn.linear_model import LogisticRegression

    inputs = np.random.default_rng(1).random((20, 2))
    model = LogisticRegression().fit(inputs, np.arange(20) % 2)
    materializer = next(REGISTRY.for_type(type(model)))

    again = there_and_back(materializer, model)

    assert (materializer.name, materializer.pickled) == ("sklearn", True)
    np.testing.assert_array_equal(again.predict(inputs), model.predict(inputs))
