"""The boards of a run, for the parent: checked before the plan is made, opened, and left as they were."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ....devices.detect import Hardware, describe, match
from ....devices.profile import DeviceProfile
from ....devices.remote.board import AgentError, Board
from ....devices.remote.files import HOST
from ....devices.remote.link import Link, linked
from ....devices.remote.ssh import Unreachable
from ...backends.trtexec import FOLDER
from ...backends.trtexec_output import parse_version
from ...errors import NOT_HERE, UserError
from ...measure.job import BoardHost
from ...plan.locate import recognition_text
from ...plan.plan import BoardFacts
from .facts import hardware_of

# What lies beside the agent on a board, all in one folder: files of ours that are written for Python 3.6.
SCRIPTS = tuple(
    Path(__file__).parents[2] / file
    for file in (
        "run/boards/onboard.py",
        "measure/loop.py",
        "measure/probe.py",
        "measure/gpu.py",
        "measure/allocator.py",
        "record/garbage.py",
        "record/openmp.py",
        "export/aten/runner.py",
        "backends/native/c_project/c_program.py",
        "backends/trtexec_tool.py",
    )
)


# What is raised where a board sends something else than it should.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class BoardUnavailable(Exception):
    """A board is not reached, or is another one; the message is for people."""


def reach_boards(
    devices: Iterable[str], profiles: Mapping[str, DeviceProfile], run_id: str | None
) -> tuple[dict[str, BoardFacts], dict[str, str]]:
    """Of the devices at a host: what a plan must know of each, or why it is not reached. A board on which another run
    than `run_id` measures counts as not reached: importing torch to look at it would be in those samples."""
    boards, unavailable = {}, {}
    for name in devices:
        if profiles[name].host is None:
            continue
        try:
            boards[name] = _reach_board(profiles[name], run_id)
        except BoardUnavailable as error:
            unavailable[name] = str(error)
    return boards, unavailable


def check_some_left(devices: Iterable[str], unavailable: Mapping[str, str]) -> None:
    """Raises UserError where no device of a plan is left."""
    if unavailable and set(devices) <= unavailable.keys():
        raise UserError("\n".join(unavailable.values()), NOT_HERE)


def _reach_board(profile: DeviceProfile, run_id: str | None) -> BoardFacts:
    try:
        with linked(profile.host or "") as ssh:
            board = Board(ssh, f"probe-{secrets.token_hex(4)}", profile.python)
            board.open()
            try:
                if (holder := board.holder()) and holder[0] != run_id:
                    raise BoardUnavailable(_busy(profile, board.busy_text(*holder)))
                hello = board.hello(HOST, torch=True, trtexec=True)
            finally:
                board.clean()
    except (Unreachable, AgentError) as error:
        raise BoardUnavailable(_not_reached(profile, str(error))) from error
    try:
        hardware = hardware_of(hello)
        known = match(profile, hardware)
    except UNREADABLE as error:
        raise BoardUnavailable(_not_reached(profile, f"its files cannot be read: {error}")) from error
    if known is None:
        raise BoardUnavailable(_other_machine(profile, hardware))
    lacks = {"trtexec": why} if (why := _no_trtexec(hello.trtexec)) else {}
    if hello.torch_missing:
        why = f"{profile.python} at {profile.host} has no torch: {hello.torch_missing}"
        lacks |= {"aten-json": why, "native": why}
    elif profile.torch_device == "cuda" and not hello.torch["gpus"]:
        lacks["aten-json"] = f"torch {hello.torch['version']} at {profile.host} sees no GPU"
    return BoardFacts(hardware.host.usable_cores, lacks)


def _no_trtexec(help_text: str | None) -> str | None:
    """Why TensorRT's tool cannot be used on a board, by what it prints for --help; None if it can."""
    if help_text is None:
        return f"there is no TensorRT (trtexec is neither in PATH nor in {FOLDER})"
    try:
        parse_version(help_text)
    except UserError as error:
        return error.message
    return None


def _busy(profile: DeviceProfile, why: str) -> str:
    return f"device {profile.name} ({profile.title}): {profile.host} is busy: {why}"


def _not_reached(profile: DeviceProfile, why: str) -> str:
    return (
        f"device {profile.name} ({profile.title}): {profile.host} is not reached: {why}\n"
        f"  `ssh {profile.host} {profile.python} --version` must work without a question; then try again"
    )


def _other_machine(profile: DeviceProfile, hardware: Hardware) -> str:
    return (
        f"device {profile.name} ({profile.title}): {profile.host} is another machine, and nothing was run there\n"
        f"  it is:       {describe(hardware)}\n"
        f"  looked for:  {recognition_text(profile)}"
    )


class Boards:
    """The boards that a run uses. Leaving the context ends what runs there and removes all that was copied.

    `report` gets a line for every board that is lost, or cannot be left clean.
    """

    def __init__(self, profiles: Mapping[str, DeviceProfile], run_id: str, report: Callable[[str], None]) -> None:
        self._profiles = profiles
        self._run_id = run_id
        self._report = report
        self._open: dict[str, Board] = {}
        self._hosts: dict[str, BoardHost] = {}
        self._links: dict[str, Link] = {}
        self._work: tempfile.TemporaryDirectory[str] | None = None
        self.lost: dict[str, str] = {}  # devices, and why

    def host(self, device: str) -> BoardHost | None:
        """The board of a device, opened at the first call, its connection at any where it broke; None for this machine.
        Raises BoardUnavailable where it cannot be opened."""
        profile = self._profiles.get(device)
        if profile is None or profile.host is None:
            return None
        self._work = self._work or tempfile.TemporaryDirectory(prefix="co3d-bench-")
        if device in self._hosts:
            with suppress(Unreachable):  # who needs the board tries for longer
                self._links[device].open()
        else:
            folder = Path(tempfile.mkdtemp(prefix="link-", dir=self._work.name))
            link = self._links[device] = Link(profile.host, folder)
            board = Board(link.ssh(), self._run_id, profile.python)
            try:
                link.open()
                board.open(SCRIPTS)
                self._open[device] = board
                help_text = board.hello(trtexec=True).trtexec
            except (Unreachable, AgentError) as error:
                link.close()
                raise BoardUnavailable(_not_reached(profile, str(error))) from error
            self._hosts[device] = BoardHost(
                host=profile.host,
                python=profile.python,
                torch_device=profile.torch_device,
                work=self._work.name,
                socket=str(link.socket),
                trtexec=help_text,
            )
        return self._hosts[device]

    def lose(self, device: str, why: str) -> None:
        """Run nothing more there."""
        self.lost[device] = why
        self._report(why)

    def remove_cases(self, device: str) -> None:
        """Remove what a finished case left there. Errors are ignored: the next case would report them."""
        if device in self._open and device not in self.lost:
            with suppress(Unreachable, AgentError):
                self._open[device].remove_cases()

    def forget(self) -> None:
        """Leave the boards, and remove what was kept here for them, but nothing there."""
        for link in self._links.values():
            link.close()
        if self._work:
            self._work.cleanup()

    def __enter__(self) -> Boards:
        return self

    def __exit__(self, *_: object) -> None:
        for device, board in self._open.items():
            try:
                board.clean()
            except (Unreachable, AgentError) as error:  # noqa: PERF203 - each is left as well as can be
                self._report(
                    f"{device}: {board.folder} at {board.transport.host} is left; a later run removes it: {error}"
                )
        self.forget()
