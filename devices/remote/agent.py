"""What is copied to a board: this file and guard.py, for Python 3.6 and its standard library. No root, and nothing to
install.

    python3 agent.py hello               what the machine is; reads the files whose patterns come on standard input
    python3 agent.py holder              whose case runs, if one does: the run that holds the lock
    python3 agent.py finish_upload NAME  check the file uploaded as NAME.part: its sha256 is NAME without its suffix
    python3 agent.py start NAME          begin the case whose job comes on standard input, if it has not begun yet; one
                                         that was ended because nobody came, or with the machine, begins anew
    python3 agent.py follow NAME OFFSET  its lines from that byte on, as they come, until it has ended
    python3 agent.py remove_cases        end what runs, and remove all cases: the host has their records
    python3 agent.py clean               the same, and remove this folder

It answers in objects of JSON, one a line. All it writes lies in its own folder. A case runs on its own, whether or not
somebody follows it: each line is in a file before it is sent, so whoever lost the connection asks again from the byte
it had. What a case does is in another file, `job["script"]`, copied here as well: it is run with the case's folder as
its argument, and prints its lines on standard output. Files of the system are read below --sysroot, or below
$CO3D_BENCH_SYSROOT.
"""
# ruff: noqa: S603 - no shell anywhere; Python 3.6 has no capture_output
# pyright: reportMissingImports=false

import argparse
import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __package__:
    from ..guard import adopt_orphans, die_with_parent, end_descendants
else:
    sys.path.insert(0, str(HERE))  # PYTHONSAFEPATH leaves the script's folder out
    from guard import adopt_orphans, die_with_parent, end_descendants

CASES = HERE / "cases"
# Beside the folders of all runs: only the process that holds it measures.
LOCK = HERE.parent / "lock"
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"  # where JetPack puts it
FILE_BYTES = 1 << 16
TAIL_BYTES = 1 << 15
STDERR_CHARACTERS = 4000
READ_BYTES = 1 << 20
ABANDONED_AFTER_S = 7 * 24 * 3600.0
LOCK_PATIENCE_S = 5.0
STOP_PATIENCE_S = 10.0
# How long torch may take to be imported, and TensorRT's tool to print its help.
TOOL_TIMEOUT_S = 100.0
# How often a case is checked; what it may write; how long nobody need follow it, which is longer than a host tries
# to come back.
CHECK_EVERY_S = 5.0
OUTPUT_BYTES = 1 << 30
OUTPUTS = ("events", "stderr", "trtexec.log")
UNFOLLOWED_S = 900.0
UNFOLLOWED = f"nobody followed it for {UNFOLLOWED_S:.0f} s"
REASONS = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EISDIR: "missing",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
    errno.EROFS: "not permitted",
    errno.EAGAIN: "gated",
    errno.EBUSY: "gated",
    errno.ENODATA: "gated",
}
ENDED = '{"event": "ended"'


def send(event, **fields):
    """One line on standard output."""
    line = {"event": event}  # first, so that a line is known by how it begins
    line.update(fields)
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


# --- files of the system


def below(sysroot, path):
    return Path(sysroot) / path.lstrip("/")


def read_text(file):
    """(text, None) or (None, why there is none)."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(FILE_BYTES).decode("utf-8", "replace").strip(), None
    except OSError as error:
        return None, REASONS.get(error.errno or 0, "failed")


def read_files(sysroot, patterns):
    """(path: text, path: why it gave none) of the files that match."""
    files, unread = {}, {}
    for pattern in patterns:
        for file in sorted(glob.glob(str(below(sysroot, pattern)))):  # noqa: PTH207 - pathlib's opens folders it need not
            path = "/" + str(Path(file).relative_to(sysroot))
            if path in files or Path(file).is_dir():
                continue
            text, reason = read_text(file)
            if text is not None:
                files[path] = text
            elif reason != "missing":
                unread[path] = reason
    return files, unread


# --- what the machine is

# In a process of its own: a torch that does not fit the board may take its process down.
TORCH = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version() if cuda else None,
    "gpus": [[torch.cuda.get_device_name(i), list(torch.cuda.get_device_capability(i))]
             for i in range(torch.cuda.device_count() if cuda else 0)],
}))
"""


