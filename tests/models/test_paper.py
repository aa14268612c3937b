"""The paper's tables as they are printed: every figure, and the network it is of."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from co3d_bench.models import paper, published
from co3d_bench.models.suites import SUITES
from co3d_bench.models.zoo import find_model

FOLDER = Path(published.__file__).parent / "paper_tables"
NAMES = ("table1_kinetics400.csv", "table2_charades.csv", "table3_pool_size.csv")


def printed(name):
    """Every figure of a CSV, less those that say which network a line is of."""
    facts = {"kind", "model", "size", "pool", "pool_or_clip_frames", "input_frames", "input_size", "pareto_optimal"}
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Counter(text for row in rows for key, text in row.items() if text and key not in facts)


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)))
def test_every_printed_figure_is_there_and_no_other(number, name):
    lines = paper.tables()[number].lines
    found = [text for line in lines for each in line.figures.values() for text in (each.text, each.std) if text]
    assert Counter(found) == printed(name)


def test_lines_are_of_networks_of_the_zoo_in_the_papers_order():
    first, second, third = paper.tables()
    assert [line.model for line in first.lines] == list(SUITES["paper"].models())
    assert [line.model for line in second.lines] == ["slow-8x8-r50"] * 3 + ["coslow-r50-8", "coslow-r50-64"]
    assert [line.model for line in third.lines] == list(SUITES["paper-table3"].models())
    for line in (*first.lines, *second.lines, *third.lines):
        assert find_model(line.model).name == line.model


def test_accuracies_are_those_of_each_networks_own_row():
    first, _, third = paper.tables()
    for table, source in ((first, published.SOURCE), (third, published.TABLE3)):
        for line in table.lines:
            known = find_model(line.model).published
            assert known
            assert [each.top1 for each in known.accuracies if each.source == source] == [line.figures["accuracy"].value]


def test_networks_with_public_weights_are_those_that_can_be_evaluated():
    assert set(SUITES["paper"].models()) - set(SUITES["paper-public"].models()) == {"rcu-8"}
    assert {line.model for line in paper.tables()[0].lines if not line.checkpoints} == {"rcu-8"}
    assert all(line.checkpoints for table in paper.tables()[1:] for line in table.lines)


def test_figure_5_is_what_the_text_says():
    small, medium = paper.starts()
    assert (small.model, small.delay, small.steady.text, small.peak.text, small.seen, small.clip.text) == (
        *("cox3d-s-13", 40, "49.2", "51.6", 41, "51.0"),
    )
    assert (medium.model, medium.delay, medium.steady.text, medium.peak.text, medium.seen, medium.clip.text) == (
        *("cox3d-m-16", 43, "56.2", "57.6", 44, "62.1"),
    )


def test_what_the_paper_prints_in_its_own_italics_is_marked():
    marked = {line.model for line in paper.tables()[2].lines if line.note}
    assert marked == {"cox3d-s-96", "cox3d-m-96", "cox3d-l-64", "cox3d-l-96"}
