"""Pairs of interleaved processes, with real workers: a network that writes down when it computes."""

import signal
import sys
import threading
import time
from functools import cache
from itertools import groupby, pairwise

import psutil
import pytest

from co3d_bench.bench.gate.measure import Stopped, measure_pair
from co3d_bench.bench.gate.runners import factory_runner
from co3d_bench.bench.gate.schedule import Pair
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.run.stop import Stop

RUNS = 12
NETWORK = """
import os, time
import torch

class Recorded(torch.nn.Module):
    input_shape = (3, 2, 4, 4)

    def __init__(self, seconds=0.02, falls_at=None):
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.seconds, self.falls_at, self.calls = seconds, falls_at, 0
        with open("built.txt", "a") as file:
            file.write(f"{os.getpid()} {time.monotonic()}\\n")

    def forward(self, clip):
        begin = time.monotonic()
        self.calls += 1
        if self.calls == self.falls_at:
            raise RuntimeError("it fell over")
        scores = self.line(clip).flatten(1)[:, :5]
        time.sleep(max(0, begin + self.seconds - time.monotonic()))
        with open("calls.txt", "a") as file:
            file.write(f"{os.getpid()} {begin} {time.monotonic()}\\n")
        return scores

def head():
    return Recorded(0.03)

def falls():
    return Recorded(falls_at=24)
"""


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    """A side of that factory; each is asked once what it is, in a process of its own."""
    file = tmp_path_factory.mktemp("network") / "calls.py"
    file.write_text(NETWORK)
    return cache(lambda factory: factory_runner(f"{file}:{factory}", "recorded", Catalog(), 120.0, sys.executable))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(side, head, stop):
    runners = {"base": side("Recorded"), "head": side(head)}
    case = Case(model="recorded", threads=1)
    return measure_pair(case, Pair(case.key, "pair", 0, ("base", "head")), RUNS, runners, stop)


@pytest.fixture
def stop():
    with Stop() as made:
        yield made


def test_only_one_of_them_computes_at_a_time_and_they_alternate(here, side, stop):
    found = measured(side, "head", stop)
    assert [len(side.latency_s) for side in (found.base, found.head)] == [RUNS, RUNS]
    assert found.base.value_s == pytest.approx(0.02, rel=0.2)
    assert found.head.value_s == pytest.approx(0.03, rel=0.2)
    assert found.ratio == pytest.approx(1.5, rel=0.2)
    assert found.head_s == found.ratio * found.base.value_s
    calls = [line.split() for line in (here / "calls.txt").read_text().splitlines()]
    calls = [(pid, float(begin), float(end)) for pid, begin, end in calls]
    assert all(end <= begin for (_, _, end), (_, begin, _) in pairwise(calls)), "nobody computed beside the other"
    turns = [(pid, len(list(group))) for pid, group in groupby(pid for pid, _, _ in calls)]
    sampled = turns[-2 * RUNS - 2 : -2]  # in its last turn each makes the call that does not count, and ends
    assert [count for _, count in sampled] == [2] * (2 * RUNS), "one that does not count, and a sample"
    built = dict(line.split() for line in (here / "built.txt").read_text().splitlines())
    both = {pid for pid, _ in sampled}
    first_call = min(begin for pid, begin, _ in calls if pid in both)
    assert all(float(built[pid]) < first_call for pid in both), "neither computed while the other one loaded"


def test_one_that_fails_is_reported_and_the_other_does_not_wait_for_ever(here, side, stop):
    begin = time.monotonic()
    found = measured(side, "falls", stop)
    assert isinstance(found, str)
    assert "head: exception: RuntimeError: it fell over" in found
    assert time.monotonic() - begin < 110, "or a time limit ended it"


@pytest.mark.parametrize("computing", [1, 2])
def test_stopped_it_ends_both_whichever_have_begun(here, side, stop, computing):
    def begun():
        file = here / "calls.txt"
        return len({line.split()[0] for line in file.read_text().splitlines()}) if file.exists() else 0

    def ask():
        while begun() < computing:
            time.sleep(0.05)
        stop.request(signal.SIGINT)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Stopped):
        measured(side, "head", stop)
    asking.join()
    left = [each.cmdline() for each in psutil.Process().children()]  # the browser of other tests may be among them
    assert not [words for words in left if "worker" in words]
