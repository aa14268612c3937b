"""Networks of one's own in the verbs that run them themselves."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from co3d_bench.bench.errors import ENVIRONMENT

from .. import command

CODE = """
import os, sys, threading, time, torch
from torch import nn


class Net(nn.Module):
    input_shape = (3, 8, 8)

    def forward(self, x):
        print("chatter")
        os.write(1, b"\\xff")
        if os.fork() == 0:
            os.setsid()
            time.sleep(971)
        return x.flatten(1)[:, :5]


def leaves():
    threading.Thread(target=time.sleep, args=(971,)).start()
    return Net()


def ends():
    os._exit(0)
"""


def test_what_a_network_prints_and_leaves_behind_is_none_of_its_facts(tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    mark = str(tmp_path)
    os.environ["MARK"] = mark
    try:
        done = command.call(tmp_path, "show", "net.py:leaves", "--json")
    finally:
        del os.environ["MARK"]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == 5
    assert "chatter" in done.stderr
    assert [each for each in psutil.process_iter() if mark in environment(each)] == []


def environment(process):
    try:
        return process.environ().get("MARK", "")
    except psutil.Error:
        return ""


def test_code_that_ends_the_process_is_one_line(tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    done = command.call(tmp_path, "show", "net.py:ends")
    assert done == (1, "", "co3d-bench: net.py:ends: its code ended the process (exit code 0)\n")


def test_a_place_that_cannot_be_written_is_no_fault_of_the_network(tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    done = command.call(tmp_path, "export", "net.py:leaves", "-o", "/proc/net.onnx")
    assert done.returncode == ENVIRONMENT
    assert done.stderr.endswith("co3d-bench: /proc/net.onnx: cannot be written: No such file or directory\n")


@pytest.mark.parametrize(("model", "terminal"), [("net.py:leaves", "stdout"), ("x3d-xs", "stderr")])
def test_facts_are_folded_for_the_terminal_that_shows_them_and_for_no_other(tmp_path, model, terminal):
    """Standard error is a terminal where somebody redirects the facts alone."""
    (tmp_path / "net.py").write_text(CODE.replace("if os.fork()", "if False and os.fork()"))
    reader, writer = os.openpty()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, terminal: writer}
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run([sys.executable, "-m", "co3d_bench", "show", model], cwd=tmp_path, env=environment, **streams)
    os.close(writer)
    text = os.read(reader, 65536).decode() if terminal == "stdout" else done.stdout.decode()
    os.close(reader)
    assert done.returncode == 0
    assert (max(map(len, text.splitlines())) <= 80) == (terminal == "stdout")