def torch_facts():
    """Torch's versions and GPUs, or why torch cannot be imported."""
    code, output, errors = output_of([sys.executable, "-c", TORCH])
    if code is None:
        return {"missing": f"importing torch takes longer than {TOOL_TIMEOUT_S:.0f} s"}
    try:
        return json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        lines = errors.strip().splitlines()
    if code < 0:
        return {"missing": f"importing torch ends with {signal.Signals(-code).name}"}
    return {"missing": lines[-1] if lines else f"importing torch ends with exit code {code}"}


def trtexec():
    """What TensorRT's own tool prints for --help, its version first; None where there is no such tool."""
    tool = shutil.which("trtexec") or (TRTEXEC if os.access(TRTEXEC, os.X_OK) else None)
    if tool is None:
        return None
    _, output, errors = output_of([tool, "--help"])
    return output + errors


def output_of(words):
    """(exit code, output, errors) of a command, of which nothing lives on; the exit code is None where it took too
    long."""
    adopt_orphans()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:  # which nobody waits for, as for pipes
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd="/", preexec_fn=die_with_parent
        )
        try:
            code = process.wait(TOOL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        end_descendants()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read(READ_BYTES).decode("utf-8", "replace"))
    return (code, *texts)


def hello(sysroot):
    remove_abandoned()
    request = json.loads(sys.stdin.read() or "{}")
    files, unread = read_files(sysroot, request.get("patterns", []))
    send(
        "hello",
        machine=os.uname().machine,
        torch=torch_facts() if request.get("torch") else None,
        trtexec=trtexec() if request.get("trtexec") else None,
        files=files,
        unread=unread,
        here=sorted(file.name for file in HERE.iterdir()),
    )


def remove_abandoned():
    """Remove the folders of runs whose host never came back."""
    for folder in HERE.parent.glob("*/"):
        if folder == HERE or not folder.is_dir() or time.time() - folder.stat().st_mtime < ABANDONED_AFTER_S:
            continue
        if not any(map(alive, folder.glob("cases/*"))):
            shutil.rmtree(str(folder), ignore_errors=True)


def finish_upload(name):
    """Asked again, because the answer was lost with the connection, it answers the same, also while the first is still
    at it."""
    part, digest = HERE / (name + ".part"), hashlib.sha256()
    try:
        with part.open("rb") as opened:
            for block in iter(lambda: opened.read(READ_BYTES), b""):
                digest.update(block)
        whole = name.split(".")[0] == digest.hexdigest()
        if whole:
            part.replace(HERE / name)
        else:
            part.unlink()
    except FileNotFoundError:
        whole = (HERE / name).exists()
    send("uploaded", whole=whole)


# --- cases, and the processes they run in


def case_folder(name):
    if not name.isalnum():
        raise ValueError(f"{name!r} is no name of a case")
    return CASES / name


