"""The table of figures: names with their units, one word each, and no figure where a record has none."""

import pytest

from co3d_bench.bench.record.record import Record
from co3d_bench.bench.stats.metrics import METRICS, MS, G, get_metric

from ...factories import make_record

# What a name ends in, by what it is shown in.
ENDINGS = {"ms": "_s", "s": "_s", "MB": "_bytes", "mJ": "_j", "predictions/s": "_per_s", "%": "_percent"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_ends_in_its_unit_and_is_found_by_its_word_too(metric):
    assert metric.name.endswith(ENDINGS.get(metric.unit.text, ""))
    assert get_metric(metric.name) is get_metric(metric.word) is metric


def test_names_and_words_are_distinct():
    known = {metric.name for metric in METRICS} | {metric.word for metric in METRICS if metric.word != metric.name}
    assert len(known) == sum(1 + (metric.word != metric.name) for metric in METRICS)
    with pytest.raises(KeyError, match="there are accuracy, throughput, "):
        get_metric("speed")


def test_a_record_with_nothing_but_a_case_has_no_figure():
    record = make_record()
    names = ("run_id", "started_at", "duration_s", "case", "settings")
    bare = Record(**{name: getattr(record, name) for name in names})
    assert [metric.value(bare) for metric in METRICS] == [None] * len(METRICS)


def test_units_are_scaled_without_a_rounding_of_their_own():
    assert (MS.of(0.287), G.of(2_061_365_744)) == (287, 2.061365744)
