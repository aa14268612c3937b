"""What the device did: in words and figures, with reasons shown once, and nothing where nothing is known."""

from __future__ import annotations

import re
from statistics import median

import pytest

from co3d_bench.bench.record.sensing import Sensors
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.reports.device import CUDA_COLUMNS, DEVICE_COLUMNS, groups
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.device import MOST_ROWS, render
from co3d_bench.reports.tables.table import filled

from ..factories import make_case, make_default_records, make_failed_record, make_record
from .device_records import (
    FORBIDDEN,
    NO_HEAT,
    RAPL,
    counter,
    lacking,
    on_board,
    on_card,
    on_locked_pc,
    on_pc,
    on_virtual_machine,
    seen,
)


def cells(record):
    """Head: its cell as (text, detail)."""
    (result,) = case_results([record])
    return {
        column.head: (cell.text, cell.detail)
        for column in (*DEVICE_COLUMNS, *CUDA_COLUMNS)
        if (cell := column.cell(result)).value is not None
    }


def reasons_of(record):
    """Reason: what is missing for it."""
    (group,) = groups(case_results([record]))
    return {lack.reason: lack.names for lack in group.missing}


def html_of(*records):
    return str(render(page_of(records)))


def test_what_a_pc_did():
    assert cells(on_pc()) == {
        "Heat": ("40.0 \u2192 71.0", "coretemp Core 0"),  # the hottest one's own reading before
        "CPU clock": ("3.10", "lowest 2.90"),
        "Throttled": ("no", ""),
        "Energy": ("500", "38 to 40 readings"),  # 20 W for 25 ms
        "Above idle": ("375", ""),  # 15 W for 25 ms
        "Idle": ("5.00", ""),
    }
    (group,) = groups(case_results([on_pc()]))
    assert group.notes == (
        "CPU clock: the mean over the processors this process may use",
        f"Energy: of all packages; memory and the board are not in it ({RAPL})",
    )
    assert group.missing == ()
    assert group.cost == "Reading the sensors every 0.5 s took 0.40 % of one core: 0.080 s in 20 s."


def test_what_a_board_did():
    found = cells(on_board())
    assert (found["Heat"], found["GPU heat"]) == (
        ("38.0 \u2192 49.5", "CPU-therm"),
        ("37.5 \u2192 55.0", "GPU-therm"),
    )
    assert (found["Power"], found["Idle"], found["Energy"]) == (
        ("14.6", "up to 16.9"),
        ("6.00", ""),
        ("750", "23 to 24 readings"),
    )
    (group,) = groups(case_results([on_board()]))
    assert group.title == "my-xavier beside ARMv8 Processor rev 0 (v8l) (of the kind xavier)"


def test_throttling_stands_in_words_and_its_warning_at_the_energy():
    assert cells(on_board(fell=True))["Throttled"] == ("GPU: the cap of its clock fell from 1377 to 964 MHz", "")
    html = html_of(on_board(fell=True))
    assert re.search(r'class="value warned">GPU: the cap', html)
    assert 'aria-label="warning on X3D-M: the device throttled' in html
    assert re.search(r'class="value warned">750</span>', html)  # its energy
    assert re.search(r'class="value">14.6</span>', html)  # the power was what it was


def test_no_throttling_is_claimed_only_where_it_would_have_shown():
    assert cells(on_card())["Throttled"] == ("no", "power cap (software)")
    assert "Throttled" not in cells(on_virtual_machine())
    blind = on_pc(sensors=seen(counter(RAPL, 3.0)))
    assert "Throttled" not in cells(blind)


def test_a_gpu_has_both_clocks_copies_and_memory():
    record = on_card()
    found = cells(record)
    median_ms = 1e3 * median(record.timing.samples.latency_s)
    assert found["Wall clock"][0].startswith(f"{median_ms:.0f}")
    assert float(found["On the GPU"][0]) == pytest.approx(median_ms / 2, rel=0.01)
    assert [found[head] for head in ("To the GPU", "Back", "Allocated", "Reserved")] == [
        ("0.420", ""),
        ("0.0300", ""),
        ("131", ""),
        ("188", ""),
    ]
    (group,) = groups(case_results([record]))
    assert group.facts == (
        "NVIDIA GeForce RTX 3090, compute capability 8.6, CUDA 13.0, cuDNN 91002. cuDNN benchmark on, TF32 off.",
    )
    assert "copies, not in the latency" in html_of(record)


def test_the_time_on_the_gpu_is_of_all_calls_too():
    record = on_card()
    metric = get_metric("device_time")
    odd = record.cuda.model_copy(update={"device_s": [0.004, 0.006, 0.1]})
    assert metric.value(record.model_copy(update={"cuda": odd})) == 0.006
    assert metric.value(make_record()) is None


