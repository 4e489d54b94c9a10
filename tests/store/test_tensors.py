"""Torch's tensors and state dicts; `make test-extras` runs these in an environment that has torch."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest

from nbpipe.errors import ArtifactUnreadableError
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.store import Store
from nbpipe.store.tensors import Tensors
from tests.store import test_laws as laws
from tests.store.kinds import Kind
from tests.store.trials import there_and_back

pytestmark = pytest.mark.torch


@pytest.fixture
def torch():
    import torch

    return torch


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


def state_dict():
    import torch

    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()


def tied():
    import torch

    weight = torch.arange(6.0).reshape(2, 3)
    return OrderedDict([("encoder.weight", weight), ("decoder.weight", weight), ("first row", weight[0])])


def checkpoint():
    import torch

    torch.manual_seed(1)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "losses": [0.5, float("nan")]}


def first(value):
    if isinstance(value, dict):
        return first(value["model"] if "model" in value else next(iter(value.values())))
    return first(value[0]) if isinstance(value, (list, tuple)) else value


def fill(value):
    first(value).data.fill_(1)


def tensor(*shape, **options):
    import torch

    return torch.arange(float(np.prod(shape)), **options).reshape(shape)


def made_with(dtype):
    import torch

    return torch.tensor([0, 1, 3], dtype=getattr(torch, dtype))


NUMBERS = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int8",
    "uint8",
    "uint16",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
]
KINDS = {
    **{dtype: lambda dtype=dtype: made_with(dtype) for dtype in NUMBERS},
    "state dict": state_dict,
    "tied weights": tied,
    "checkpoint": checkpoint,
    "requires grad": lambda: tensor(3, requires_grad=False).requires_grad_(True),
    "turned": lambda: tensor(2, 3).T,
    "cut": lambda: tensor(4, 4)[::2, 1:3],
    "expanded": lambda: tensor(1, 3).expand(4, 3),
    "one number": tensor,
    "NaN": lambda: tensor(2) * float("nan"),
    "list and tuple": lambda: [tensor(2), (tensor(3), "text", None)],
    "hostile names": lambda: {
        "__metadata__": tensor(1),
        "<script>": tensor(2),
        "é" * 5000: tensor(3),
        "a#memory": tensor(1),
    },
}
LAWS = [
    laws.test_a_value_comes_back_with_its_type_its_content_and_what_its_parts_share,
    laws.test_what_came_back_is_written_in_the_same_bytes,
    laws.test_a_change_in_place_is_told,
    laws.test_two_loads_share_nothing,
    laws.test_a_part_of_another_output_is_told_and_stored_with_it_or_not_at_all,
    laws.test_bytes_that_were_cut_off_or_altered_are_read_as_a_value_or_refused,
    laws.test_a_blob_that_was_altered_or_cut_off_is_damaged,
    laws.test_a_preview_is_small_says_something_and_can_be_written_as_json,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", KINDS)
def test_what_holds_for_every_kind_of_value_holds_for_tensors(store, name, law):
    law(store, Kind(KINDS[name], fill, "safetensors@1"))


def test_a_state_dict_comes_back_into_its_module(torch):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))

    again = there_and_back(Tensors(), module.state_dict())

    assert type(again) is OrderedDict
    assert again._metadata == module.state_dict()._metadata
    other = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    other.load_state_dict(again)
    assert all(torch.equal(one, two) for one, two in zip(module.parameters(), other.parameters(), strict=True))


def test_tied_weights_and_views_share_their_memory_again(torch):
    value = {**tied(), "view": None}
    value["view"] = value["encoder.weight"].view(3, 2)

    again = there_and_back(Tensors(), value)
    again["encoder.weight"][0, 0] = 99

    assert again["decoder.weight"] is again["encoder.weight"]
    assert again["first row"][0] == again["view"][0, 0] == 99


def test_the_library_reads_our_files_and_names_every_tensor(torch):
    from safetensors.torch import load

    value = state_dict() | {"half": torch.ones(3, dtype=torch.bfloat16), "empty": torch.zeros(0, 4)}

    by_library = load(joined(Tensors().encode(value)))

    assert set(by_library) == set(value)
    assert all(torch.equal(by_library[name], value[name]) for name in value)


def test_parameters_gradients_strides_and_notes(torch):
    parameter = torch.nn.Parameter(torch.ones(2, 3), requires_grad=False)
    learnt = torch.nn.Parameter(torch.ones(2))
    (learnt * 3).sum().backward()
    noted = torch.ones(2)
    noted.unit = "mm"

    again = there_and_back(Tensors(), {"fixed": parameter, "learnt": learnt, "turned": tensor(2, 3).T})

    assert type(again["fixed"]) is torch.nn.Parameter
    assert (again["fixed"].requires_grad, again["learnt"].requires_grad) == (False, True)
    assert again["learnt"].grad.tolist() == [3, 3]
    assert again["turned"].stride() == (1, 3)
    assert Tensors().encode(noted) is None


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_a_tensor_without_elements_keeps_its_shape(torch, shape):
    assert there_and_back(Tensors(), torch.zeros(shape)).shape == shape
    assert there_and_back(Tensors(), {"a": torch.zeros(shape), "b": torch.ones(1)})["a"].shape == shape


def test_a_slice_of_a_large_tensor_is_not_the_large_one(torch):
    large = torch.zeros(1_000_000)

    assert len(joined(Tensors().encode(large[:10]))) < 1000
    assert len(joined(Tensors().encode([large[:10], large[5:20]]))) < 2000


def test_a_tensor_that_hangs_on_its_calculation_says_what_to_store(torch, store):
    learnt = torch.ones(2, requires_grad=True)

    answer = store.keep({"loss": (learnt * 2).sum()}, made_by="step")

    assert [left.why for left in answer.not_carried] == [
        "a tensor hangs on the calculation that made it. Store its detach()"
    ]


def test_what_is_no_tensor_of_plain_numbers_is_declined(torch):
    class Mine(torch.Tensor):
        pass

    inside = {"a": torch.ones(1)}
    inside["b"] = inside
    others = [
        torch.ones(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.ones(2).as_subclass(Mine),
        {"a": torch.ones(1), "b": object()},
        inside,
        {},
        [1, 2],
        OrderedDict(),
    ]

    assert [Tensors().encode(value) for value in others] == [None] * len(others)


def test_a_tensor_of_a_device_that_is_not_here_comes_back_on_the_processor(torch, store):
    data = joined(Tensors().encode({"a": torch.ones(2)}))
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    said = json.loads(header["__metadata__"]["nbpipe"])
    said["tensors"]["a"]["device"] = "cuda:7"
    header["__metadata__"]["nbpipe"] = json.dumps(said)
    altered = json.dumps(header).encode()
    version = store.keep({"a": torch.ones(2)}, made_by="step").versions["a"]
    blob = store.blobs.write([struct.pack("<Q", len(altered)) + altered + data[8 + length :]])

    again = store.load(replace(version, inline=None, blob=blob))["a"]

    assert (again.device.type, again.tolist()) == ("cpu", [1, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"of": "a#memory", "offset": 0, "dtype": "float32", "shape": [10**9], "strides": [1]},
        {"of": "a#memory", "offset": -4, "dtype": "float32", "shape": [1], "strides": [1]},
        {"of": "a#memory", "offset": 0, "dtype": "float32", "shape": [2], "strides": [-1]},
        {"of": "a#memory", "offset": 1, "dtype": "float32", "shape": [1], "strides": [1]},
        {"of": "a#memory", "offset": 0, "dtype": "save", "shape": [1], "strides": [1]},
        {"of": "gone", "offset": 0, "dtype": "float32", "shape": [1], "strides": [1]},
    ],
    ids=lambda change: str(change)[:60],
)
def test_a_view_from_elsewhere_that_leads_out_of_its_memory_is_refused(torch, store, change):
    whole = torch.ones(4)
    data = joined(Tensors().encode({"a": whole, "b": whole[1:]}))
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    said = json.loads(header["__metadata__"]["nbpipe"])
    said["tensors"]["b"]["view"] = change
    header["__metadata__"]["nbpipe"] = json.dumps(said)
    altered = json.dumps(header).encode()
    version = store.keep({"a": 1}, made_by="step").versions["a"]
    blob = store.blobs.write([struct.pack("<Q", len(altered)) + altered + data[8 + length :]])

    with pytest.raises(ArtifactUnreadableError):
        store.load(replace(version, inline=None, blob=blob, materializer="safetensors@1"))


def test_what_can_be_told_apart_has_two_digests_and_how_it_lies_does_not_count(torch):
    one = torch.arange(6.0).reshape(2, 3)
    variants = [one, one.double(), one.reshape(3, 2), -one, one.clone().requires_grad_(), torch.nn.Parameter(one)]

    assert content_digest(one.T.contiguous().T).digest == content_digest(one).digest
    assert len({content_digest(value).digest for value in variants}) == len(variants)
    assert content_digest(one * float("nan")).digest == content_digest(one * -float("nan")).digest


def test_the_first_rows_of_a_state_dict_are_its_preview(torch, store):
    shown = store.preview(state_dict())

    assert shown["columns"] == ["name", "shape", "type", "numbers"]
    assert shown["rows"][0] == ["0.weight", "3 × 2", "float32", "6"]
    assert shown["note"] == "7 tensors of 22 numbers"
