"""What a person sees while cases are measured."""

import io

import pytest
from records import failed_record, make_record

from co3d_bench.bench.measure.job import Event, phase_event
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.run.progress import Lines, Silent

EAGER = Case(model="x3d-xs")
NATIVE = Case(model="cox3d-s-13", backend="native")


def shown_text(live, cases=(EAGER, NATIVE), rounds=1, at_host=False, **changes):
    """All that is written of some rounds over these cases."""
    stream = io.StringIO()
    lines = Lines(stream, live=live)
    lines.begin("r1", cases, "3 rounds", 0)
    for number in range(1, rounds + 1):
        for case in cases:
            lines.started(number, case, "about 2 min left", at_host)
            lines.event(phase_event("sampling", 7, 15))
            lines.finished(make_record(case=case, latency_s=[0.0274] * 3, **changes))
    lines.end()
    return stream.getvalue()


def test_without_a_terminal_there_is_one_line_a_case_and_round():
    assert shown_text(live=False, rounds=2).splitlines() == [
        "run r1: 2 cases, 3 rounds",
        "round 1  x3d-xs eager       27.4 ms",
        "round 1  cox3d-s-13 native  27.4 ms",
        "round 2  x3d-xs eager       27.4 ms",
        "round 2  cox3d-s-13 native  27.4 ms",
    ]


@pytest.mark.parametrize(("live", "lines"), [(False, ["round 1  x3d-xs eager  2 cameras: kept up"]), (True, [])])
def test_without_a_terminal_there_is_a_line_for_each_number_of_cameras_that_a_search_tried(live, lines):
    stream = io.StringIO()
    shown = Lines(stream, live=live)
    shown.begin("r1", (EAGER,), "1 round", 0)
    shown.started(1, EAGER, "", False)
    for event in (phase_event("2 cameras, up to 60 s"), Event(event="tried", phase="2 cameras: kept up")):
        shown.event(event)
    assert [line for line in stream.getvalue().splitlines() if "kept up" in line] == lines


def test_a_warning_is_one_mark():
    record = make_record(case=EAGER)
    timing = record.timing.model_copy(update={"background_load": 1.0})
    assert shown_text(live=False, cases=(EAGER,), timing=timing).endswith(" ms  !\n")


def test_what_differs_between_cases_stands_in_their_name_and_nothing_else():
    cases = (EAGER, EAGER.model_copy(update={"batch": 8, "precision": "bf16"}))
    assert [line.split("  ")[1] for line in shown_text(live=False, cases=cases).splitlines()[1:]] == [
        "x3d-xs eager fp32 b1",
        "x3d-xs eager bf16 b8",
    ]


def test_a_failed_process_says_why_with_its_notes():
    stream = io.StringIO()
    lines = Lines(stream, live=False)
    lines.begin("r1", (EAGER,), "1 round", 3)
    lines.started(1, EAGER, "", False)
    lines.finished(failed_record(case=EAGER, notes=("the video looped",)))
    assert stream.getvalue().splitlines() == [
        "run r1: 1 case, 1 round; 3 processes measured before",
        "round 1  x3d-xs eager  FAILED  crash: it fell",
        "         the video looped",
    ]


def test_on_a_terminal_one_line_says_what_is_running_and_for_how_long():
    shown = shown_text(live=True, rounds=2)
    assert "round 2  x3d-xs eager" in shown
    assert "about 2 min left" in shown
    assert "round 1  x3d-xs eager       27.4 ms\n" in shown
    assert "round 2  x3d-xs eager       27.4 ms" not in shown, "later rounds would push the table out of sight"
    assert shown.endswith("\r\x1b[2K")


@pytest.mark.parametrize(("at_host", "drawn"), [(False, False), (True, True)])
def test_nothing_is_drawn_while_this_machine_takes_samples(at_host, drawn):
    assert ("sampling 7/15" in shown_text(live=True, at_host=at_host)) is drawn


def counted(live):
    """What is written of a process that counts what it has done: two a second, from 100 of 400 on."""
    stream, now = io.StringIO(), [0.0]
    lines = Lines(stream, live=live, untimed=True, clock=lambda: now[0])
    lines.begin("r1", (EAGER,), "1 round", 0)
    lines.started(1, EAGER, "", False)
    for second in range(0, 131, 10):
        now[0] = second
        lines.event(phase_event("scoring", 100 + 2 * second, 400))
    return stream.getvalue()


def test_where_nothing_is_timed_the_time_left_is_shown_all_the_time():
    assert "scoring 120/400, about 2 min 20 s left" in counted(live=True)


def test_without_a_terminal_it_is_a_line_a_minute():
    assert counted(live=False).splitlines()[1:] == [
        "round 1  x3d-xs eager  scoring 220/400, about 1 min 30 s left",
        "round 1  x3d-xs eager  scoring 340/400, about 30 s left",
    ]


def test_a_reader_that_is_gone_is_no_reason_to_stop():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    Lines(Gone(), live=True).note("x")
    Silent().note("x")
