"""`co3d-bench run --fleet` on a shelf of simulated boards: every case once, whatever is cut or killed.

By default 20 boards, 100 cases, 20 cut links and 3 killed hosts. CO3D_FLEET_FULL=1: 50 boards, 1,000 cases, 200 cut
links, 20 killed hosts; hours. CO3D_FLEET_SIZE=BOARDS,CASES,CUTS,KILLS,SCALE: any other size. `-s` shows the figures.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.store import read_records

from ..sshd import MISSING
from .fleet.faults import CUT, KILL, draw, endure
from .fleet.host import Host, write_plan
from .fleet.schedule import makespan
from .fleet.shelf import KINDS, PYTHON, THERE, Shelf, kind_of

pytestmark = [pytest.mark.acceptance, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


class Size(NamedTuple):
    boards: int
    cases: int
    cuts: int
    kills: int
    scale: float  # by what the recorded durations of cases are multiplied


FULL = Size(50, 1000, 200, 20, 4.0)
# Host and boards share this machine's cores, and a case costs seconds of them: cases must last long enough for two
# cores to feed so many boards.
MAKESPAN = Size(20, 100, 0, 0, 2.5)
FAULTS = Size(20, 100, 20, 3, 1.0)


def size_of(usual: Size) -> Size:
    """What is asked for by the environment."""
    asked = os.environ.get("CO3D_FLEET_SIZE")
    if asked:
        boards, cases, cuts, kills, scale = asked.split(",")
        return Size(int(boards), int(cases), int(cuts), int(kills), float(scale))
    return FULL if os.environ.get("CO3D_FLEET_FULL") == "1" else usual


SEED = 0
PATIENCE_S = 4 * 3600.0
LIMIT = 1.15  # the makespan, of that of list scheduling


@contextmanager
def standing(folder: Path, size: Size) -> Iterator[Host]:
    """A host with its plan, not started yet, and its shelf."""
    shelf = Shelf(folder, size.boards, size.scale)
    shelf.start()
    write_plan(folder / "work", shelf, size.cases)
    host = Host(folder / "work", shelf)
    host.census.start()
    try:
        yield host
    finally:
        if host.process and host.process.returncode is None:
            host.kill()
        host.census.stop()
        shelf.stop()
        for process in shelf.processes():
            process.kill()


def records_of(host: Host) -> list[Record]:
    return read_records(host.folder / "results")


def begun(shelf: Shelf) -> list[dict]:
    """What boards began, in the order of time."""
    lines = ({**line, "board": board} for board in shelf.boards for line in shelf.log(board))
    return sorted((line for line in lines if line["event"] == "begin"), key=lambda line: line["t"])


def check_ledger(host: Host, cases: int) -> None:
    """Every case once and right in the store; no board with two at a time; nothing held, run or left there."""
    shelf, records = host.shelf, records_of(host)
    count = Counter((record.case.key, record.process) for record in records)
    assert len(count) == cases, host.output[-3000:]
    assert max(count.values()) == 1
    assert [record.error for record in records if not record.ok] == []
    assert all(record.verification and record.verification.passed for record in records)
    assert {record.case.device for record in records} == set(KINDS)
    assert all(kind_of(line["board"]) == line["case"].split("/")[1] for line in begun(shelf))
    ended = {(line["case"], board) for board in shelf.boards for line in shelf.log(board) if line["event"] == "end"}
    assert {(record.case.key, record.fleet.board) for record in records if record.fleet} <= ended
    assert all(record.fleet for record in records)
    assert [line for board in shelf.boards for line in shelf.log(board) if line["event"] == "overlap"] == []
    assert not shelf.processes()
    for board in shelf.boards:
        # A host that is killed while it looks at a board leaves that folder; a later run removes it, after a week.
        left = [name for name in shelf.left(board) if not (host.codes[-signal.SIGKILL] and name.startswith("probe-"))]
        assert left in ([], ["lock"]), board
        lock = shelf.folder / "homes" / board / ".cache/co3d-bench/agent/lock"
        if lock.exists():
            with lock.open("rb") as opened:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def list_scheduling_s(shelf: Shelf) -> float:
    """The makespan of list scheduling of what the boards were to sleep, in the order in which they began it; each kind
    of board has cases of its own."""
    cases = begun(shelf)
    return max(
        makespan(
            (line["seconds"] for line in cases if kind_of(line["board"]) == kind),
            sum(kind_of(board) == kind for board in shelf.boards),
        )
        for kind in KINDS
    )


def test_list_scheduling_gives_the_next_case_to_the_first_free_board():
    assert makespan([3, 1, 1, 1, 2], 2) == 5
    assert makespan([], 3) == 0


def test_a_board_that_measures_two_cases_at_a_time_is_noticed(tmp_path):
    """The log and its lock, without an agent: what the ledger's strongest line rests on."""
    (tmp_path / "job.json").write_text(json.dumps({"case": "a case", "settings": {"runs": 1}}))
    env = {"HOME": str(tmp_path), "PYTHONPATH": str(THERE), "SHELF_SECONDS": "[0]"}
    command = [PYTHON, "-c", "import torch, sys; print('begun', flush=True); sys.stdin.read()"]

    def measuring():
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdin=pipe, stdout=pipe, text=True)
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        return process

    def events():
        return [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]

    killed = measuring()
    killed.kill()
    killed.communicate()
    assert events() == ["begin"]
    first = measuring()
    assert events() == ["begin"] * 2  # what was killed holds nothing
    second = measuring()
    for process in (first, second):
        process.communicate("")
    assert events() == ["begin", "begin", "overlap", "begin", "end", "end"]


