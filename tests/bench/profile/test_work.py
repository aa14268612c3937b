"""What operators have to do, against numbers computed by hand."""

from __future__ import annotations

import pytest

from co3d_bench.bench.profile.work import Argument, Call, Work, moves_nothing, work_of


def tensor(*shape, itemsize=4):
    return Argument((shape,), itemsize)


def plain(value=None):
    return Argument(value=value)


def tensors(*shapes):
    return Argument(shapes, 4)


NO_BIAS = plain()

CASES = {
    # 1 x 3 x 8 x 8 by 6 filters of 3 x 3 x 3, stride 2, padding 1 -> 6 x 4 x 4; bytes of input, weight and output
    "convolution": (
        "aten::conv2d",
        (tensor(1, 3, 8, 8), tensor(6, 3, 3, 3), NO_BIAS, plain((2, 2)), plain((1, 1)), plain((1, 1)), plain(1)),
        Work("convolution 3 x 3", 6 * 4 * 4 * 27, 4 * (192 + 162 + 96)),
    ),
    "one number for both directions, and a bias": (
        "aten::conv2d",
        (tensor(1, 3, 8, 8), tensor(6, 3, 3, 3), tensor(6), plain((2,)), plain((1,)), plain((1,)), plain(1)),
        Work("convolution 3 x 3", 6 * 4 * 4 * 27, 4 * (192 + 162 + 6 + 96)),
    ),
    "depthwise": (
        "aten::convolution",
        (
            tensor(2, 5, 4, 4),
            tensor(5, 1, 3, 3),
            NO_BIAS,
            plain((1, 1)),
            plain((1, 1)),
            plain((1, 1)),
            plain(False),
            plain((0, 0)),
            plain(5),
        ),
        Work("depthwise convolution 3 x 3", 2 * 5 * 16 * 9, 4 * (160 + 45 + 160)),
    ),
    "oneDNN has padding before stride": (
        "aten::mkldnn_convolution",
        (tensor(1, 2, 5, 5), tensor(4, 1, 3, 3), NO_BIAS, plain((0, 0)), plain((2, 2)), plain((1, 1)), plain(2)),
        Work("depthwise convolution 3 x 3", 4 * 4 * 9, 4 * (50 + 36 + 16)),
    ),
    "dilation": (
        "aten::conv3d",
        (
            tensor(1, 1, 5, 1, 1),
            tensor(1, 1, 3, 1, 1),
            NO_BIAS,
            plain((1, 1, 1)),
            plain((0, 0, 0)),
            plain((2, 1, 1)),
            plain(1),
        ),
        Work("convolution 3 x 1 x 1", 3, 4 * (5 + 3 + 1)),
    ),
    "mm": ("aten::mm", (tensor(2, 3), tensor(3, 4)), Work("matrix product", 24, 4 * (6 + 12 + 8))),
    "bmm": ("aten::bmm", (tensor(5, 2, 3), tensor(5, 3, 4)), Work("matrix product", 120, 4 * (30 + 60 + 40))),
    "addmm": (
        "aten::addmm",
        (tensor(4), tensor(2, 3), tensor(3, 4)),
        Work("matrix product", 24, 4 * (4 + 6 + 12 + 8)),
    ),
    "linear": (
        "aten::linear",
        (tensor(1, 7, 3), tensor(4, 3), tensor(4)),
        Work("matrix product", 84, 4 * (21 + 12 + 4 + 28)),
    ),
    "broadcast": ("aten::mul", (tensor(2, 1, 3), tensor(4, 1)), Work("mul", 24, 4 * (6 + 4 + 24))),
    "in place": ("aten::add_", (tensor(2, 3), tensor(3)), Work("add", 6, 4 * (6 + 3 + 6))),
    "half": (
        "aten::silu",
        (tensor(2, 3, itemsize=2),),
        Work("silu", 6, 2 * 12),
    ),
    "batch norm, whose outputs are arguments too": (
        "aten::native_batch_norm",
        (*(tensor(1, 2, 3, 3), *[tensor(2)] * 4), plain(False), plain(0.0), plain(1e-5), tensor(1, 2, 3, 3)),
        Work("batch norm", 36, 4 * (18 + 8 + 18)),
    ),
    "mean over the map": (
        "aten::mean",
        (tensor(1, 2, 3, 3), plain((-2, -1)), plain(True)),
        Work("mean", 18, 4 * (18 + 2)),
    ),
    "sum of all": ("aten::sum", (tensor(2, 3),), Work("sum", 6, 4 * 7)),
    "pool": (
        "aten::max_pool2d",
        (tensor(1, 2, 6, 6), plain((3, 3)), plain((2, 2)), plain((1, 1)), plain((1, 1)), plain(False)),
        Work("max_pool2d", 72, 4 * (72 + 18)),
    ),
    "pool whose stride is its kernel": (
        "aten::avg_pool2d",
        (tensor(1, 2, 6, 6), plain((3, 3)), plain(()), plain((0, 0))),
        Work("avg_pool2d", 72, 4 * (72 + 8)),
    ),
    "adaptive": (
        "aten::adaptive_avg_pool2d",
        (tensor(1, 2, 6, 6), plain((1, 1))),
        Work("adaptive_avg_pool2d", 72, 296),
    ),
    "cat": ("aten::cat", (tensors((1, 2), (1, 3)), plain(1)), Work("copy", 0, 40)),
    "copy": ("aten::copy_", (tensor(2, 3), tensor(3)), Work("copy", 0, 36)),
    "fill": ("aten::fill_", (tensor(2, 3), plain(0)), Work("fill", 0, 24)),
}


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES.values(), ids=CASES)
def test_the_work_is_what_it_is_by_hand(name, arguments, expected):
    assert work_of(Call(name, tuple(arguments))) == expected


def test_a_form_that_no_rule_covers_is_not_guessed():
    transposed = (tensor(1, 2, 4, 4), tensor(2, 3, 2, 2), NO_BIAS, plain((2, 2)), plain((0, 0)), plain((1, 1)))
    assert work_of(Call("aten::convolution", (*transposed, plain(True), plain((0, 0)), plain(1)))) is None
    assert work_of(Call("aten::conv2d", (*transposed[:4], plain("same"), plain((1, 1)), plain(1)))) is None
    assert work_of(Call("aten::mm", ())) is None
    assert work_of(Call("aten::something_new", (tensor(2),))) is None


def test_views_move_nothing():
    assert moves_nothing("aten::permute")
    assert not moves_nothing("aten::copy_")
