"""Which records fill which cells of the paper's tables: exactly those of the paper's conditions."""

from collections import Counter

import pytest

from co3d_bench.bench.record.case import Case, EvaluationSetup
from co3d_bench.bench.record.evaluation import FilmNote
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.paper import paper_of

from ...factories import (
    make_case,
    make_default_records,
    make_engine_record,
    make_environment,
    make_failed_record,
    make_machine,
    make_noisy_record,
    make_record,
)
from ...paper_records import FILMS, make_accuracy, make_start, share

HERE = "here"


def measured(*records):
    """(table, network, column) of every cell that is filled."""
    return {(c.line.table, c.line.model, c.key) for c in paper_of(records).cells if c.measured}


def cell(paper, table, model, key):
    (found,) = (c for c in paper.cells if (c.line.table, c.line.model, c.key) == (table, model, key))
    return found


def test_without_records_every_cell_is_the_papers_or_missing():
    paper = paper_of([])
    assert paper.counts() == Counter(published=226, missing=26)
    missing = [(c.line.model, c.key) for c in paper.cells if c.state == "missing"]
    rcu = {"memory", "cpu", "tx2", "xavier", "rtx2080ti"}
    assert {key for model, key in missing if model == "rcu-8"} == {*rcu, HERE}
    assert Counter(key for _, key in missing) == Counter(rcu) + Counter({HERE: 21})


def test_every_cell_has_a_command_or_says_why_there_is_none():
    without = {(c.line.model, c.key, c.why) for c in paper_of([]).cells if c.command is None}
    assert all(why for _, _, why in without)
    assert {(key, why) for _, key, why in without if key not in ("cpu", "views")} == {
        ("accuracy", "no public weights"),  # of RCU
        ("accuracy", "`evaluate` shows one view a film"),
        ("accuracy", "it is another code's figure"),
    }


def test_a_record_of_speed_fills_the_facts_of_its_network_and_the_column_of_its_machine():
    found = measured(make_record("cox3d-s-13"))
    first = {(1, "cox3d-s-13", key) for key in ("parameters", "memory", "macs", HERE)}
    assert found == first | {(3, "cox3d-s-13", "macs"), (3, "cox3d-s-13", "receptive_field")}


def test_figures_are_those_of_the_record_in_the_units_of_the_paper():
    records = [make_record("cox3d-s-13", process=number, run_id="run") for number in (1, 2, 3)]
    paper = paper_of(records)
    (result,) = case_results(records)
    speed = cell(paper, 1, "cox3d-s-13", HERE)
    figure = result.figure("throughput_per_s")
    assert (speed.measured.value, speed.measured.low, speed.measured.high) == (figure.value, figure.low, figure.high)
    assert (speed.measured.count, speed.measured.counted) == (3, "process")
    assert speed.printed is None
    assert cell(paper, 1, "cox3d-s-13", "parameters").measured.value == pytest.approx(3.794322)
    assert cell(paper, 3, "cox3d-s-13", "macs").measured.value == pytest.approx(166_565.305)
    assert round(cell(paper, 3, "cox3d-s-13", "macs").measured.value) == int(
        cell(paper, 3, "cox3d-s-13", "macs").printed.text
    )
    assert cell(paper, 3, "cox3d-s-13", "receptive_field").measured.value == 69


def on(model, device, kind=None, gpu=None):
    """A record of that device."""
    environment = make_environment(machine=make_machine(gpu=gpu))
    return make_record(model, case=make_case(model, device=device), device_kind=kind, environment=environment)


@pytest.mark.parametrize("kind", ["tx2", "xavier", "rtx2080ti"])
def test_a_device_of_the_paper_fills_its_own_column_under_whatever_name(kind):
    speeds = {key for _, _, key in measured(on("x3d-s", "mine", kind))} & {"tx2", "xavier", "rtx2080ti", "cpu", HERE}
    assert speeds == {kind}


def test_another_machine_has_a_column_of_its_own_and_never_the_papers():
    other = make_environment(machine=make_machine(cpu_model="Another"))
    records = [on("x3d-s", "orin", "orin", gpu="Orin"), make_record("x3d-s"), make_record("x3d-m", environment=other)]
    paper = paper_of(records)
    assert [machine.name for machine in paper.machines] == ["Orin", "Imaginary Core i3-1005 @ 1.20GHz", "Another"]
    assert {c.key for c in paper.cells if c.measured and c.printed} <= {
        "parameters",
        "memory",
        "macs",
        "receptive_field",
    }


