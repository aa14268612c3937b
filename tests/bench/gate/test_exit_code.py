"""What a check ends with."""

import pytest

from co3d_bench.bench.errors import FAILED, INCOMPARABLE, OK
from co3d_bench.bench.gate.exit_code import exit_code
from co3d_bench.bench.stats.compare.findings import Comparison, Finding, Judgement


def row(status="judged", verdict=None, note=None):
    judgement = Judgement(verdict, "why") if verdict else None
    return Finding("case", "latency", status, judgement=judgement, note=note)


def ends(*rows):
    return exit_code([Comparison("base", "head", rows, 0.05)])


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], OK),
        ([row(verdict="equivalent"), row(verdict="improved")], OK),
        ([row(verdict="inconclusive")], OK),
        ([row(verdict="equivalent"), row(verdict="regressed")], FAILED),
        ([row("exact", "regressed")], FAILED),
        ([row("failed", note="head: crash: it fell")], FAILED),
        ([row("failed", note="base: crash: it fell")], OK),
        ([row("new"), row("gone")], OK),
        ([row("incomparable"), row("exact", "equivalent")], INCOMPARABLE),
        ([row("incomparable"), row(verdict="equivalent")], OK),
        ([row("incomparable"), row("exact", "regressed")], FAILED),
    ],
)
def test_only_what_is_proven_to_be_worse_fails(rows, code):
    assert ends(*rows) == code


def test_of_two_baselines_the_worse_answer_counts():
    fine, worse = (Comparison("base", "head", (row(verdict=verdict),), 0.05) for verdict in ("equivalent", "regressed"))
    assert exit_code([fine, worse]) == exit_code([worse, fine]) == FAILED
