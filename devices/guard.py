"""Runs one command and ends everything it started: `python3 guard.py STATUS PARENT WORD ...`. Python 3.6, one file.

Whatever the command starts becomes a child of the guard once its own parent has ended (a child subreaper), also with a
session of its own. All of it is killed when the command ends, when the guard gets SIGTERM, and when the process PARENT
ends, however that happens. The descriptor STATUS gets a line, `error ERRNO` (the command could not be started) or
`ended EXIT_CODE SECONDS` (minus the signal, as subprocess has it), once nothing is left.

`devices/processes.py` starts it on this machine; on a board `agent.py` uses its functions.
"""

# ruff: noqa: PTH123, PTH208 - importing pathlib would be half of the time that it takes to start

import contextlib
import ctypes
import os
import signal
import sys
import time

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What is left may end by itself for so long: Python's resource tracker removes shared memory after its process.
LEFT_OVER_S = 0.2
# Longer than the kernel needs to end anything that it can end.
KILL_S = 5.0


def adopt_orphans():
    """Become the parent of all descendants whose own parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent=None, number=signal.SIGKILL):
    """Get that signal when the parent ends, however that happens; at once where it is not `parent` any more."""
    parent = os.getppid() if parent is None else parent
    ctypes.CDLL(None, use_errno=True).prctl(_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def descendants(pid):
    """The processes below one, from /proc."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/" + name + "/stat", "rb") as stat:
                children.setdefault(int(stat.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    found = [pid]
    for each in found:  # grows as it goes
        found += children.pop(each, [])
    return found[1:]


def reap():
    """Collect the children that have ended; False where there are none at all any more."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def end_descendants(left_over_s=0.0):
    """Kill all that descends from this process, which has adopted its orphans; False where the kernel does not let us.
    Without descendants it returns at once; what is there may end by itself for `left_over_s`."""
    begin = time.monotonic()
    while reap():
        passed_s = time.monotonic() - begin
        if passed_s > left_over_s + KILL_S:
            return False
        if passed_s >= left_over_s:
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    return True


def main(status, parent, words):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Blocked and waited for, so that none comes at the wrong moment.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDING, signal.SIGCHLD))
    die_with_parent(parent, signal.SIGTERM)
    adopt_orphans()
    os.set_inheritable(status, False)
    begin, guard = time.monotonic(), os.getpid()
    command = os.fork()
    if not command:
        become(words, status, before, guard)
    keep_only(status)
    code = wait(command)
    seconds = time.monotonic() - begin
    end_descendants(LEFT_OVER_S if code is not None else 0.0)
    os.write(status, f"ended {-signal.SIGKILL if code is None else code} {seconds!r}\n".encode())


def become(words, status, mask, guard):
    """In the new process: be the command."""
    try:
        die_with_parent(guard)  # should that be killed
        os.setsid()  # a signal to its own group is not for the guard
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvp(words[0], words)  # noqa: S606 - no shell
    except OSError as error:
        os.write(status, f"error {error.errno}\n".encode())
    finally:
        os._exit(127)


def keep_only(status):
    """Close what the command was given: who waits for its end must not wait for ours. Standard output and error stay:
    a command that closed its own finds them here."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != status:
            with contextlib.suppress(OSError):
                os.close(int(name))


def wait(command):
    """The exit code of the command; None where we were asked to end it."""
    while signal.sigwait((*_ENDING, signal.SIGCHLD)) == signal.SIGCHLD:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == command:
                    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                if not pid:
                    break
    return None


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
