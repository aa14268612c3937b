"""A profile of real tiny networks, and of those that cannot be profiled."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
import tiny_zoo
from small_networks import clip_network

from co3d_bench.bench.backends import get_backend
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.profiling import check_backend, check_device, take_profile
from co3d_bench.bench.profile.operator_profile import read_profiles, rows_by_kind
from co3d_bench.bench.record.case import Case
from co3d_bench.devices.profile import list_profiles

from ... import command
from ...profiles import CEILINGS


def profiled(spec, engine="eager", **options):
    backend = get_backend(engine)
    return take_profile(Case(model=spec.name), spec, backend, ceilings=lambda clock: CEILINGS, steps=3, **options)


@pytest.mark.parametrize(
    ("name", "elements"), [("tiny-clip", 3 * 4 * 8 * 8), ("tiny-frames", 3 * 8 * 8)], ids=["clip", "frame"]
)
def test_every_operator_of_a_tiny_network_is_found_with_its_work(name, elements):
    kinds = {row.kind: row for row in rows_by_kind(profiled(tiny_zoo.find_model(name)))}
    assert kinds["mean"].calls == 1
    assert kinds["mean"].macs == elements
    assert kinds["mean"].moved_bytes == 4 * (elements + 3)
    assert kinds["matrix product"].macs == 3 * 5
    assert kinds["matrix product"].moved_bytes == 4 * (3 + 15 + 5 + 5)


def test_the_convolutions_of_a_network_have_all_their_products():
    net = clip_network()
    spec = replace(tiny_zoo.find_model("tiny-clip"), input_shape=(3, 4, 16, 16), build=lambda: net)
    profile = profiled(spec)
    kinds = {row.kind: row for row in rows_by_kind(profile)}
    # 4 frames of 8 x 8 behind the stem; of 3 taps in time the outer ones see 3 frames each, the middle one 4.
    stem, depthwise = 8 * 27 * 64, 12 * 9 * 64
    assert kinds["convolution 3 x 3"].macs == stem * 10
    assert kinds["depthwise convolution 3 x 3"].macs == depthwise * 10
    assert not any("no rule" in note for note in profile.notes)


@pytest.mark.skipif(get_backend("native").missing() is not None, reason="no C++ compiler")
def test_an_engine_that_reports_its_calls_is_profiled_by_them():
    spec = replace(tiny_zoo.find_model("tiny-clip"), input_shape=(3, 4, 16, 16), build=clip_network)
    profile = profiled(spec, "native")
    kinds = {row.kind: row for row in rows_by_kind(profile)}
    # Every tap in time is charged, also where it lies outside of the clip.
    assert kinds["depthwise convolution 3 x 3 x 3"].macs == 12 * 27 * 4 * 64
    assert kinds["depthwise convolution 3 x 3 x 3"].calls == 1
    assert sum(row.time_s for row in kinds.values()) <= 1.5 * profile.traced_step_s


def test_a_profile_is_of_the_cpu():
    profiles = {profile.name: profile for profile in list_profiles()}
    check_device(profiles["cpu"])
    with pytest.raises(UserError, match="--device xavier: profiles are taken on the CPU, not on cuda, so far"):
        check_device(profiles["xavier"])


def test_a_backend_that_reports_nothing_is_refused_with_those_that_do():
    with pytest.raises(UserError, match="it does not report its operators; these can be profiled: eager, fused"):
        check_backend(replace(get_backend("eager"), name="elsewhere", in_torch=False))


def test_a_backend_that_is_not_installed_says_what_it_lacks():
    with pytest.raises(UserError, match="--backend eager: pip install it"):
        check_backend(replace(get_backend("eager"), missing=lambda: "pip install it"))


NETWORK = """
import torch
from torch import nn

def small():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    return net, torch.zeros(1, 3, 8, 8)

def falls():
    return nn.Linear(3, 4), torch.zeros(1, 5)
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "mine.py").write_text(NETWORK)

    return partial(command.call, tmp_path, "profile")


def test_the_command_shows_and_keeps_a_profile(call, tmp_path):
    done = call("mine.py:small", "--steps", "3", "--threads", "1", "--out", "here", "--json", "one.json")
    assert done.returncode == 0, done.stderr
    for text in ("convolution 3 x 3", "matrix product", "between operators", "this machine at best", "relu"):
        assert text in done.stdout
    (profile,) = read_profiles(tmp_path / "here")
    assert profile.steps == 3
    assert profile.ceilings.threads == profile.case.threads == 1
    written = json.loads((tmp_path / "one.json").read_text())
    assert written["case"] == profile.case.model_dump()
    assert {row["kind"] for row in written["derived"]["rows"]} >= {"convolution 3 x 3", "relu"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["cox3d-m64"], 2, "co3d-bench: MODEL: cox3d-m64: did you mean cox3d-m-64?"),
        (["x3d-s", "--backend", "eeger"], 2, "co3d-bench: --backend: eeger: did you mean eager?"),
        (["x3d-s", "--steps", "0"], 2, "co3d-bench: Invalid value for '--steps'"),
        (["x3d-s", "--threads", "many"], 2, "co3d-bench: --threads = 'many': must be a whole number"),
        (["x3d-s", "--out", "/proc/none"], 4, "co3d-bench: cannot write /proc/none/profiles.jsonl"),
        (["mine.py:falls"], 2, "co3d-bench: MODEL: "),
    ],
)
def test_a_mistake_is_one_message_and_its_code(call, arguments, code, message):
    done = call(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