@pytest.mark.parametrize(
    "record",
    [
        make_engine_record("x3d-m", "openvino"),
        make_engine_record("x3d-m", "eager", "bf16"),
        make_record("x3d-m", case=make_case("x3d-m", batch=8)),
        make_failed_record("x3d-m"),
        make_record("x3d-m", model=make_record("x3d-m").model.model_copy(update={"classes": 60})),
    ],
    ids=["engine", "precision", "batch", "failed", "classes"],
)
def test_what_is_not_run_as_the_paper_runs_it_fills_no_speed_and_no_cost(record):
    assert measured(record) <= {(3, "x3d-m", "receptive_field")}


def test_a_portable_file_on_a_board_counts_as_pytorch():
    record = on("x3d-s", "tx2")
    case = record.case.model_copy(update={"backend": "aten-json"})
    assert (1, "x3d-s", "tx2") in measured(record.model_copy(update={"case": case}))


def test_the_newest_run_is_shown_and_warnings_come_along():
    old = make_record("x3d-m", case=make_case("x3d-m", threads=1))
    new = make_noisy_record("x3d-m", started_at="2026-11-23T12:00:00Z")
    found = cell(paper_of([new, old]), 1, "x3d-m", HERE).measured
    assert found.record == new
    assert found.warnings


def test_accuracy_fills_the_table_of_its_frame_rate():
    assert measured(make_accuracy()) - {(3, "x3d-s", "receptive_field")} == {(1, "x3d-s", "accuracy")}
    assert measured(make_accuracy(fps=5)) - {(3, "x3d-s", "receptive_field")} == {(1, "x3d-s", "accuracy")}
    assert measured(make_accuracy(fps=15)) - {(3, "x3d-s", "receptive_field")} == {(3, "x3d-s", "accuracy")}
    found = cell(paper_of([make_accuracy()]), 1, "x3d-s", "accuracy").measured
    assert (found.count, found.counted) == (FILMS, "film")
    assert (found.low, found.value, found.high) == pytest.approx((63.63, 64.31, 64.97))


OTHERWISE = {
    "random weights": {"weights": "seeded"},
    "weights mine.pth": {"weights": "mine.pth sha256:0123456789ab"},
    "weights x3d_m.pyth": {"weights": "x3d_m.pyth sha256:0123456789ab"},
    "int8": {"precision": "int8"},
    "bf16": {"precision": "bf16"},
    "at 10 frames/s": {"fps": 10},
    "500 films, Kinetics-400 has 20,000 or 40,000": {"asked": 500, "scored": 500},
    "12,000 films, Kinetics-400 has 20,000 or 40,000": {"scored": 12_000, "asked": 12_000, "missing": 8_000},
    "25,000 films, Kinetics-400 has 20,000 or 40,000": {"asked": 25_000, "scored": 25_000},
    "films of train": {"data": "train"},
    "60 classes, Kinetics-400 has 400": {"classes": 60},
}


@pytest.mark.parametrize(("why", "change"), OTHERWISE.items(), ids=OTHERWISE.keys())
def test_one_other_condition_and_a_cell_is_not_filled_but_it_is_said(why, change):
    paper = paper_of([make_accuracy(**change)])
    found = cell(paper, 1, "x3d-s", "accuracy")
    assert found.measured is None
    assert found.state == "published"
    assert [each.why for each in found.others] == [(why,)]
    assert not [c for c in paper.cells if c.key == "accuracy" and c.measured]


def test_an_option_of_a_later_version_is_another_condition():
    class Later(EvaluationSetup):
        dropped: float | None = None

    record = make_accuracy()
    setup = Later(**record.case.evaluation.model_dump(), dropped=0.1)
    case = record.case.model_copy(update={"evaluation": setup})
    (other,) = cell(paper_of([record.model_copy(update={"case": case})]), 1, "x3d-s", "accuracy").others
    assert other.why == ("dropped 0.1",)


def test_a_custom_network_of_the_same_name_fills_nothing():
    record = make_accuracy()
    source = {"file": "x3d.py"}
    facts = type(record.model)(**(record.model.model_dump() | {"source": source}))
    assert measured(record.model_copy(update={"model": facts})) == set()


