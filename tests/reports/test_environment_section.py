"""What the section on the machine says of the weights."""

from __future__ import annotations

from co3d_bench.bench.record.record import ModelSource
from co3d_bench.reports.html import render_html
from co3d_bench.reports.sections.environment import commits, weights

from ..factories import make_default_records, make_model

TRAINED = "x3d_m.pyth sha256:0123456789ab"


def test_weights_of_one_origin_are_named_once():
    assert weights([make_model("x3d-s"), make_model("x3d-m")]) == "random, seeded"
    assert "random, seeded" in render_html(make_default_records())


def test_weights_of_several_origins_are_named_network_by_network():
    shown = weights([make_model("x3d-s"), make_model("x3d-m", weights=TRAINED)])
    assert shown == f"X3D-S: random, seeded; X3D-M: {TRAINED}"
    two = weights([make_model("x3d-m"), make_model("x3d-m", weights=TRAINED), make_model("x3d-m")])
    assert two == f"X3D-M: random, seeded; X3D-M: {TRAINED}"


def test_the_commit_of_a_custom_network_stands_beside_ours():
    source = ModelSource(file="net.py", sha256="0" * 64, git_commit="a" * 40, git_dirty=True)
    own = make_model("x3d-m").model_copy(update={"source": source})
    assert commits([make_model("x3d-s"), own]) == "X3D-M: aaaaaaaaaaaa with changes"
    assert commits([make_model("x3d-s")]) == ""
