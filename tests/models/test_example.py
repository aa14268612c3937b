"""Inputs like an author's example: shape, dtype, layout, values, and how they are passed."""

import pytest
import torch
from torch import nn

from co3d_bench.models.example import Example, ExampleError, as_called, read_example
from co3d_bench.models.inputs import call, tensors_of


class Net(nn.Module):
    """Answers what it was called with."""

    def __init__(self, forward):
        super().__init__()
        self.forward = forward


def one(x):
    return ("one", x)


def two(a, b):
    return ("two", a, b)


def named(tokens, mask=None):
    return ("named", tokens, mask)


A, B = torch.rand(1, 3) + 1, torch.arange(4)[None]

PASSED = [
    (one, A, ("one", A)),
    (two, (A, B), ("two", A, B)),
    (one, (A, B), ("one", (A, B))),
    (one, [A, B], ("one", [A, B])),
    (two, [A, B], ("two", A, B)),
    (named, {"tokens": A, "mask": B}, ("named", A, B)),
    (one, {"tokens": A, "mask": B}, ("one", {"tokens": A, "mask": B})),
    (two, (A, ([B], {"k": A, "n": 3})), ("two", A, ([B], {"k": A, "n": 3}))),
    (named, (A, None), ("named", A, None)),
]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize(("forward", "thing", "expected"), PASSED)
def test_an_example_is_passed_as_the_signature_takes_it(forward, thing, expected):
    net = Net(forward)
    example = read_example(net, thing)
    assert same(call(as_called(net, example), example.itself()), expected)


def drawn(tensor, batch=1, seed=0):
    (x,) = tensors_of(read_example(Net(one), tensor).draw(batch, torch.Generator().manual_seed(seed)))
    return x


def test_noise_has_the_values_of_the_example():
    positive = drawn(torch.rand(1, 3, 50) + 0.5, 4)
    assert positive.shape == (4, 3, 50)
    assert 0.5 <= positive.min() < 0.7 < 1.3 < positive.max() <= 1.5
    assert set(drawn(torch.tensor([[3, 7, 9]])).flatten().tolist()) <= {3, 7, 9}
    assert drawn(torch.tensor([[True, False]]), 8).dtype == torch.bool
    assert drawn(torch.full((1, 4), 5)).tolist() == [[5] * 4]
    half = drawn(torch.full((1, 100), -2.0))
    assert -2 <= half.min() < half.max() <= -1


def test_zeros_are_a_placeholder_for_standard_normal_noise():
    seeded = torch.Generator().manual_seed(3)
    assert torch.equal(drawn(torch.zeros(1, 3, 4), 2, seed=3), torch.randn(2, 3, 4, generator=seeded))
    assert read_example(Net(one), torch.zeros(1, 3)).values_text is None


@pytest.mark.parametrize("batch", [1, 2])
def test_the_memory_layout_is_that_of_the_example(batch):
    last = torch.zeros(1, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
    assert drawn(last, batch).is_contiguous(memory_format=torch.channels_last_3d)
    assert drawn(torch.zeros(1, 4, 3).transpose(1, 2), batch).stride()[1:] == (1, 3)
    assert drawn(torch.zeros(1, 1, 3).expand(1, 8, 3), batch).is_contiguous()


def test_the_batch_goes_to_the_tensors_that_have_one():
    example = read_example(Net(two), (torch.zeros(25, 25), torch.rand(1, 3)))
    x = example.draw(4, torch.Generator().manual_seed(0))
    assert [tuple(tensor.shape) for tensor in x] == [(25, 25), (4, 3)]
    assert example.batch_of(x) == 4
    assert [tuple(tensor.shape) for tensor in example.rows(x, slice(1))] == [(25, 25), (1, 3)]
    with pytest.raises(ExampleError, match="--batch 1 only"):
        read_example(Net(one), [torch.rand(3, 8, 8)]).draw(2, torch.Generator())


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        (torch.tensor(3), "3"),
        (torch.tensor(3.0), "1.5 to 3"),
        (torch.tensor(True), "1"),
        (torch.tensor([[1, 2]], dtype=torch.uint16), "1 to 2"),
    ],
)
def test_a_single_number_and_unsigned_integers_may_stand_beside_a_frame(beside, words):
    example = read_example(Net(two), (torch.zeros(1, 3, 4, 4), beside))
    assert example.values_text == f"b: {words}"
    _, drawn = tensors_of(example.draw(2, torch.Generator().manual_seed(0)))
    assert (drawn.shape[1:], drawn.dtype) == (beside.shape[1:], beside.dtype)


def test_a_shape_alone_takes_no_memory():
    example = Example.of_shape((1000, 1000, 1000))
    assert example.first.untyped_storage().nbytes() == 4
    assert example.first.shape == (1, 1000, 1000, 1000)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (3, "is an int, which holds no tensor"),
        ([], "is a list, which holds no tensor"),
        (torch.zeros(1, 3).double(), "is torch.float64; give torch.float32"),
        (torch.zeros(1, 3, dtype=torch.complex64), "is torch.complex64"),
        (torch.zeros(1, 3).to_sparse(), "is a sparse, quantised or nested tensor"),
        (torch.zeros(3, 4), "has the shape (3, 4); give exactly what"),
        ([torch.zeros(1, 3, device="meta")], "of the device meta, without values"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(thing, message):
    with pytest.raises(ExampleError) as raised:
        read_example(Net(one), thing)
    assert message in str(raised.value)


def test_a_numpy_array_is_named():
    import numpy as np

    with pytest.raises(ExampleError, match="from_numpy"):
        read_example(Net(one), [np.zeros(3)])