def start_ticks(pid):
    """When a process began, in ticks since the machine did; None if there is none. Tells it from a later namesake."""
    text, _ = read_text(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split() if text else []
    return None if not fields or fields[0] == "Z" else int(fields[19])


def supervisor(folder):
    """[pid, start_ticks] of the process that supervises a case, or begins it; None where there is no such case."""
    text, _ = read_text(folder / "supervisor")
    return json.loads(text) if text else None


def alive(folder):
    known = supervisor(folder)
    return known is not None and start_ticks(known[0]) == known[1]


def has_begun(folder):
    """Whether a case runs, or has ended by itself or over its time. One that was ended because nobody came, or that
    ended with the machine, has no result that anybody saw."""
    if alive(folder):
        return True
    last = last_line(folder)
    try:
        ended = json.loads(last) if last.startswith(ENDED) else None
    except ValueError:  # torn, by a power cut
        return False
    return ended is not None and not ended["stopped"] and ended["why"] != UNFOLLOWED


def start(name, sysroot):
    folder = case_folder(name)
    job = json.loads(sys.stdin.read())
    lock = os.open(str(LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    free = not has_begun(folder) and locked(lock)
    if has_begun(folder):  # perhaps meanwhile: the connection broke, and who asked first is still at it
        send("started", again=True)
        return
    if not free:
        run, since = held_by(lock)
        send("busy", run=run, since=since)
        return
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{HERE.name} {time.strftime('%H:%M:%S')}".encode(), 0)
    new = folder.with_suffix(".new_case")
    for old in (new, folder):
        shutil.rmtree(str(old), ignore_errors=True)
    new.mkdir(parents=True)
    write(new / "job.json", json.dumps(job))
    write(new / "supervisor", json.dumps([os.getpid(), start_ticks(os.getpid())]))  # until there is one
    new.rename(folder)
    with (folder / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", str(HERE / "agent.py"), "--sysroot", sysroot, "supervise", name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=str(folder),
            start_new_session=True,  # the end of the connection is not its end
            pass_fds=(lock,),
        )
    write(folder / "supervisor", json.dumps([process.pid, start_ticks(process.pid)]))
    send("started", again=False)


def holder():
    """Who measures on this machine: the run whose process holds the lock, and since when; `run` is None if nobody."""
    run, since = None, None
    if LOCK.exists():
        lock = os.open(str(LOCK), os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who ask at once do not hold it against each other
        except BlockingIOError:
            run, since = held_by(lock)
        finally:
            os.close(lock)
    send("holder", run=run, since=since)


def held_by(lock):
    """The run that is written into the lock, and since when it is there."""
    run, _, since = os.pread(lock, 1000, 0).decode("utf-8", "replace").partition(" ")
    return run, since


def locked(lock):
    """Whether nobody else measures. A case that has just ended may hold it for a moment yet."""
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def write(file, text):
    """All of it or nothing, and on the disk."""
    new = file.with_suffix(".new")
    with new.open("w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def read_job(folder):
    return json.loads((folder / "job.json").read_text())


def supervise(name, sysroot):
    """Run a case to its end, whatever that is, and report how it ended."""
    folder = case_folder(name)
    job = read_job(folder)
    events = os.open(str(folder / "events"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    commands = [[str(HERE / job["script"]), str(folder)]]
    if job["watch"]["paths"]:
        commands.insert(0, [str(HERE / "agent.py"), "--sysroot", sysroot, "watch", name])
    env = dict(os.environ, CO3D_BENCH_SYSROOT=sysroot)
    env.update(job["environment"])
    end_state = {"timed_out": False, "stopped": False, "why": None}
    running = []

    def stopped(number, frame):
        end_state["stopped"] = True
        for process in running:
            process.kill()

    adopt_orphans()
    signal.signal(signal.SIGTERM, stopped)
    kills = oom_kills()
    with (folder / "stderr").open("wb") as errors:
        running.extend(
            subprocess.Popen(
                [sys.executable, "-u", *command],
                stdin=subprocess.DEVNULL,
                stdout=events,
                stderr=errors,
                cwd=str(folder),
                env=env,
            )
            for command in commands
        )
    if end_state["stopped"]:  # it came while they were started
        stopped(signal.SIGTERM, None)
    case = running[-1]
    end_state["timed_out"], end_state["why"] = wait_for_end(case, folder, job["timeout_s"])
    case.kill()
    case.wait()
    for process in running[:-1]:
        process.terminate()
        process.wait()
    end_descendants()  # TensorRT's tool, and whatever else it started
    line = {"event": "ended", "returncode": case.returncode, "oom_kills": oom_kills() - kills}
    line.update(end_state, stderr=tail(folder / "stderr")[-STDERR_CHARACTERS:])
    # A line that the case could not end must not swallow this one.
    os.write(events, ("\n" + json.dumps(line) + "\n").encode())
    os.fsync(events)


def wait_for_end(case, folder, timeout_s):
    """Wait until a case ends or must be ended: (whether its time was over, why else)."""
    begin = time.monotonic()
    while True:
        left_s = begin + timeout_s - time.monotonic()
        try:
            case.wait(max(0.0, min(left_s, CHECK_EVERY_S)))
            return False, None
        except subprocess.TimeoutExpired:
            pass
        if left_s <= CHECK_EVERY_S:
            return True, None
        written = sum(file.stat().st_size for file in map(folder.joinpath, OUTPUTS) if file.exists())
        if written > OUTPUT_BYTES:
            return False, f"it wrote more than {OUTPUT_BYTES >> 20} MiB"
        if time.monotonic() - max(begin, last_followed(folder)) > UNFOLLOWED_S:
            return False, UNFOLLOWED


def last_followed(folder):
    """When somebody followed a case, by the clock of this machine since it started."""
    try:
        return float(read_text(folder / "followed")[0] or 0)
    except ValueError:  # it is being written
        return time.monotonic()


def last_line(folder):
    """The last line that a case has written: how it ended, if it did."""
    return tail(folder / "events").rpartition("\n")[2]


def tail(file):
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - TAIL_BYTES))
            return opened.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def oom_kills():
    """Processes that the kernel has killed for memory so far."""
    text = read_text("/proc/vmstat")[0] or ""
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))


def follow(name, offset):
    """The lines of a case, from a byte on; the last line is always `ended`."""
    folder = case_folder(name)
    file = folder / "events"
    offset, parent, wait_s, sent, noted = int(offset), os.getppid(), 0.1, False, None
    send("from", offset=offset)  # what comes before it is of the shell there
    while os.getppid() == parent:  # else the connection is gone
        if folder.is_dir() and (noted is None or time.monotonic() - noted > UNFOLLOWED_S / 30):
            noted = time.monotonic()
            (folder / "followed").write_text(repr(noted))
        living = alive(folder)  # before reading: what is written after it is read in the next round
        data = read_from(file, offset)
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            offset, wait_s, sent = offset + len(data), 0.1, True
        elif living:
            time.sleep(wait_s)
            wait_s = min(1.0, wait_s * 1.5)
        else:
            last = last_line(folder)
            if not last.startswith(ENDED):
                send("ended", returncode=None, lost=True, stderr=tail(folder / "stderr")[-STDERR_CHARACTERS:])
            elif not sent:  # whoever asks had it, and did not know that it was the last
                sys.stdout.write(last + "\n")
            return


def read_from(file, offset):
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(READ_BYTES)
    except FileNotFoundError:
        return b""


def remove_cases():
    for folder in CASES.glob("*"):
        known = supervisor(folder)
        if known is not None and alive(folder):
            end(known[0], folder)
    shutil.rmtree(str(CASES), ignore_errors=True)
    send("removed")


def end(pid, folder):
    """Ask the process that supervises a case to end it; kill it where it does not."""
    deadline = time.monotonic() + STOP_PATIENCE_S
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while alive(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        if alive(folder):
            os.kill(pid, signal.SIGKILL)  # the case dies with it


def clean():
    """Remove our folder, if it is where the host puts it."""
    if HERE.parts[-4:-1] != (".cache", "co3d-bench", "agent"):
        raise ValueError(f"{HERE} is not a folder of co3d-bench's agent; nothing is removed")
    remove_cases()
    shutil.rmtree(str(HERE))
    send("cleaned")


# --- beside a case


def watch(name, sysroot):
    """Read the sensors' files every now and then, until we are ended."""
    die_with_parent()
    watched = read_job(case_folder(name))["watch"]

    def put(**fields):
        os.write(1, (json.dumps(fields) + "\n").encode())  # one write, appended: it cannot tear another's line

    def done(number, frame):
        used = resource.getrusage(resource.RUSAGE_SELF)
        put(event="watched", cpu_s=used.ru_utime + used.ru_stime, wall_s=time.monotonic() - begin)
        os._exit(0)

    begin = time.monotonic()
    signal.signal(signal.SIGTERM, done)
    while True:
        read = {path: read_text(below(sysroot, path)) for path in watched["paths"]}
        put(
            event="watch",
            t=time.monotonic(),
            files={path: text for path, (text, _) in read.items() if text is not None},
            unread={path: reason for path, (_, reason) in read.items() if reason is not None},
        )
        time.sleep(watched["period_s"])


def main():
    parser = argparse.ArgumentParser(description="The part of co3d-bench that runs on a board; its host calls it.")
    parser.add_argument("--sysroot", default=os.environ.get("CO3D_BENCH_SYSROOT", "/"))
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    verb = VERBS[options.verb]
    words = [*options.words, *([options.sysroot] if verb in BELOW_SYSROOT else [])]
    try:
        verb(*words)
    except BrokenPipeError:  # the connection is gone; what runs goes on
        os._exit(0)
    except (OSError, TypeError, ValueError) as error:
        send("error", message=f"{options.verb}: {error}")


BELOW_SYSROOT = (hello, start, supervise, watch)
VERBS = {verb.__name__: verb for verb in (*BELOW_SYSROOT, holder, finish_upload, follow, remove_cases, clean)}

if __name__ == "__main__":
    main()
