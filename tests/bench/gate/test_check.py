"""`check --pair` as a whole: real commands as base and head, and the rounds and errors with made-up ones."""

from __future__ import annotations

import json
import random
import re
import signal
import sys
from dataclasses import replace

import pytest

from co3d_bench.bench.errors import FAILED, NOTHING, OK, USAGE
from co3d_bench.bench.gate.check import PairCheck, check_pair, earlier_sigmas, plan_text
from co3d_bench.bench.gate.journal import read
from co3d_bench.bench.gate.measure import Stopped
from co3d_bench.bench.gate.runners import Measured
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.stats.compare.rule import PairRule

from ... import command
from ...factories import make_record

CASE = Case(model="x3d-xs", threads=2)


class Made:
    """A side whose processes take `latency_s`, give or take; it falls over in the calls of `falls`."""

    def __init__(self, name, latency_s, seed, scatter=0.005, falls=(), stop_at=None):
        self.name = self.identity = name
        self.latency_s, self.scatter, self.falls, self.stop_at = latency_s, scatter, falls, stop_at
        self.draw = random.Random(seed)
        self.calls = 0
        self.runs = set()

    def measure(self, case, runs, full, stop):
        self.calls += 1
        self.runs.add(runs)
        if self.calls == self.stop_at:
            stop.signal = signal.SIGTERM
            return None
        if self.calls in self.falls:
            return Measured(failure="killed: no memory")
        value = self.latency_s * (1 + self.draw.gauss(0, self.scatter))
        return Measured((value,) * 3)


def run(tmp_path, base, head, resume=False, cases=(CASE,), said=None):
    report = (lambda text: None) if said is None else said.append
    return check_pair(PairCheck(cases, {"base": base, "head": head}, PairRule(), tmp_path, resume), report)


