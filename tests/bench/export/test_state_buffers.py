"""A state in fixed buffers is the state that is handed on, and nothing is copied or allocated for what moves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.export.state_buffers import StateBuffers


def handed_on(state, sources, new):
    """The next state, said plainly."""
    fresh = iter(new)
    return tuple(next(fresh) if source is None else state[source] for source in sources)


@st.composite
def wirings(draw):
    """Any sources in which no place goes to two."""
    count = draw(st.integers(1, 6))
    order = draw(st.permutations(range(count)))
    new = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return tuple(None if is_new else place for place, is_new in zip(order, new, strict=True))


@given(wirings())
def test_it_is_the_state_that_is_handed_on(sources):
    state = tuple(torch.full((2,), float(place)) for place in range(len(sources)))
    buffers = StateBuffers(state, sources, lambda tensor: tensor)
    addresses = {tensor.data_ptr() for tensor in (*buffers.inputs, *buffers.outputs)}
    expected, fresh = state, 100.0
    for _ in range(9):
        new = [torch.full((2,), fresh + index) for index in range(sources.count(None))]
        fresh += len(new)
        for out, value in zip(buffers.outputs, new, strict=True):
            assert out.data_ptr() not in {tensor.data_ptr() for tensor in buffers.inputs}  # what is read is not written
            out.copy_(value)
        buffers.advance()
        expected = handed_on(expected, sources, new)
        assert all(map(torch.equal, buffers.tensors, expected))
    assert {tensor.data_ptr() for tensor in (*buffers.inputs, *buffers.outputs)} == addresses
    buffers.reset()
    assert all(map(torch.equal, buffers.tensors, state))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_buffers_are_contiguous_whatever_the_state_was(layout):
    state = torch.randn(1, 3, 4, 5).contiguous(memory_format=layout)
    buffers = StateBuffers((state,), (None,), lambda tensor: tensor)
    assert all(tensor.is_contiguous() for tensor in (*buffers.inputs, *buffers.outputs))
    assert torch.equal(buffers.tensors[0], state)


def test_a_network_without_state_has_no_places():
    buffers = StateBuffers((), (), lambda tensor: tensor)
    buffers.advance()
    assert buffers.tensors == ()
    assert buffers.inputs == buffers.outputs == []
