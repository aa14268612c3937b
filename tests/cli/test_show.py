"""`show`: what a network is worth in front of a camera, without timing it."""

import json
from dataclasses import replace
from functools import cache

import pytest

from co3d_bench.bench.measure.describe import describe
from co3d_bench.bench.record.store import append_record
from co3d_bench.cli.show import lines
from co3d_bench.models.zoo import find_model

from ..bench.tiny_zoo import SPECS
from ..factories import make_record


@cache
def shown(name="tiny-frames", react=False, **changes):
    return describe(replace(SPECS[name], **changes), react=react)


def row(facts, name):
    return next(line for line in lines(facts) if line.startswith(f"{name} "))


def test_the_reaction_is_measured_where_it_is_asked_for():
    facts = shown(react=True)
    found = facts["reaction"]
    assert (found["half_s"], found["nine_tenths_s"]) == (2 / 15, 3 / 15)
    assert (found["half_frames"], found["nine_tenths_frames"], found["frames_per_s"]) == (2, 3, 15)
    assert row(facts, "reaction").endswith("0.133 s until half of the way to the new answer, 0.200 s until nine tenths")
    frames = "2 (2 to 2) and 3 (3 to 3) frames at 15 frames/s, 4 scenes of noise; weights: seeded"
    assert any(line.endswith(frames) for line in lines(facts))


def test_without_asking_it_says_when_the_answer_is_new_at_the_latest():
    assert shown()["reaction"] is None
    assert "the whole way to a new answer after 0.200 s (3 frames at 15 frames/s); `--reaction`" in row(
        shown(), "reaction"
    )


def test_without_a_frame_rate_it_is_in_frames():
    facts = shown(react=True, preprocessing=None)
    assert "half_s" not in facts["reaction"]
    assert "2 frames until half of the way to the new answer, 3 frames until nine tenths" in row(facts, "reaction")
    assert "after 3 frames; `--reaction`" in row(shown(preprocessing=None), "reaction")


def test_a_network_that_neither_sees_clips_nor_frames_has_none():
    facts = shown("tiny-clip", react=True, form="input")
    assert facts["reaction"] is None
    assert not any(line.startswith("reaction") for line in lines(facts))
    assert row(facts, "note").endswith(
        "it has no reaction: its answer does not change with the scene, or it has no receptive_field"
    )


def test_a_state_for_each_phase_answers_at_every_frame():
    facts = shown()
    assert (facts["interleaved_states"], facts["interleaved_state_bytes"]) == (2, 2 * facts["state_bytes"])
    said = [line for line in lines(facts) if "interleaved" in line]
    assert len(said) == 1
    assert "every frame of 30/s at the trained 15/s: 2 interleaved states, 48 bytes" in said[0]
    assert not any("interleaved" in line for line in lines(shown("tiny-clip")))


def test_a_frame_network_stands_beside_its_clip_network():
    facts = describe(find_model("cox3d-s-13"))
    work = facts["equal_work_macs"]
    assert (work["clip_network"], work["clip"], work["frame"]) == ("x3d-s", 2_061_365_744, facts["macs"])
    assert work["cheaper_from_stride"] == 13
    assert work["per_second_at_stride"][13] == pytest.approx(5 * 2_061_365_744 / 13)
    assert "CoX3D-S (13) 0.833; X3D-S 10.3 at stride 1," in row(facts, "equal work")
    assert shown()["equal_work_macs"] is None
    unknown = shown(counterpart="no-such-network")
    assert unknown["equal_work_macs"] is None


def test_with_a_store_the_times_of_both_stand_side_by_side(call, tmp_path):
    for name in ("x3d-s", "cox3d-s-13"):
        append_record(tmp_path, make_record(name))
    text = " ".join(call("show", "cox3d-s-13", str(tmp_path)).stdout.split())
    assert "Clips and frames at equal work: " in text
    assert "Time of a second of video (5 frames), ms: CoX3D-S (13) " in text
    assert "X3D-S costs less than CoX3D-S (13) from a stride of 9 frames on; at stride 13, without overlap" in text
    refused = call("show", "cox3d-s-13", str(tmp_path), "--reaction")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


def test_in_a_terminal_a_long_fact_is_folded_beside_its_name(call):
    folded = lines(json.loads(call("show", "cox3d-s-13", "--json").stdout), 60)
    assert max(map(len, folded)) <= 60
    whole = call("show", "cox3d-s-13").stdout.splitlines()  # into a pipe
    assert max(map(len, whole)) > 100
    assert " ".join(" ".join(folded).split()) == " ".join(" ".join(whole).split())
    assert {line[:15].strip() for line in folded} == {line[:15].strip() for line in whole}
