"""A figure from run to run: in the terminal, on the page, by the verb."""

import sys

import pytest
from rich.console import Console

from co3d_bench.bench.errors import NOTHING, USAGE
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats import trend
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.bench.stats.trend import series
from co3d_bench.cli.main import main
from co3d_bench.reports import history
from co3d_bench.reports.charts.history import MOST_RUNS, history_chart
from co3d_bench.reports.page import page_of
from co3d_bench.reports.sections.history import MOST_SERIES, SECTION

from ..factories import make_default_records, make_environment, make_model
from ..runs import make_runs
from .charts.specs import assert_valid

LATENCY = get_metric("latency")
STEPPED = make_runs([0.100] * 8 + [0.110] * 8)


def shown(found, **options):
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as text:
        console.print(history.render_history(found, **options))
    return text.get()


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["co3d-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


@pytest.fixture
def store(tmp_path):
    for record in STEPPED:
        append_record(tmp_path, record)
    return tmp_path


def test_the_terminal_shows_each_run_with_its_commit_and_the_step_in_words():
    text = shown(series(STEPPED, LATENCY))
    assert text.count("2026-01-") == len(STEPPED) + 1
    assert "0000000100" in text
    assert "2026-01-09 00:00: worse, +" in text
    assert "commit 0000000000 → 0000000100" in text


def test_a_series_with_nothing_beside_its_figure_is_shown():
    bare = [run.model_copy(update={"environment": make_environment(git_commit=None)}) for run in make_runs([0.1])]
    (found,) = series(bare, get_metric("throughput"))
    assert "/s" in shown([found]).split("Run")[1]


def test_worse_is_judged_by_the_metric():
    (found,) = series(STEPPED, get_metric("throughput"))
    assert history.is_worse(found, found.steps[0])
    assert "worse, -" in history.step_text(found, found.steps[0])


def test_earlier_runs_are_counted_where_they_are_not_shown():
    assert "11 earlier runs are not shown" in shown(series(STEPPED, LATENCY), last=5)


def test_a_figure_alone_is_a_table_too():
    """Where co3d-bench is installed no commit is known, and MACs have neither noise nor a reference workload."""
    without = make_environment(git_commit=None, git_dirty=None)
    records = [record.model_copy(update={"environment": without}) for record in STEPPED[:3]]
    text = shown(series(records, get_metric("macs")))
    assert text.count("2026-01-") == 3
    assert "No room" not in text


def test_without_the_library_the_runs_are_shown_and_how_to_install_it(monkeypatch):
    monkeypatch.setattr(trend, "find_spec", lambda name: None)
    text = shown(series(STEPPED, LATENCY))
    assert "pip install ruptures" in text
    assert "worse" not in text


def test_the_verb_shows_a_network_a_pattern_and_another_figure(store, monkeypatch, capsys):
    for word in ("cox3d-m-16", "cox3d-*/eager/*"):
        assert run(monkeypatch, "history", word, store) == 0
        assert "worse, +" in capsys.readouterr().out
    assert run(monkeypatch, "history", "cox3d-m-16", store, "--metric", "throughput") == 0
    assert "predictions/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("cox3d-m-17",), NOTHING, "did you mean cox3d-m-16?"),
        (("cox3d-m-16", "--metric", "latencie"), USAGE, "did you mean latency?"),
        (("cox3d-m-16", "--last", "0"), USAGE, "--last"),
    ],
)
def test_mistakes_are_explained(store, monkeypatch, capsys, arguments, code, words):
    name, *options = arguments
    assert run(monkeypatch, "history", name, store, *options) == code
    assert words in capsys.readouterr().err


def test_a_single_run_has_no_section():
    assert SECTION.render(page_of(make_default_records())) is None


def test_the_section_draws_each_case_with_its_steps_in_words():
    html = SECTION.render(page_of(STEPPED))
    assert html is not None
    assert html.count("<figure") == 1
    assert "worse, +" in html


def test_the_section_shows_the_newest_steps_first_and_counts_what_it_leaves_out():
    records = [
        record for number in range(MOST_SERIES + 2) for record in make_runs([0.1] * 3, f"net-{number}", seed=number)
    ]
    html = SECTION.render(page_of(records + STEPPED))
    assert html is not None
    assert html.count("<figure") == MOST_SERIES
    assert "3 more cases" in html
    assert html.index("CoX3D-M (16)") < html.index("net-")


def test_names_are_escaped():
    hostile = [record.model_copy(update={"model": make_model("cox3d-m-16", title="<img src=x>")}) for record in STEPPED]
    html = SECTION.render(page_of(hostile))
    assert html is not None
    assert "<img" not in html


def test_a_long_history_draws_its_newest_runs():
    (found,) = series(make_runs([0.1] * (MOST_RUNS + 50)), LATENCY)
    spec = history_chart(found)
    assert_valid(spec)
    assert len(spec["datasets"]["runs"]) == MOST_RUNS
