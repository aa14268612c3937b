"""What a second of video costs by clips and by frames."""

import math
from dataclasses import replace

import pytest

from co3d_bench.bench.record.facts import model_facts
from co3d_bench.bench.stats.equal_work import EqualWork, equal_work
from co3d_bench.models.zoo import find_model

X3D_M = EqualWork(clip=4.97e9, frame=0.325e9, clip_frames=16, frames_per_s=6.0)


def test_at_the_stride_where_they_cross_both_cost_the_same():
    assert X3D_M.per_frame(1) * 1 / X3D_M.stride == pytest.approx(X3D_M.frame)
    assert X3D_M.stride == pytest.approx(15.29, abs=0.01)
    assert X3D_M.per_frame(16) == pytest.approx(0.3106e9, rel=1e-3)
    assert X3D_M.per_second() == pytest.approx(1.95e9)
    assert X3D_M.per_second(16) == pytest.approx(6 * 4.97e9 / 16)
    assert replace(X3D_M, frames_per_s=None).per_second() is None


@pytest.mark.parametrize("clip", [0.5, 1.0, 3.0, 3.5, 16.0, 20.0])
def test_the_first_cheaper_stride_is_the_first_that_costs_less(clip):
    work = replace(X3D_M, clip=clip, frame=1.0)
    assert work.cheaper_from == next(stride for stride in range(1, 100) if work.per_frame(stride) < work.frame)


def test_strides_worth_a_row():
    assert X3D_M.strides == (1, 2, 4, 8, 16)
    assert replace(X3D_M, clip_frames=13).strides == (1, 2, 4, 8, 13, 16)
    assert replace(X3D_M, clip_frames=1, clip=0.5e9).strides == (1, 2)
    assert math.isclose(replace(X3D_M, frame=0.1e9).strides[-1], 50)


def test_costs_that_are_missing_or_no_clip_give_none():
    facts = model_facts(find_model("x3d-m"))
    frames = model_facts(find_model("cox3d-m-16"))
    assert equal_work(4.97e9, 0.325e9, facts, frames) == X3D_M
    assert equal_work(None, 1.0, facts, frames) is None
    assert equal_work(1.0, 0, facts, frames) is None
    assert equal_work(1.0, 1.0, frames, frames) is None
    assert equal_work(1.0, 1.0, None, frames) is None
    assert equal_work(-1.0, 1.0, facts, frames) is None
    assert equal_work(1.0, 1.0, facts.model_copy(update={"input_shape": (3, 0, 224, 224)}), frames) is None


def test_the_frame_rate_is_that_of_either_network():
    clips, frames = (model_facts(find_model(name)) for name in ("x3d-m", "cox3d-m-16"))
    silent = {"trained_frames_per_s": None}
    stated = frames.model_copy(update={**silent, "frame_rate_hz": 10.0})
    assert equal_work(2.0, 1.0, clips.model_copy(update=silent), stated).frames_per_s == 10.0
    assert equal_work(2.0, 1.0, clips.model_copy(update=silent), None).frames_per_s is None