@pytest.mark.parametrize(("factor", "verdict"), [(1.1, "regressed"), (0.9, "improved"), (1.0, "equivalent")])
def test_what_is_measured_follows_from_what_was_found(tmp_path, factor, verdict):
    base, head = Made("a", 0.1, 1), Made("b", 0.1 * factor, 2)
    said: list[str] = []
    (finding,) = run(tmp_path, base, head, said=said).findings
    assert finding.judgement.verdict == verdict
    pairs = finding.judgement.estimate.replicates
    # One of each in full, then the pairs; of one A/A pair for every three both are the base's.
    assert head.calls == 1 + pairs <= 10
    assert base.calls == head.calls + 2 * max(0, (pairs - 2) // 3)
    assert base.runs == {20}
    assert finding.base == pytest.approx(0.1, rel=0.02)
    assert finding.head == pytest.approx(0.1 * factor, rel=0.02)
    # Every line says how things stand; of two pairs there is no interval yet.
    lines = [line for line in said if "A/A" not in line][2:]
    assert len(lines) == pairs
    assert re.fullmatch(r"x3d-xs/\S+: pair 1: head \d\.\d+ times the base's time", lines[0])
    assert re.fullmatch(r"x3d-xs/\S+: pair 4: head \d\.\d+ times the base's time \(\d\.\d+ to \d\.\d+\)", lines[3])


def test_what_is_worse_without_a_clock_needs_none(tmp_path):
    record = make_record("x3d-xs")

    class Recorded(Made):
        def measure(self, case, runs, full, stop):
            return replace(super().measure(case, runs, full, stop), record=record)

    base, head = Recorded("a", 0.1, 1), Recorded("b", 0.1, 2)
    order = PairCheck(
        (CASE,), {"base": base, "head": head}, PairRule(), tmp_path, worse=lambda *_: "macs regressed (+72%)"
    )
    said: list[str] = []
    (finding,) = check_pair(order, said.append).findings
    assert (base.calls, head.calls) == (1, 1)
    assert finding.judgement.why == "not measured in pairs, since macs regressed (+72%)"
    assert said[-1] == f"{CASE.key}: macs regressed (+72%): no pairs are needed"


def test_a_noisy_host_gets_more_pairs_and_no_pass(tmp_path):
    (finding,) = run(tmp_path, Made("a", 0.1, 3, scatter=0.2), Made("b", 0.1, 4, scatter=0.2)).findings
    assert finding.judgement.verdict == "inconclusive"
    assert finding.note.startswith("28 pairs")


def test_a_process_may_fall_over_once_but_not_twice(tmp_path):
    (finding,) = run(tmp_path, Made("a", 0.1, 1, falls=(5,)), Made("b", 0.1, 2)).findings
    assert finding.status == "judged"
    (finding,) = run(tmp_path / "2", Made("a", 0.1, 1), Made("b", 0.1, 2, falls=(5, 6))).findings
    assert (finding.status, finding.note) == ("failed", "head: killed: no memory")


def test_a_head_that_does_not_run_at_all_fails_and_the_other_cases_go_on(tmp_path):
    other = Case(model="x3d-s", threads=2)

    class Half(Made):
        def measure(self, case, runs, full, stop):
            return Measured(failure="boom") if case == CASE else super().measure(case, runs, full, stop)

    found = run(tmp_path, Made("a", 0.1, 1), Half("b", 0.1, 2), cases=(CASE, other)).findings
    assert {finding.key: finding.status for finding in found} == {CASE.key: "failed", other.key: "judged"}


def test_a_stop_loses_no_pair_and_resume_goes_on(tmp_path):
    with pytest.raises(Stopped, match="the same command with --resume continues"):
        run(tmp_path, Made("a", 0.1, 1), Made("b", 0.1, 2, stop_at=6))
    (file,) = tmp_path.glob("gate/*/pairs.jsonl")
    before = read(file)[1]
    assert len(before) > 0
    said: list[str] = []
    (finding,) = run(tmp_path, Made("a", 0.1, 5), Made("b", 0.1, 6), resume=True, said=said).findings
    assert f"{len(before)} pairs were measured before" in said
    assert read(file)[1][: len(before)] == before
    assert finding.judgement.verdict == "equivalent"


def test_the_plan_speaks_of_what_earlier_checks_saw(tmp_path):
    assert "the spread on this host is not known yet" in plan_text((CASE,), tmp_path, PairRule(), {CASE.key: 3.0})
    run(tmp_path, Made("a", 0.1, 1), Made("b", 0.1, 2))
    assert 0.002 < earlier_sigmas(tmp_path)[CASE.key] < 0.015
    text = plan_text((CASE,), tmp_path, PairRule(), {CASE.key: 6.0})
    assert "3 to 28 pairs of fresh processes each" in text
    assert "18 s to 4 min at 6.0 s a pair" in text
    assert f"{CASE.key}: with a spread of" in text


PROGRAM = """
import json, random, sys
draw = random.Random()
print(json.dumps({"latency_s": [float(sys.argv[1]) * (1 + draw.gauss(0, 0.002)) for _ in range(30)]}))
"""


def check(tmp_path, base, head, *more):
    (tmp_path / "side.py").write_text(PROGRAM)
    both = [f"{sys.executable} side.py {latency}" for latency in (base, head)]
    return command.call(tmp_path, "check", "--pair", *both, "--max-slowdown", "5%", *more)


@pytest.mark.parametrize(("head", "code", "word"), [(0.1, OK, "equivalent"), (0.12, FAILED, "regressed")])
def test_two_real_commands(tmp_path, head, code, word):
    done = check(tmp_path, 0.1, head, "--junit", "x.xml", "--markdown", "x.md", "--html", "x.html")
    assert done.returncode == code, done.stderr
    assert word in done.stdout
    assert word in (tmp_path / "x.md").read_text().lower()
    assert f'failures="{int(code == FAILED)}"' in (tmp_path / "x.xml").read_text()
    assert word in (tmp_path / "x.html").read_text().lower()
    (file,) = tmp_path.glob("results/gate/*/pairs.jsonl")
    assert len(json.loads(file.read_text().splitlines()[1])["base"]["latency_s"]) == 30


def test_a_command_that_does_not_run_fails(tmp_path):
    (tmp_path / "side.py").write_text(PROGRAM)
    done = check(tmp_path, 0.1, "none")
    assert done.returncode == FAILED
    assert "could not convert string to float: 'none'" in " ".join(done.stdout.split())


NETWORK = """
import torch

def small():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(96, 2))
    net.input_shape = (3, 2, 4, 4)
    return net
"""


@pytest.mark.parametrize(
    ("both", "code", "message"),
    [
        (("no-such-commit", "HEAD"), USAGE, "--pair: 'no-such-commit' is no commit of"),
        (("net.py:small", "net.py:none"), USAGE, "--pair: net.py:none: net.py has no none; there are small"),
        (
            ("no-such-program --now", "python x.py"),
            NOTHING,
            "cannot be measured: base: no-such-program: No such file",
        ),
    ],
)
def test_what_cannot_be_base_or_head_is_refused(tmp_path, both, code, message):
    (tmp_path / "net.py").write_text(NETWORK)
    done = command.call(tmp_path, "check", "--pair", *both, "--plan")
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
