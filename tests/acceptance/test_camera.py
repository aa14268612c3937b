"""`co3d-bench camera` as its users have it: the installed executable, an empty folder, a film."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
pytestmark = pytest.mark.acceptance


def camera(folder, *arguments, **more):
    return subprocess.run(
        [EXECUTABLE, "camera", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300, **more
    )


def records_of(folder):
    return [json.loads(line) for line in (folder / "results/records.jsonl").read_text().splitlines()]


def times_of(folder, record):
    return np.load(io.BytesIO((folder / "results/blobs" / record["camera"]["times"]).read_bytes()), allow_pickle=False)


def check(folder, record):
    """The record's figures are those of its frames."""
    run, times = record["camera"], times_of(folder, record)
    setup = record["case"]["camera"]
    answered = times["answered_s"]
    assert run["in_time"] + run["late"] + run["dropped"] == run["due"] == len(answered)
    assert run["dropped"] == np.isnan(answered).sum()
    assert run["late"] == (answered - times["due_s"] > run["deadline_s"]).sum()
    period_s = setup["every"] / setup["fps"]
    assert np.allclose(times["due_s"], np.arange(run["due"]) * period_s, atol=1e-6)
    assert (times["arrived_s"] >= times["due_s"])[~np.isnan(times["arrived_s"])].all()


