"""Applies the fixes of findings and undoes them: at the end, on request, or after a crash.

What was before is on the disk before anything is changed, so that nothing can be lost by a kill. The file is one for
the whole machine, since the settings are (`kept.py`); what it says is done as root, so only what we could have written
there is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..nvpmodel import Run, read_mode
from ..root import Contents, Reason, Writable
from . import Command, Finding, Write
from .kept import Change, Changes, FixError, Kept, is_alive, start_of

STATE = Path("var/lib/co3d-bench/doctor.json")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_STORE = "{store}"
# All that is ever done or undone: files with what may stand in them, commands word by word.
_WRITES = ((r"/sys/devices/system/cpu/cpu\d{1,5}/cpufreq/scaling_governor", r"[a-z_]{1,32}"),)
_COMMANDS = (
    ("nvpmodel", "-m", r"\d{1,3}"),
    ("jetson_clocks",),
    ("jetson_clocks", "--store", re.escape(_STORE)),
    ("jetson_clocks", "--restore", re.escape(_STORE)),
)


class Fixer:
    """Changes settings through a root and by the board's tools. `run` is None where no tools can be used."""

    def __init__(self, root: Writable, state: Path, run: Run | None) -> None:
        self._root = root
        self._kept = Kept(state, len(STATE.parts) - 1)
        self._run = run

    def leftover(self) -> Changes | None:
        """What was changed and not taken back. Raises FixError where the file cannot be read."""
        return self._kept.read()

    def left_by_killed_process(self) -> Changes | None:
        """The same, of a doctor that was killed. Settings of a plain --fix are held for nobody, and stay."""
        left = self.leftover()
        return left if left and left.pid and not self._alive(left) else None

    def apply(self, findings: Iterable[Finding], stop: Callable[[], bool] = lambda: False) -> list[str]:
        """Do all that can be done; what was and was not, a line each. No further change is begun once `stop` says so.

        Raises FixError before anything is changed.
        """
        before = self.leftover()
        if before and before.boot_id != self._boot_id() and not any(change.over_reboot for change in before.done):
            before = self._kept.forget()  # the reboot has taken it all back
        if before and before.pid != os.getpid() and self._alive(before):
            raise FixError(f"another doctor has changed settings (process {before.pid}); end it first")
        if before:
            raise FixError(
                f"settings of an earlier --fix are still active ({self._kept.file}); first: doctor --restore"
            )
        wanted = [finding for finding in findings if finding.can_be_fixed]
        if not wanted:
            return []
        changes = Changes(boot_id=self._boot_id(), pid=os.getpid(), started=start_of(os.getpid()))
        self._kept.begin(changes)  # that it can be written is known before anything is changed
        lines: list[str] = []
        for finding in wanted:
            found = [self._write(changes, write) for write in finding.writes if not stop()]
            found += [self._command(changes, command) for command in finding.commands if not stop()]
            lines += [f"{finding.check}: {line}" for line in dict.fromkeys(found)]
        if not changes.done:
            self._kept.forget()
        return lines

    def hold(self, pid: int) -> None:
        """Write down who the settings are held for; 0 for nobody, until they are restored."""
        changes = self.leftover()
        if changes:
            changes.pid, changes.started = pid, start_of(pid)
            self._kept.write(changes)

    def restore(self) -> list[str]:
        """Undo everything, newest first; a line each. What somebody else changed since is left as it is.

        Raises FixError, with nothing done, where the file asks for something that no doctor does.
        """
        changes = self.leftover()
        if changes is None:
            return []
        same_boot = changes.boot_id == self._boot_id()
        for change in changes.done:
            if (same_boot or change.over_reboot) and not _is_ours(change):
                raise FixError(f"{self._kept.file}: {change.text!r} is nothing that doctor does, so nothing was done")
        lines, failed = [], []
        for change in reversed(changes.done):
            line, ok = self._undo(change, same_boot)
            lines.append(line)
            if not ok:
                failed.insert(0, change)
        if failed:  # kept, so that it can be tried again
            changes.done = failed
            self._kept.write(changes)
        else:
            self._kept.forget()
        return list(dict.fromkeys(lines))

    def restore_own(self) -> list[str]:
        """The same for what this process changed; nothing where the settings are another's."""
        changes = self.leftover()
        return self.restore() if changes and changes.pid == os.getpid() else []

    def _write(self, changes: Changes, write: Write) -> str:
        contents = self._root.contents(write.path)
        if contents.text is None:
            return f"{write.path}: {_why(contents)}"
        change = Change(path=write.path, before=contents.text, value=write.value)
        if not _is_ours(change):
            return f"{write.path}: not changed: {contents.text!r} could not be restored"
        changes.done.append(change)
        self._kept.write(changes)
        reason = self._root.write(write.path, write.value)
        if reason is None:
            return f"{contents.text} -> {write.value}"
        if self._root.contents(write.path).text == contents.text:
            self._drop(changes)
        return f"{write.path}: {reason.value}"

    def _command(self, changes: Changes, command: Command) -> str:
        shown = " ".join(command.words)
        if self._run is None:
            return f"{shown}: not run, since this is not the machine itself"
        change = Change(words=command.words, undo=command.undo, over_reboot=command.over_reboot)
        if not (_is_ours(change) and all(map(_is_command, command.before))):
            return f"{shown}: not run: it is none of the commands that doctor knows"
        for first in command.before:
            code, text = self._run(self._filled(first))
            if code:
                return f"{' '.join(self._filled(first))}: exit code {code}: {_last(text)}; so nothing was changed"
        changes.done.append(change)
        self._kept.write(changes)
        code, text = self._run(self._filled(command.words))
        if code:
            return f"{shown}: exit code {code}: {_last(text)}{self._after_failure(changes, command)}"
        if command.words[0] == "nvpmodel":
            # It can say that all is well and wait for a reboot.
            mode = read_mode(self._root, self._run)
            if mode is None or str(mode.id) != command.words[-1]:
                still = mode.name if mode else "unknown"
                return f"{shown}: still {still}; it may need a reboot, which you must do"
        return f"{shown}: done"

    def _after_failure(self, changes: Changes, command: Command) -> str:
        """A command that failed may have changed something: its undo is kept, unless it is known that it did not."""
        mode = read_mode(self._root, self._run) if command.words[0] == "nvpmodel" else None
        if mode is None or str(mode.id) != command.undo[-1]:
            return "; what it may have changed is undone with the others"
        self._drop(changes)
        return ""

    def _drop(self, changes: Changes) -> None:
        changes.done.pop()
        self._kept.write(changes)

    def _undo(self, change: Change, same_boot: bool) -> tuple[str, bool]:
        """What became of one change, and whether nothing is left to do."""
        if not same_boot and not change.over_reboot:
            return f"{change.text}: the machine was restarted since, so nothing to restore", True
        if change.path is not None:
            now = self._root.contents(change.path).text
            if now != change.value:
                return f"{change.path}: left at {now}, which another program or person set", True
            reason = self._root.write(change.path, change.before or "")
            if reason is None:
                return f"{change.path}: {change.value} -> {change.before}", True
            return f"{change.path}: {reason.value}", reason is Reason.MISSING
        shown = " ".join(self._filled(change.undo))
        if self._run is None:
            return f"{shown}: not run, since this is not the machine itself", False
        if _STORE in change.undo:
            self._kept.check(self._kept.store)  # the tool writes as root what that file says
        code, text = self._run(self._filled(change.undo))
        return (f"{shown}: exit code {code}: {_last(text)}", False) if code else (f"{shown}: done", True)

    def _filled(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(self._kept.store) if word == _STORE else word for word in words)

    def _alive(self, changes: Changes) -> bool:
        return changes.boot_id == self._boot_id() and is_alive(changes)

    def _boot_id(self) -> str:
        return self._root.read(_BOOT_ID) or "unknown"


def _is_ours(change: Change) -> bool:
    """Whether a change and its undo are of the known ones."""
    if change.path is None:
        return _is_command(change.words) and _is_command(change.undo) and change.words[0] == change.undo[0]
    texts = (change.before, change.value)
    return any(
        re.fullmatch(path, change.path) and all(re.fullmatch(value, text or "") for text in texts)
        for path, value in _WRITES
    )


def _is_command(words: tuple[str, ...]) -> bool:
    return any(len(words) == len(known) and all(map(re.fullmatch, known, words)) for known in _COMMANDS)


def _why(contents: Contents) -> str:
    return contents.reason.value if contents.reason else "empty"


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
