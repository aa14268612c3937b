"""`co3d-bench show NETWORK STORE`: what stands beside the figures, process by process."""

import sys

import pytest
from rich.console import Console

from co3d_bench.bench.errors import NOTHING
from co3d_bench.bench.record.record import ReferenceWorkload, Samples
from co3d_bench.bench.record.sensing import SensorFigure, Sensors
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.cli.main import main
from co3d_bench.reports.evidence import LEGEND, render_evidence

from ..factories import make_case, make_failed_record, make_record, make_wrong_record, with_timing

HOT = Sensors(figures=(SensorFigure(name="gpu_throttle", kind="flags", words=("thermal slowdown (hardware)",)),))


def process(number, latency_s, **timing):
    samples = Samples(
        latency_s=[latency_s] * 4,
        involuntary_switches=[2, 0, 0, 4],
        steal_s=[0.0, 0.01, 0.0, 0.0],
        waited_s=[0.02, 0.0, 0.0, 0.04],
    )
    return with_timing(make_record("x3d-s", samples=samples, process=number), **timing)


def shown(*records):
    console = Console(width=160)
    with console.capture() as text:
        console.print(render_evidence(case_results(records)))
    return text.get()


def test_each_process_has_a_row_with_what_is_in_its_record():
    reference = ReferenceWorkload(name="the work", readings_s=(0.011, 0.012, 0.013))
    first = process(1, 0.1, warmup_stable=True, background_load_before=0.25, background_load=0.94, reference=reference)
    text = shown(first, process(2, 0.2), make_failed_record("x3d-s", process=3), process(4, 0.3))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()[:1].isdigit()}
    assert rows["1"] == ["100", "4", "yes", "0.25", "0.94", "1.5", "10.0", "60.0", "12.0"]
    assert rows["2"] == ["200", "4", "\u2013", "\u2013", "\u2013", "1.5", "10.0", "60.0", "\u2013"]
    assert rows["3"] == ["out-of-memory"]
    assert "X3D-S · cpu · eager · float32 · batch 1 · 2 threads · random-0" in text
    assert "run run-1, latency 200 (100 to 300, n = 3) ms, process 2" in text
    assert "Refer.: the work, median of its readings before and after the samples" in text
    assert " ".join(LEGEND.split()) in " ".join(text.split())


def test_what_the_kernel_did_not_count_is_no_zero():
    text = shown(make_record("x3d-s", samples=Samples(latency_s=[0.1] * 4)))
    (row,) = (line.split() for line in text.splitlines() if line.startswith("1 "))
    assert row[-4:] == ["\u2013"] * 4  # switches, stolen, queued, reference


def test_every_warning_stands_below():
    records = [
        with_timing(process(n, s).model_copy(update={"sensors": HOT}), background_load=0.94)
        for n, s in ((1, 0.1), (2, 0.2))
    ]
    text = shown(*records)
    assert text.count("! ") == 3
    assert "! noisy: its 2 processes range over ±50.0%" in text
    assert "! other work kept up to 0.94 cores busy in 2 of 2 processes" in text
    assert "! the device throttled: " in text


def test_a_case_without_a_figure_shows_the_reason():
    wrong = make_wrong_record("x3d-s", backend="eager").model_copy(update={"process": 2})
    text = shown(process(1, 0.1), wrong)
    assert "run run-1, latency no figure" in text
    assert "failed, wrong-answer: the output is 0.42 off" in text


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["co3d-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


def test_the_verb_shows_the_cases_of_a_network_in_a_store(tmp_path, monkeypatch, capsys):
    one = make_record("x3d-s", case=make_case("x3d-s", threads=1))
    for record in (process(1, 0.1), process(2, 0.2), one, make_record("x3d-m")):
        append_record(tmp_path, record)
    assert run(monkeypatch, "show", "x3d-s", tmp_path) == 0
    shown = capsys.readouterr().out
    assert shown.count("X3D-S · ") == 2
    assert "X3D-M" not in shown
    assert run(monkeypatch, "show", "x3d-*/t1/*", tmp_path) == 0
    shown = capsys.readouterr().out
    assert "1 thread ·" in shown
    assert "2 threads" not in shown
    assert run(monkeypatch, "show", "x3d-l", tmp_path) == NOTHING
    assert "has no record of x3d-l" in capsys.readouterr().err
    assert run(monkeypatch, "show", "x3d-s", tmp_path / "none") != 0
