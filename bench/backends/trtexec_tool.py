"""Starts NVIDIA's `trtexec`: on this machine, and copied to a board beside `onboard.py`. Python 3.6, no other import.

The options and inputs are the caller's; the program is the one found here, and no shell stands between.
"""
# ruff: noqa: S603 - see above

import os
import shutil
import subprocess
import time

NAME = "trtexec"
FOLDER = "/usr/src/tensorrt/bin"  # where JetPack and NVIDIA's Debian packages put it, without telling the PATH
MODEL, ENGINE, OUTPUTS, FIRST, TIMES = "net.onnx", "net.engine", "outputs.json", "first.json", "times.json"
LOG_BYTES = 1 << 18
PART_CHARACTERS = 1 << 20


def find_tool():
    """Its path; None where there is none."""
    there = os.path.join(FOLDER, NAME)  # noqa: PTH118 - one form for both: a word of a command
    return shutil.which(NAME) or (there if os.access(there, os.X_OK) else None)


def start(options, folder, before=None):
    """Run it once in a folder, to its end; `before` is called in the new process. Bytes, seconds."""
    tool = find_tool()
    if tool is None:
        raise FileNotFoundError(NAME + " is neither on the PATH nor in " + FOLDER)
    with (folder / "trtexec.log").open("w+b") as log:
        begin, own = time.perf_counter(), time.process_time()
        process = subprocess.Popen(
            [tool] + list(options),  # noqa: RUF005 - Python 3.6
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=str(folder),
            preexec_fn=before,
        )
        _, status, used = os.wait4(process.pid, 0)  # not `wait`: this returns the memory of that process alone
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - own
        process.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES))
        output = log.read().decode("utf-8", "replace")
    return {
        "returncode": process.returncode,
        "output": output,
        "seconds": seconds,
        "harness_cpu_s": cpu_s,
        "peak_rss_bytes": used.ru_maxrss * 1024,
    }


def run(job, sent, folder, emit, before=None):
    """Start it once for each of the job's calls, until one fails; returns their results.

    `sent` is the folder with the job's files, `folder` the one to work in. `emit` hears of each phase, and in parts of
    what the tool answered, which is as large as the state of a network.
    """
    (folder / MODEL).symlink_to(sent / job["model"])
    with (sent / job["inputs"]).open("rb") as packed:
        for name, size in job["input_bytes"]:
            (folder / (name + ".bin")).write_bytes(packed.read(size))
    calls = []
    for phase, options in job["calls"]:
        emit("phase", phase=phase)
        calls.append(start(options, folder, before))
        if calls[-1]["returncode"]:
            break
    if (folder / OUTPUTS).exists():
        with (folder / OUTPUTS).open() as answers:
            for part in iter(lambda: answers.read(PART_CHARACTERS), ""):
                emit("answer", text=part)
    engine = folder / ENGINE
    return {
        "calls": calls,
        "first": text_of(folder / FIRST),
        "times": text_of(folder / TIMES),
        "engine_bytes": engine.stat().st_size if engine.exists() else None,
    }


def text_of(file):
    """The content of a file; empty where there is none."""
    return file.read_text() if file.exists() else ""
