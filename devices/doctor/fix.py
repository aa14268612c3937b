"""Applies the fixes of findings and undoes them: at the end, on request, or after a crash.

What was before is on the disk before anything is changed, so that nothing can be lost by a kill. The file is one for
the whole machine, since the settings are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..nvpmodel import Run, read_mode
from ..root import Contents, Reason, Writable
from . import Command, Finding, Write

STATE = Path("var/lib/co3d-bench/doctor.json")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class FixError(Exception):
    """A fix cannot be applied, and nothing was changed; the message is for people."""


@dataclass
class Changes:
    """What was changed, oldest first, in the form of the file."""

    boot_id: str
    pid: int
    done: list[dict[str, Any]] = field(default_factory=list)


class Fixer:
    """Changes settings through a root and by the board's tools. `run` is None where no tools can be used."""

    def __init__(self, root: Writable, state: Path, run: Run | None) -> None:
        self._root = root
        self._state = state
        self._run = run

    def leftover(self) -> Changes | None:
        """What was changed and not taken back. Raises FixError where the file cannot be read."""
        try:
            return Changes(**json.loads(self._state.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise FixError(
                f"{self._state}: cannot be read: {error}; remove it if you restored the settings yourself"
            ) from error

    def apply(self, findings: Iterable[Finding]) -> list[str]:
        """Do all that can be done; what was and was not, a line each. Raises FixError before anything is changed."""
        before = self.leftover()
        if before and before.pid != os.getpid() and alive(before.pid):
            raise FixError(f"another doctor has changed settings (process {before.pid}); end it first")
        if before:
            raise FixError(f"settings of an earlier --fix are still active ({self._state}); first: doctor --restore")
        wanted = [finding for finding in findings if finding.can_be_fixed]
        if not wanted:
            return []
        changes = Changes(self._boot_id(), os.getpid())
        self._keep(changes)  # that it can be written is known before anything is changed
        lines = []
        for finding in wanted:
            found = [self._write(changes, write) for write in finding.writes]
            found += [self._command(changes, command) for command in finding.commands]
            lines += [f"{finding.check}: {line}" for line in dict.fromkeys(found)]
        if not changes.done:
            self._state.unlink(missing_ok=True)
        return lines

    def hold(self, pid: int) -> None:
        """Write down who the settings are held for; 0 for nobody, until they are taken back."""
        changes = self.leftover()
        if changes:
            changes.pid = pid
            self._keep(changes)

    def restore(self) -> list[str]:
        """Take everything back, newest first; a line each. What somebody else changed since is left as it is."""
        changes = self.leftover()
        if changes is None:
            return []
        same_boot = changes.boot_id == self._boot_id()
        lines, failed = [], []
        for change in reversed(changes.done):
            line, ok = self._take_back(change, same_boot)
            lines.append(line)
            if not ok:
                failed.insert(0, change)
        if failed:  # kept, so that it can be tried again
            changes.done = failed
            self._keep(changes)
        else:
            self._state.unlink(missing_ok=True)
            self._store().unlink(missing_ok=True)
        return list(dict.fromkeys(lines))

    def _write(self, changes: Changes, write: Write) -> str:
        contents = self._root.contents(write.path)
        if contents.text is None:
            return f"{write.path}: {_why(contents)}"
        changes.done.append({"path": write.path, "before": contents.text, "value": write.value})
        self._keep(changes)
        reason = self._root.write(write.path, write.value)
        if reason is not None:
            changes.done.pop()
            self._keep(changes)
            return f"{write.path}: {reason.value}"
        return f"{contents.text} -> {write.value}"

    def _command(self, changes: Changes, command: Command) -> str:
        words = self._filled(command.words)
        if self._run is None:
            return f"{' '.join(words)}: not run, since this is not the machine itself"
        for first in command.before:
            code, text = self._run(self._filled(first))
            if code:
                return f"{' '.join(self._filled(first))}: exit code {code}: {_last(text)}; so nothing was changed"
        undo = list(self._filled(command.undo))
        changes.done.append({"words": list(words), "undo": undo, "over_reboot": command.over_reboot})
        self._keep(changes)
        code, text = self._run(words)
        if code:
            changes.done.pop()
            self._keep(changes)
            return f"{' '.join(words)}: exit code {code}: {_last(text)}"
        if words[0] == "nvpmodel":
            # It can say that all is well and wait for a reboot.
            mode = read_mode(self._root, self._run)
            if mode is None or str(mode.id) != words[-1]:
                still = mode.name if mode else "unknown"
                return f"{' '.join(words)}: still {still}; it may need a reboot, which you must do"
        return f"{' '.join(words)}: done"

    def _take_back(self, change: dict[str, Any], same_boot: bool) -> tuple[str, bool]:
        """What became of one change, and whether it is settled."""
        if "path" in change:
            path, before = change["path"], change["before"]
            now = self._root.contents(path).text
            if not same_boot:
                return f"{path}: the machine was restarted since, so nothing to restore", True
            if now != change["value"]:
                return f"{path}: left at {now}, which somebody else set", True
            reason = self._root.write(path, before)
            return (
                (f"{path}: {change['value']} -> {before}", True)
                if reason is None
                else (f"{path}: {reason.value}", reason is Reason.MISSING)
            )
        words = tuple(change["undo"])
        if not same_boot and not change["over_reboot"]:
            return f"{' '.join(words)}: the machine was restarted since, so nothing to restore", True
        if self._run is None:
            return f"{' '.join(words)}: not run, since this is not the machine itself", False
        code, text = self._run(words)
        return (
            (f"{' '.join(words)}: done", True)
            if not code
            else (f"{' '.join(words)}: exit code {code}: {_last(text)}", False)
        )

    def _filled(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(self._store()) if word == "{store}" else word for word in words)

    def _store(self) -> Path:
        return self._state.with_name("jetson_clocks.conf")

    def _boot_id(self) -> str:
        return self._root.read(_BOOT_ID) or "unknown"

    def _keep(self, changes: Changes) -> None:
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._state.with_suffix(".new")
            with temporary.open("w") as file:
                json.dump(vars(changes), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._state)
        except OSError as error:
            raise FixError(
                f"cannot write {self._state}: {error.strerror}; changing settings needs root (sudo)"
            ) from error


def alive(pid: int) -> bool:
    """Whether a process is there. 0 is nobody."""
    return pid > 0 and psutil.pid_exists(pid)


def _why(contents: Contents) -> str:
    return contents.reason.value if contents.reason else "empty"


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
