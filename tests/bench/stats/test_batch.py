"""When the search for a batch ends, and what it found."""

import pytest

from co3d_bench.bench.record.record import BatchSearch, BatchTrial
from co3d_bench.bench.stats.batch import LARGEST, Limits, batches, by_batch, fastest, largest, search_text, why_not

GB = 10**9
ROOMY = Limits(base_bytes=GB, memory_bytes=8 * GB, calls=100, seconds=300)


def trial(batch, latency_s, peak_gb=1.5):
    return BatchTrial(batch=batch, latency_s=[latency_s, latency_s, 9.0], peak_rss_bytes=int(peak_gb * GB))


def search(*trials, stopped="64 would need 9.1 GB of 7.8"):
    return BatchSearch(trials=trials, memory_bytes=8 * GB, stopped=stopped)


def test_what_is_beyond_the_base_doubles_with_the_batch():
    assert why_not(trial(8, 0.1, 4.5), ROOMY) is None
    assert why_not(trial(8, 0.1, 4.6), ROOMY) == "16 would need 8.2 GB of 8"
    assert why_not(trial(8, 0.1, 0.5), ROOMY) is None


def test_a_case_must_end_in_time():
    assert why_not(trial(8, 1.5), ROOMY) is None
    assert why_not(trial(8, 1.6), ROOMY) == ("16 would take about 320 s to measure, and a case may take 300 s")


def test_it_does_not_go_on_for_ever():
    assert why_not(trial(LARGEST // 2, 0.1), ROOMY) is None
    assert why_not(trial(LARGEST, 0.1), ROOMY) == "larger batches are not tried"


def test_the_fastest_and_the_largest_are_measured():
    found = search(trial(1, 0.1), trial(2, 0.15), trial(4, 0.25), trial(8, 0.6))
    assert (fastest(found), largest(found), batches(found)) == (4, 8, (4, 8))
    assert search_text(found) == (
        "batch auto: 4 is fastest (16.0 predictions/s), 8 is the largest that ran (13.3 predictions/s); "
        "64 would need 9.1 GB of 7.8"
    ).replace("16.0", "16")
    assert by_batch(found.trials[:2]) == "1: 10/s in 1.5 GB, 2: 13.3/s in 1.5 GB"


def test_a_larger_batch_has_to_be_faster_by_more_than_noise():
    assert fastest(search(trial(1, 0.1), trial(2, 0.199), trial(4, 0.398))) == 1


def test_the_largest_may_be_the_fastest():
    found = search(trial(1, 0.1), trial(2, 0.15))
    assert batches(found) == (2,)
    assert search_text(found).startswith(
        "batch auto: 2 is the largest that ran, and the fastest (13.3 predictions/s); "
    )


def test_where_only_one_fits_it_says_so():
    found = search(trial(1, 0.1), stopped="2 would need 9.1 GB of 7.8")
    assert batches(found) == (1,)
    assert search_text(found) == "batch auto: only 1 ran (10 predictions/s); 2 would need 9.1 GB of 7.8"


def test_where_nothing_ran_the_case_of_one_says_why():
    found = search(stopped="1 failed (crash): it fell")
    assert batches(found) == (1,)
    assert search_text(found) == "batch auto: 1 failed (crash): it fell"
    with pytest.raises(ValueError, match="latency_s"):
        BatchTrial(batch=1, latency_s=[], peak_rss_bytes=0)
