"""A live camera by RTSP on loopback, with a connection that breaks and returns.

It needs GStreamer's server (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good). A V4L2 device
needs a camera: only what is said where there is none is tested (`test_camera.py`).
"""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

ROOT = Path(__file__).parents[2]
EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
PYTHON = "/usr/bin/python3"


def has_gstreamer():
    code = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return Path(PYTHON).exists() and subprocess.run([PYTHON, "-c", code], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not has_gstreamer(), reason="no GStreamer: apt install gir1.2-gst-rtsp-server-1.0"),
]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The camera; it can be switched off and on."""

    def __init__(self, port):
        self.port, self.process = port, None

    def on(self):
        command = [PYTHON, str(ROOT / "tests/rtsp_server.py"), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline().strip() == "ready"

    def off(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(port):
    server = Server(port)
    server.on()
    yield server
    server.off()


def record_and_times(folder):
    record = json.loads((folder / "results/records.jsonl").read_text().splitlines()[-1])
    return record, np.load(io.BytesIO((folder / "results/blobs" / record["camera"]["times"]).read_bytes()))


def noted(record):
    return " ".join(record["notes"])


def watch(folder, server, duration_s):
    address = f"rtsp://somebody:secret@127.0.0.1:{server.port}/camera"
    options = ("--model", "cox3d-s-13", "--every", "1", "--duration", f"{duration_s}s", "--source", address)
    return subprocess.Popen([EXECUTABLE, "camera", *options], cwd=folder, stderr=subprocess.PIPE, text=True)


def watched(process, port):
    """Whether the measuring process is connected to the camera."""
    connections = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            connections += child.net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in connections)


def test_a_stream_is_watched_as_it_comes_and_its_password_is_not_recorded(server, tmp_path):
    process = watch(tmp_path, server, 4)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    record, times = record_and_times(tmp_path)
    assert record["camera"]["due"] == pytest.approx(4 * 15, abs=25)  # a busy machine may send fewer
    assert (times["arrived_s"] >= times["due_s"]).all()
    assert "secret" not in (tmp_path / "results/records.jsonl").read_text()


def test_a_connection_that_breaks_is_opened_again(server, tmp_path):
    process = watch(tmp_path, server, 15)
    until = time.monotonic() + 120
    while not watched(process, server.port) and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(2)
    server.off()
    time.sleep(3)
    server.on()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    record, times = record_and_times(tmp_path)
    assert record["camera"]["longest_gap_s"] > 2
    gap_at = np.argmax(np.diff(times["due_s"]))
    assert len(times["due_s"]) - gap_at > 20  # frames came again
    assert "it was opened again" in noted(record)


def test_a_stream_that_ends_keeps_what_was_measured_and_says_when(server, tmp_path):
    process = watch(tmp_path, server, 8)
    until = time.monotonic() + 120
    while not watched(process, server.port) and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(3)
    server.off()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    record, times = record_and_times(tmp_path)
    assert record["camera"]["due"] == len(times["due_s"]) > 0
    assert record["camera"]["duration_s"] == pytest.approx(8, abs=2)
    assert "no frames from" in noted(record)
    assert "secret" not in noted(record)
