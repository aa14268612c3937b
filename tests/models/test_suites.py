import csv
from pathlib import Path

from co3d_bench.models import published
from co3d_bench.models.suites import SUITES
from co3d_bench.models.zoo import find_model, our_models

TABLE = Path(published.__file__).parent / "paper_tables" / "table1_kinetics400.csv"


def test_the_papers_suite_is_its_table_in_its_order():
    with TABLE.open(encoding="utf-8", newline="") as file:
        printed = [float(row["accuracy_top1"]) for row in csv.DictReader(file)]
    names = SUITES["paper"].models()
    found = [find_model(name).published.accuracy_top1 for name in names]  # no two rows have the same
    assert found == printed
    assert sorted(names) == sorted(spec.name for spec in our_models() if spec.published)
    assert len(set(printed)) == len(printed)


def test_boards_are_compared_by_pairs_of_a_clip_network_and_its_frame_form():
    names = SUITES["board"].models()
    assert len(names) == 6
    for clip, frame in zip(names[::2], names[1::2], strict=True):
        assert find_model(frame).counterpart == clip
        assert {"tx2", "xavier"} <= set(find_model(clip).published.throughput or {})
