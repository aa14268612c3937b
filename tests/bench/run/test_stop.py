"""What a stopped run says and what a resumed one takes for done."""

import os
import signal

import pytest
from quick import configured
from records import make_record

from co3d_bench.bench.record.camera import CameraRun
from co3d_bench.bench.record.case import CameraSetup, Case
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.record.store import append_record, mark_run
from co3d_bench.bench.run.resume import open_run
from co3d_bench.bench.run.rounds import Aim
from co3d_bench.bench.run.session import Session
from co3d_bench.bench.run.stop import Interrupted, Stop

FIRST, SECOND = (Case(model="x3d-s", camera=CameraSetup(fps=30, every=every)) for every in (1, 6))


def watched(case, *, stopped):
    run = CameraRun(
        source="random",
        duration_s=12.3 if stopped else 60.0,
        deadline_s=0.1,
        due=10,
        in_time=10,
        late=0,
        dropped=0,
        latency_s={},
        mean_age_s=None,
        peak_age_s=None,
        longest_gap_s=0.1,
        times="0" * 64,
        stopped=stopped,
    )
    return make_record(case=case, timing=None, camera=run, settings=Settings(min_s=60))


RECORDS = (watched(FIRST, stopped=False), watched(SECOND, stopped=True))


def test_a_resumed_run_watches_again_what_was_stopped(tmp_path):
    made = configured(tmp_path, ["exits"])
    mark_run(made.run.out, "r")
    for record in RECORDS:
        append_record(made.run.out, record)
    earlier = open_run(made, Settings(min_s=60), {}, resume=True)
    assert [record.case for record in earlier.kept(retry_failed=False)] == [FIRST]


def test_what_was_stopped_is_missing():
    session = Session(aim=Aim(1), tools=None, progress=None, begun=0.0, cases=[FIRST, SECOND], records=list(RECORDS))
    assert session.missing() == 1


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (RECORDS, "1 of 2 measurements are finished and kept, and what was seen of one more; the same command"),
        (RECORDS[:1], "1 of 2 measurements are finished and kept; the same command"),
    ],
)
def test_what_is_kept_is_said(records, words):
    assert words in Interrupted(signal.SIGINT, list(records), 1).message


def test_each_signal_can_be_waited_for_and_the_first_is_reported():
    with Stop() as stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert os.read(stop.fileno(), 9) == b"!!"
        assert stop.signal == signal.SIGTERM