def test_a_gpu_without_some_figures_has_the_reasons():
    cuda = on_card().cuda
    others = cuda.memory.model_copy(
        update={"peak_allocated_bytes": None, "peak_reserved_bytes": None, "available_drop_bytes": 734_000_000}
    )
    bare = cuda.model_copy(update={"device_s": [], "to_device_s": None, "to_host_s": None, "memory": others})
    record = on_card(cuda=bare)
    assert cells(record)["Less available"] == ("734", "")
    assert [
        head for head in ("On the GPU", "To the GPU", "Back", "Allocated", "Reserved") if head in cells(record)
    ] == []
    reasons = reasons_of(record)
    assert reasons["no events were recorded around the calls"] == ("time on the GPU",)
    assert reasons["not timed"] == ("copies",)
    assert reasons["the engine's own allocator does not report it"] == ("allocated memory", "reserved memory")
    assert reasons_of(on_card())["reported only where CPU and GPU share one memory"] == ("the fall of free memory",)


def test_a_reason_is_shown_once_for_a_device_and_no_figure_replaces_it():
    records = [on_locked_pc(model) for model in ("x3d-m", "x3d-s", "cox3d-m-64")]
    html = html_of(*records)
    assert html.count("sudo chmod") == 1
    assert "Energy<" not in html
    assert reasons_of(records[0]) == {FORBIDDEN: ("energy counter (cpu packages)", "energy per prediction")}


def test_a_reason_of_some_cases_names_them():
    (group,) = groups(case_results([on_pc("x3d-m"), on_pc("x3d-s"), on_locked_pc("cox3d-m-64")]))
    (lack,) = group.missing
    assert (lack.reason, lack.cases) == (FORBIDDEN, "CoX3D-M (64)")
    many = [on_locked_pc("x3d-m", case=make_case("x3d-m", batch=batch)) for batch in range(1, 6)]
    (group,) = groups(case_results([on_pc("x3d-s"), *many]))
    assert group.missing[0].cases == "X3D-M"
    four = [on_locked_pc(model) for model in ("x3d-m", "x3d-xs", "cox3d-m-64", "cox3d-m-16")]
    (group,) = groups(case_results([on_pc("x3d-s"), *four]))
    assert group.missing[0].cases == "4 of 5 cases"


def test_a_machine_without_sensors_has_reasons():
    reasons = reasons_of(on_virtual_machine())
    assert reasons[NO_HEAT] == ("temperature",)
    assert reasons["this kernel or processor counts none"] == ("throttling of the CPU",)
    assert cells(on_virtual_machine()) == {"CPU clock": ("2.60", "")}
    silent = make_record(sensors=Sensors(reason="the process that reads the sensors failed"))
    html = html_of(silent)
    assert "<table" not in html
    assert "Without heat, clocks and power: the process that reads the sensors failed" in html
    assert "Without energy per prediction: not asked for" in html
    assert reasons_of(on_card(sensors=None))["not read"] == ("heat, clocks and power",)


def test_energy_keeps_its_own_reason_where_it_has_one():
    late = on_pc().energy.model_copy(update={"busy": (), "idle": (), "reason": "it takes 15 s, and 3 s are left"})
    assert reasons_of(on_pc(energy=late)) == {"it takes 15 s, and 3 s are left": ("energy per prediction",)}
    none = on_pc(
        sensors=seen(lacking("power_w/board", "no INA3221"), lacking("power_w/VDD_IN", "no INA3221")),
        energy=late.model_copy(update={"reason": "power_w/board: no INA3221"}),
    )
    assert reasons_of(none) == {"no INA3221": ("power", "energy per prediction")}


def test_each_device_has_its_own_tables():
    html = html_of(on_pc(), on_board(), on_card())
    assert re.findall(r"<h3>([^<]+)</h3>", html) == [
        "Imaginary Core i3-1005 @ 1.20GHz",
        "my-xavier beside ARMv8 Processor rev 0 (v8l) (of the kind xavier)",
        "rtx3090 beside Imaginary Core i3-1005 @ 1.20GHz",
    ]
    assert html.count("<table") == 4
    assert "GPU clock" not in html.split("<h3>")[1]  # a PC has no such column


def test_columns_without_any_figure_are_left_out():
    assert filled(CUDA_COLUMNS, case_results([on_pc()])) == ()
    heads = [column.head for column in filled(DEVICE_COLUMNS, case_results([on_virtual_machine("x3d-s"), on_pc()]))]
    assert heads == ["Heat", "CPU clock", "Throttled", "Energy", "Above idle", "Idle"]


def test_many_cases_stay_a_page():
    records = [on_pc("x3d-m", case=make_case("x3d-m", batch=batch)) for batch in range(1, MOST_ROWS + 11)]
    html = html_of(*records)
    assert html.count('<th scope="row"') == MOST_ROWS
    assert "10 more cases" in html


def test_the_section_is_left_out_where_no_sensor_was_read():
    assert render(page_of(make_default_records())) is None
    assert render(page_of([make_failed_record()])) is None
    assert render(page_of([on_pc(timing=None, error=make_failed_record().error)])) is None


def test_names_and_reasons_are_escaped():
    record = on_pc(sensors=seen(lacking("temperature_c/<b>", "<script>alert(1)</script>")))
    assert "<script>" not in html_of(record)
    assert "temperature (&lt;b&gt;)" in html_of(record)