def test_the_makespan_is_near_that_of_list_scheduling(tmp_path):
    size = size_of(MAKESPAN)
    with standing(tmp_path, size) as host:
        host.named = True
        start_s = time.monotonic()
        host.start()
        code = host.wait(start_s + PATIENCE_S)
        wall_s, shelf = time.monotonic() - start_s, host.shelf
        assert code == 0, host.output[-3000:]
        check_ledger(host, size.cases)
        ends = [line["t"] for board in shelf.boards for line in shelf.log(board) if line["event"] == "end"]
        measuring_s, ideal_s = max(ends) - begun(shelf)[0]["t"], list_scheduling_s(shelf)
        print(f"\n{size.boards} boards, {size.cases} cases, recorded durations x {size.scale:g}")
        print(
            f"list scheduling {ideal_s:.1f} s; first begin to last end {measuring_s:.1f} s: {measuring_s / ideal_s:.3f}"
        )
        print(f"the whole command {wall_s:.1f} s: {wall_s / ideal_s:.3f}")
        print_cpu(host, size.cases)
        assert len(begun(shelf)) == size.cases
        assert measuring_s <= LIMIT * ideal_s


def print_cpu(host: Host, cases: int) -> None:
    """CPU seconds a case, by what used them."""
    parts = host.census.seconds(host.cpu_s)
    there_s = host.shelf.cpu_s()
    print(f"CPU seconds a case: {sum(parts.values()) / cases:.2f} of the host, {there_s / cases:.2f} of what sshd ran")
    print(f"processes of the host at a time: {host.census.most}")
    for name, cpu_s in sorted(parts.items()):
        print(f"  {name:24} {cpu_s / cases:7.4f} s a case")
    for name, cpu_s in sorted(host.threads().items()):
        print(f"  host, thread {name:32} {cpu_s / cases:7.4f} s a case")


def test_every_case_once_through_cut_links_and_killed_hosts(tmp_path):
    size = size_of(FAULTS)
    with standing(tmp_path, size) as host:
        shelf, start_s = host.shelf, time.monotonic()
        struck = endure(host, SEED, draw(SEED, size.cuts, size.kills, size.cases, shelf.mean_s), PATIENCE_S)
        cases = Counter(line["case"] for line in begun(shelf))
        print(f"\n{size.boards} boards, {size.cases} cases, recorded durations x {size.scale:g}: {dict(struck)}")
        took_s, ideal_s = time.monotonic() - start_s, list_scheduling_s(shelf)
        print(f"{took_s:.0f} s, list scheduling of all that was begun {ideal_s:.0f} s")
        print(f"exit codes of the host: {dict(host.codes)}")
        print(f"cases that boards began more than once: {sum(count > 1 for count in cases.values())}")
        check_ledger(host, size.cases)
        assert struck == {CUT: size.cuts, KILL: size.kills}
