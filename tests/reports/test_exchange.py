"""The files of other programs: pyperf's own loader, and the published form of github-action-benchmark's input."""

import json
from statistics import median

import pytest

from co3d_bench.bench.errors import NOTHING, UserError
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.commands import write_report
from co3d_bench.reports.exchange import github_action_benchmark, pyperf

from ..factories import make_failed_record, make_mixed_records

CASES = case_results(make_mixed_records())
TIMED = [case for case in CASES if case.timed]


def test_pyperf_reads_every_timed_prediction_of_every_process(tmp_path):
    loader = pytest.importorskip("pyperf", reason="pyperf reads its own files; see the extra `test`")
    file = tmp_path / "report.json"
    file.write_text(pyperf(CASES))
    suite = loader.BenchmarkSuite.load(str(file))
    assert suite.get_benchmark_names() == [case.key for case in TIMED]
    for case in TIMED:
        benchmark = suite.get_benchmark(case.key)
        assert benchmark.get_values() == case.latency_s
        assert benchmark.get_nrun() == len(case.timed)
        assert benchmark.median() == median(case.latency_s)
        assert benchmark.get_unit() == "second"


def test_the_action_reads_a_list_of_names_units_and_values():
    """Its tool `customSmallerIsBetter` takes these five fields of each entry (src/extract.ts)."""
    entries = json.loads(github_action_benchmark(CASES))
    assert [entry["name"] for entry in entries] == [case.key for case in TIMED]
    for case, entry in zip(TIMED, entries, strict=True):
        assert entry.keys() <= {"name", "unit", "value", "range", "extra"}
        assert entry["unit"] == "ms"
        assert entry["value"] == pytest.approx(1e3 * case.value("latency_s"))
        assert ("range" in entry) == (case.figure("latency_s").processes > 1)
        assert all(warning in entry["extra"] for warning in case.warnings)


@pytest.mark.parametrize("format", ["pyperf", "github-action-benchmark"])
def test_a_store_in_which_all_failed_has_nothing_to_hand_on(tmp_path, format):
    (tmp_path / "records.jsonl").write_text(make_failed_record().model_dump_json() + "\n")
    with pytest.raises(UserError, match="no case was timed") as raised:
        write_report(tmp_path, format=format)
    assert raised.value.exit_code == NOTHING