def test_a_film_before_a_clip_network_and_a_frame_network(film, tmp_path):
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    done = camera(tmp_path, *("--model", "cox3d-s-13", "--model", "x3d-xs"), "--source", "film.mp4", "--duration", "3s")
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path)
    assert len(records) == 4  # every frame, and those of the trained rate, of both
    for record in records:
        check(tmp_path, record)
        assert record["camera"]["source"] == "film.mp4"
        assert record["camera"]["due"] == round(3 * 24 / record["case"]["camera"]["every"] + 0.4)
    reactions = [record["camera"]["reaction"] for record in records]
    assert {found["source"] for found in reactions if found} == {"film"}
    assert sum(found is not None for found in reactions) == 2  # at the trained rate alone
    assert "frames of 24/s" in done.stdout
    page = subprocess.run([EXECUTABLE, "report"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "In front of a camera" in (tmp_path / page.stdout.split()[-1]).read_text()


def test_decoding_takes_its_share(film, tmp_path):
    """The same network on a film and on frames that need no decoding: the film's capture costs CPU time."""
    common = ("--model", "cox3d-s-13", "--every", "1", "--duration", "2s", "--fps", "24")
    assert camera(tmp_path, *common, "--source", str(film)).returncode == 0
    assert camera(tmp_path, *common).returncode == 0
    from_film, from_noise = (
        {stage["name"]: stage["cpu_s"] for stage in record["camera"]["stages"]} for record in records_of(tmp_path)
    )
    assert from_film["capture"] > 5 * from_noise["capture"]
    assert from_film["preprocess"] > from_noise["preprocess"]


def test_ctrl_c_keeps_what_was_watched_and_resume_goes_on(tmp_path):
    command = [EXECUTABLE, "camera", *("--model", "cox3d-s-13"), "--duration", "2s"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    file = tmp_path / "results/records.jsonl"
    until = time.monotonic() + 120
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    first = records_of(tmp_path)
    assert len(first) in (1, 2), err
    assert camera(tmp_path, *command[2:], "--resume").returncode == 0
    assert len(records_of(tmp_path)) == 2


class Terminal:
    """`camera` at a terminal of its own, which shows the status line and hands Ctrl-C to all that it runs."""

    def __init__(self, folder, *arguments):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [EXECUTABLE, "camera", *arguments], cwd=folder, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.said = ""

    def wait_for(self, words):
        until = time.monotonic() + 120
        while words not in self.said:
            assert select.select([self.master], [], [], until - time.monotonic())[0], self.said
            self.said += os.read(self.master, 1 << 16).decode(errors="replace")

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def end(self):
        with suppress(OSError):  # EIO: nobody writes any more
            while data := os.read(self.master, 1 << 16):
                self.said += data.decode(errors="replace")
        os.close(self.master)
        return self.process.wait(60), " ".join(self.said.split())


@pytest.mark.parametrize(("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_a_case_that_is_stopped_on_the_way_keeps_what_was_seen_and_is_watched_again(tmp_path, number, code, name):
    (tmp_path / "tiny.py").write_text(TINY)
    common = ("--model", "tiny.py:Tiny", "--fps", "50", "--backend", "eager")
    terminal = Terminal(tmp_path, *common, "--duration", "3s", "--every", "1", "--every", "2")
    terminal.wait_for("every 2\x1b[0m\x1b[2m  watching for 3 s")
    time.sleep(1)
    terminal.signal(number)
    ended, said = terminal.end()
    assert ended == code, said
    assert f"stopped by {name}: 1 of 2 measurements are finished and kept, and what was seen of one more" in said
    whole, part = records_of(tmp_path)
    check(tmp_path, part)
    assert not whole["camera"]["stopped"]
    assert part["camera"]["stopped"]
    assert 10 <= part["camera"]["due"] < 75
    note = f"stopped after {part['camera']['duration_s']:.1f} s of 3 s"
    assert note in part["notes"]
    assert note in said
    again = camera(tmp_path, *common, "--duration", "3s", "--every", "1", "--every", "2", "--resume")
    assert again.returncode == 0, again.stderr
    assert [record["camera"]["stopped"] for record in records_of(tmp_path)] == [False, True, False]
    assert records_of(tmp_path)[-1]["case"] == part["case"]


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY.replace("        return frame", HANGS + "        return frame"))
    terminal = Terminal(tmp_path, *("--model", "tiny.py:Tiny", "--fps", "50", "--backend", "eager"))
    terminal.wait_for("watching for 60 s")
    time.sleep(0.5)
    (tmp_path / "hang").touch()
    time.sleep(0.2)
    terminal.signal(signal.SIGINT)
    terminal.wait_for("a second Ctrl-C ends at once")
    assert terminal.process.poll() is None
    terminal.signal(signal.SIGINT)
    ended, said = terminal.end()
    assert (ended, records_of(tmp_path)) == (130, [])
    assert "0 of 1 measurements are finished and kept; the same command" in said


def test_a_process_that_is_killed_is_a_failed_case_and_can_be_repeated(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    common = ("--model", "tiny.py:Tiny", "--fps", "50", "--backend", "eager", "--every", "1", "--every", "2")
    command = [EXECUTABLE, "camera", *common, "--duration", "4s"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    worker, until = [], time.monotonic() + 120
    while not worker and time.monotonic() < until:
        time.sleep(0.2)
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                worker += [child] if "camera.worker" in " ".join(child.cmdline()) else []
    worker[-1].kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the process was killed (SIGKILL)" in " ".join(out.split())
    assert "1 of 2 cases failed; `--resume --retry-failed` repeats them" in err
    again = camera(tmp_path, *common, "--duration", "4s", "--resume", "--retry-failed")
    assert again.returncode == 0, again.stderr
    assert [record["error"] is None for record in records_of(tmp_path)] == [False, True, True]


def test_what_is_wrong_with_a_run_that_ended_well_is_a_line_below_its_table(film, tmp_path):
    """A film that is shorter than the run, and a deadline below a call of the network."""
    common = ("--model", "x3d-s", "--every", "6", "--backend", "eager", "--source", str(film))
    done = camera(tmp_path, *common, "--duration", "7s", "--deadline", "1ms")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "video film.mp4: it is 5.50 s long, and was repeated" in said
    assert "the deadline of 1 ms is below the" in said


HANGS = """        import os, time
        if os.path.exists("hang"):
            time.sleep(600)
"""

TINY = """
import torch
from torch import nn

class Tiny(nn.Module):
    receptive_field, padding, delay = 1, 0, 0
    input_shape = (3, 8, 8)

    def initial_state(self, batch_size=1, fill="zeros", frame=None):
        return (torch.zeros(batch_size, 3),)

    def step(self, frame, state):
        return frame.mean(dim=(2, 3)), state

    def forward(self, clip):
        return clip[:, :, -1].mean(dim=(2, 3))
"""


def test_ten_minutes_at_1000_frames_a_second_would_grow_memory_by_less_than_200_mb(tmp_path):
    """From 5 s and 30 s: what a frame adds, and what a run adds whatever its length."""
    (tmp_path / "tiny.py").write_text(TINY)
    common = ("--model", "tiny.py:Tiny", "--fps", "1000", "--backend", "eager", "--threads", "1")
    for seconds in (5, 30):
        assert camera(tmp_path, *common, "--duration", f"{seconds}s").returncode == 0
    short, long = (record["camera"] for record in records_of(tmp_path))
    assert (short["due"], long["due"]) == (5_000, 30_000)
    a_frame = (long["growth_bytes"] - short["growth_bytes"]) / 25_000
    assert short["growth_bytes"] + 600_000 * max(0.0, a_frame) < 200e6
    for record in (short, long):  # the times lie in a blob, none in the record
        assert len(json.dumps(record)) < 5_000
        assert (tmp_path / "results/blobs" / record["times"]).stat().st_size >= 32 * record["due"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fps", "0"), "--fps = 0"),
        (("--source", "missing.mp4"), "no such file"),
        (("--source", "/dev/video99"), "cannot be opened"),
        (("--policy", "newst"), "--policy"),
        (("--duration", "soon"), "must be a time"),
        (("--source", "rtsp://127.0.0.1:9/nothing", "--policy", "block"), "cannot wait"),
        (("--source", "rtsp://u:secret@127.0.0.1:9/nothing"), "rtsp://127.0.0.1:9/nothing: cannot be opened"),
        (("--source", "ftp://127.0.0.1/film.mp4"), "no stream"),
        (("--source", str(Path(__file__))), "cannot be decoded"),
        (("--fps", "1e9"), "at most 100000"),
        (("--duration", "0"), "more than 0"),
        (("--deadline", "-1ms"), "must be a time"),
        (("--every", "0"), "at least 1"),
        (("--retry-failed",), "goes with --resume"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, arguments, words):
    done = camera(tmp_path, "--model", "cox3d-s-13", "--duration", "1s", "--every", "1", *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()  # nothing was begun