def test_films_that_cannot_be_read_are_not_scored_and_leave_the_dataset():
    few = make_accuracy(asked=20_000, scored=17_000, unreadable=(FilmNote(film="a.mp4", why="no film"),))
    assert not measured(few) & {(1, "x3d-s", "accuracy")}
    assert measured(make_accuracy(missing=596)) & {(1, "x3d-s", "accuracy")}


def test_a_better_run_afterwards_takes_the_place_of_the_one_before():
    records = [make_accuracy(top1=0.6), make_accuracy(top1=0.65), make_accuracy(weights="seeded", top1=0.01)]
    found = cell(paper_of(records), 1, "x3d-s", "accuracy")
    assert found.measured.value == pytest.approx(65.0)
    assert len(found.others) == 1


def charades(model="slow-8x8-r50", **changes):
    basis = {"weights": "SLOW_8x8_R50.pyth sha256:0123456789ab", "data": "Charades_v1_test", "asked": 1863}
    basis |= {"scored": 1863, "classes": 157, "top1": None, "mean_ap": share(0.241)}
    record = make_accuracy("x3d-s", **(basis | changes))
    facts = record.model.model_copy(update={"name": model})
    return record.model_copy(update={"case": record.case.model_copy(update={"model": model}), "model": facts})


def test_charades_fills_the_line_of_one_view_and_none_of_other_work():
    paper = paper_of([charades(), charades("coslow-r50-64")])
    filled = [c for row in paper.tables[1].rows for c in row if c.measured]
    assert [(c.line.model, c.printed.text, c.key) for c in filled] == [
        ("slow-8x8-r50", "24.1", "accuracy"),
        ("coslow-r50-64", "25.2", "accuracy"),
    ]
    assert not [c for row in paper.tables[0].rows for c in row if c.measured or c.others]


@pytest.mark.parametrize("change", [{"scored": 200, "asked": 200}, {"weights": "seeded"}, {"precision": "int8"}])
def test_charades_otherwise_fills_nothing(change):
    assert not [c for c in paper_of([charades(**change)]).cells if c.measured and c.key == "accuracy"]


def test_a_curve_stands_in_figure_5_only_under_its_conditions():
    small, medium = paper_of([make_start("zeros"), make_start("replicate"), make_start("zeros")]).curves
    assert [record.case.transient.start for record in small.measured] == ["zeros", "replicate"]
    assert not medium.measured
    for change, why in (
        ({"weights": "seeded"}, "random weights"),
        ({"fps": None}, "at the frame rate of its weights"),
        ({"precision": "int8"}, "int8"),
        ({"shown": 300}, "300 films, Kinetics-400 has 20,000 or 40,000"),
        ({"measure": "error"}, "the error against the steady answer"),
    ):
        small, _ = paper_of([make_start("zeros", **change)]).curves
        assert not small.measured
        assert [reasons for _, reasons in small.others] == [(why,)]
    small, _ = paper_of([make_start("cut")]).curves
    assert [reasons for _, reasons in small.others] == [("start: cut",)]


def test_commands_fill_the_cells_that_they_say():
    """The command of a whole table is the sum of those of its cells."""
    together = Counter(c.command.together for c in paper_of([]).cells if c.command)
    assert paper_of([]).commands() == tuple(
        (paper_command, together[paper_command.words]) for paper_command, _ in paper_of([]).commands()
    )
    words = [command.words[:3] for command, _ in paper_of([]).commands()]
    assert words == [
        ("run", "--suite", "paper"),
        ("evaluate", "--suite", "paper-public"),
        ("evaluate", "--suite", "paper-table3"),
    ]


def test_a_command_asks_for_what_its_cell_takes():
    """A case and a setup made of its words are the paper's."""
    command = cell(paper_of([]), 3, "cox3d-s-13", "accuracy").command
    assert command.text == ("co3d-bench evaluate --model cox3d-s-13 --weights auto --data kinetics/val.csv --fps 15")
    assert measured(make_accuracy("cox3d-s-13", fps=15)) & {(3, "cox3d-s-13", "accuracy")}
    run = cell(paper_of([], ("--out", "there")), 1, "x3d-s", "xavier").command
    assert run.text == (
        "co3d-bench run --model x3d-s --device xavier --host user@xavier.local --backend eager --out there"
    )
    assert Case(model="x3d-s").backend == "eager"


def test_all_default_records_fill_their_rows():
    filled = measured(*make_default_records())
    assert {model for table, model, key in filled if table == 1 and key == HERE} == {
        record.case.model for record in make_default_records()
    }
