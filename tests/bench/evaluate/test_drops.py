"""Frames that never reach the network: drawn, or those of a camera's record."""

import io
import random
from pathlib import Path

import numpy as np
import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.evaluate.drops import drop_of, drops_of
from co3d_bench.bench.plan.config import EvaluateTable
from co3d_bench.bench.record.blobs import blobs_folder, write_blob
from co3d_bench.bench.record.camera import CameraRun
from co3d_bench.bench.record.case import CameraSetup, Case, Drop, EvaluationSetup
from co3d_bench.bench.record.store import append_record

from ..records import make_record

CASE = Case(model="frames", backend="eager", threads=2)
FILMS = {Path(f"/films/{name}"): name for name in ("up/0.mp4", "up/1.mp4")}


def watched(store, answered, arrived=None, *, fps=15.0, case=CASE, **setup):
    """A camera's record in a store: 1 for a frame that was answered, or arrived."""
    due_s = np.arange(len(answered)) / fps
    columns = {"due_s": due_s, "arrived_s": np.where(arrived or [1] * len(answered), due_s, np.nan)}
    columns |= {"started_s": due_s, "answered_s": np.where(answered, due_s + 0.01, np.nan)}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **columns)
    dropped = len(answered) - sum(answered)
    run = CameraRun(
        source="random",
        duration_s=len(answered) / fps,
        deadline_s=0.1,
        due=len(answered),
        in_time=sum(answered),
        late=0,
        dropped=dropped,
        latency_s={},
        mean_age_s=None,
        peak_age_s=None,
        longest_gap_s=1.0,
        times=write_blob(blobs_folder(store), file.getvalue()),
    )
    shown = case.model_copy(update={"camera": CameraSetup(fps=fps, **setup)})
    append_record(store, make_record(case=shown, timing=None, camera=run))
    return run


def drop(store, *ways, rate=15.0):
    return drop_of(str(store), 0, ways or [CASE], rate)


def test_a_share_is_drawn_by_the_name_of_the_film_and_the_seed_alone():
    def drawn(seed, file="/films/up/0.mp4", frames=200):
        drops = drops_of(Drop(share=0.25, seed=seed), FILMS, None)
        assert drops
        found = drops.arrivals(Path(file), frames)
        assert found.arrived == found.answered
        return found.arrived

    draw = random.Random("3 up/0.mp4")
    assert drawn(3) == tuple(draw.random() >= 0.25 for _ in range(200))
    assert drawn(3, frames=50) == drawn(3)[:50]  # of a longer film the beginning is the same
    assert len({drawn(3), drawn(4), drawn(3, "/films/up/1.mp4")}) == 3
    many = drawn(3, frames=20_000)
    assert 0.24 < 1 - sum(many) / len(many) < 0.26


def test_a_cameras_record_is_laid_over_a_film_from_a_place_of_its_own(tmp_path):
    answered, arrived = [1, 1, 0, 1, 0, 1, 1], [1, 1, 1, 1, 0, 1, 1]
    run = watched(tmp_path, answered, arrived)
    named = drop(tmp_path)
    assert named == Drop(share=round(2 / 7, 6), times=run.times)
    drops = drops_of(named, FILMS, str(tmp_path))
    assert drops
    found = drops.arrivals(Path("/films/up/1.mp4"), 10)
    begin = random.Random("0 up/1.mp4").randrange(7)
    assert found.answered == tuple(bool(answered[(begin + number) % 7]) for number in range(10))
    assert found.arrived == tuple(bool(arrived[(begin + number) % 7]) for number in range(10))


def test_the_newest_record_of_the_same_case_whose_rate_fits_is_taken(tmp_path):
    watched(tmp_path, [0, 1])
    run = watched(tmp_path, [1, 0, 1, 0], fps=30.0, every=2)
    watched(tmp_path, [0, 1, 1], fps=30.0)
    fused = CASE.model_copy(update={"backend": "fused"})
    other = watched(tmp_path, [0, 1, 1], case=fused)
    named = drop(tmp_path)
    assert named
    assert named.times == run.times
    at_30 = drop(tmp_path, rate=30.0)
    assert at_30
    assert at_30.times not in (run.times, other.times)
    instead = drop(tmp_path, CASE.model_copy(update={"backend": "native"}), fused)  # where native does not run it
    assert instead
    assert instead.times == other.times


def test_no_share_is_no_drop_and_a_record_that_dropped_none_is_named(tmp_path):
    assert drop_of(0.0, 0, [CASE], 15.0) is drop_of(None, 0, [CASE], 15.0) is None
    run = watched(tmp_path, [1, 1, 1])
    assert drop(tmp_path) == Drop(share=0.0, times=run.times)


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ({"fps": 25.0}, "an answer is due 25 times a second, and films are sampled at 15"),
        ({"streams": 2}, "of several cameras"),
        ({"fps": 15.0, "states": 2}, "of states that take turns"),
        ({"gap": "repeat"}, "--gap repeat"),
    ],
)
def test_a_record_that_cannot_be_laid_over_films_is_refused_with_the_reason(tmp_path, setup, why):
    watched(tmp_path, [0, 1], **setup)
    with pytest.raises(UserError, match=why):
        drop(tmp_path)


def test_a_store_without_a_record_of_the_case_says_what_it_has(tmp_path):
    watched(tmp_path, [0, 1])
    with pytest.raises(
        UserError, match=r"(?s)clip by eager or fused in fp32 with 2 threads on cpu; it has:.*frames/cpu/eager"
    ):
        drop(tmp_path, *(CASE.model_copy(update={"model": "clip", "backend": name}) for name in ("eager", "fused")))
    append_record(tmp_path / "speed", make_record())
    with pytest.raises(UserError, match=r"--drop .*nowhere: neither a share .* nor a store: .* `co3d-bench camera`"):
        drop_of(str(tmp_path / "nowhere"), 0, [CASE], 15.0)
    with pytest.raises(UserError, match="`co3d-bench camera` makes one"):
        drop(tmp_path / "speed")


def test_what_is_neither_a_share_nor_a_store_is_named_with_the_option(tmp_path):
    with pytest.raises(UserError, match=r"--drop \S+: neither a share below 1 .* `co3d-bench camera`"):
        drop(tmp_path / "0,1")


def test_drops_are_in_the_key_and_keys_without_them_stay():
    plain = EvaluationSetup(data="val", films=400, sha256="0123456789ab", fps=15)
    assert plain.key == "accuracy-val-400films-0123456789ab-15fps"
    drops = Drop(share=0.1), Drop(share=0.1, seed=3), Drop(share=0.25, times="ab" * 32)
    assert [plain.model_copy(update={"drop": each}).key.removeprefix(plain.key) for each in drops] == [
        "-drop0.1",
        "-drop0.1-seed3",
        "-drop0.25-camera-abababababab",
    ]


def test_a_share_is_a_number_or_in_per_cent_and_anything_else_a_store():
    assert [EvaluateTable(drop=word).drop for word in (0.1, "0.1", "10%", 0, "results", None)] == [
        0.1,
        0.1,
        0.1,
        0.0,
        "results",
        None,
    ]
    for wrong in (1.0, "10", "-1%", "nan", ""):
        with pytest.raises(ValueError, match=r"must be a share below 1|at least 1 character"):
            EvaluateTable(drop=wrong)
