"""A shelf of simulated boards behind one real sshd on loopback, each with a home and a port of its own.

Real: sshd, ssh and scp, and on every board the agent with all that is copied to it (`there/torch` says what is called
there). Stands in: the files of the system, which are those of a TX2 or a Xavier without sensors; and torch, which
sleeps. All boards run on this machine's cores.

Each board is reached through a port of its own, whose connections can be cut and refused for a while.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from ...devices import boards as invented
from ...sshd import SFTP_SERVER, Sshd

THERE = Path(__file__).with_name("there")
RECORDED = Path(__file__).with_name("durations.json")
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
KINDS = ("xavier", "tx2")
# Files of an invented board that say what it is, and none of a sensor.
FACTS = ("/proc/", "/etc/nv_tegra_release", "/sys/devices/system/cpu/online", "/sys/devices/system/cpu/present")
# A shelf has as many servers as boards; here one answers for all.
SERVER = "MaxStartups 1000\nMaxSessions 1000\n"
SESSION = """\
#!/bin/sh
HOME="{folder}/homes/$BOARD"; export HOME
cd "$HOME" || exit 1
. "{folder}/environment.$BOARD"
case "$SSH_ORIGINAL_COMMAND" in
  internal-sftp*|*sftp-server*) exec {sftp} ;;
esac
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


class Shelf(Sshd):
    """The boards `kind-01`, `kind-02`, ...: half of them each kind, with cases of recorded durations times `scale`."""

    def __init__(self, folder: Path, count: int, scale: float) -> None:
        self.boards = tuple(f"{KINDS[index % 2]}-{index // 2 + 1:02}" for index in range(count))
        seconds = [round(scale * value, 2) for value in json.loads(RECORDED.read_text())["seconds"]]
        self.mean_s = sum(seconds) / len(seconds)
        for kind in KINDS:
            found = {name: text for name, text in invented.files(kind)[0].items() if name.startswith(FACTS)}
            invented.write(folder / "system" / kind, found)
        super().__init__(folder, {board: self._environment(folder, board) for board in self.boards})
        (folder / "seconds").write_text(json.dumps(seconds))
        with (folder / "sshd_config").open("a") as config:
            config.write(SERVER)
        (folder / "session").write_text(SESSION.format(folder=folder, sftp=SFTP_SERVER))
        for board in self.boards:
            (folder / "homes" / board).mkdir(parents=True)
            with (folder / f"environment.{board}").open("a") as file:
                file.write(f'SHELF_SECONDS="$(cat "{folder}/seconds")"; export SHELF_SECONDS\n')
        self.links = Links(self.boards, self.port)

    @staticmethod
    def _environment(folder: Path, board: str) -> dict[str, str]:
        system = folder / "system" / kind_of(board)
        return {"PATH": f"{PYTHON.parent}:$PATH", "PYTHONPATH": str(THERE), "CO3D_BENCH_SYSROOT": str(system)}

    def start(self) -> None:
        """Listen on the port of every board."""
        super().start()
        self.links.start()
        text = (self.folder / "ssh_config").read_text()
        for board, port in self.links.ports.items():
            head, name, rest = text.partition(f"Host {board}\n")
            text = head + name + rest.replace(f"Port {self.port}\n", f"Port {port}\n  HostKeyAlias shelf\n", 1)
        (self.folder / "ssh_config").write_text(text)

    def stop(self) -> None:
        self.links.stop()
        super().stop()

    def log(self, board: str) -> list[dict]:
        """What the board itself noted of processes that measure."""
        file = self.folder / "homes" / board / "log"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def begun_count(self) -> int:
        """How many cases the boards have begun, so far and all together."""
        return sum(line["event"] == "begin" for board in self.boards for line in self.log(board))

    def left(self, board: str) -> list[str]:
        """What a run has left in the folder of its agents there."""
        return sorted(path.name for path in (self.folder / "homes" / board / ".cache/co3d-bench/agent").glob("*"))

    def cpu_s(self) -> float:
        """CPU seconds of sshd and of all sessions that have ended; what an agent set free is not among them."""
        assert self.process
        return sum(psutil.Process(self.process.pid).cpu_times()[:4])

    def processes(self) -> list[psutil.Process]:
        """What the agents run on the boards, connected or not; and the clients that are connected."""
        return [process for process in psutil.process_iter(["cmdline"]) if self._ours(process.info["cmdline"] or [])]

    def _ours(self, words: list[str]) -> bool:
        there, client = f"{self.folder}/homes/", f"{self.folder}/ssh_config"
        return any(word.startswith(there) or word == client for word in words)


def kind_of(board: str) -> str:
    return board.rpartition("-")[0]


class Links(threading.Thread):
    """A port for each board, whose connections go to sshd until they are cut."""

    def __init__(self, boards: Sequence[str], port: int) -> None:
        super().__init__(daemon=True)
        self.ports: dict[str, int] = {}
        self._boards, self._port = boards, port
        self._open: dict[str, set[asyncio.WriteTransport]] = {board: set() for board in boards}
        self._away: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()

    def start(self) -> None:
        super().start()
        self._ready.wait()

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        for board in self._boards:

            async def serve(reader, writer, board=board):
                await self._carry(board, reader, writer)

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            self.ports[board] = server.sockets[0].getsockname()[1]

    async def _carry(self, board: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if board in self._away:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        ends: set[asyncio.WriteTransport] = {writer.transport, back.transport}
        self._open[board] |= ends
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._open[board] -= ends
            for end in ends:
                end.abort()

    def used(self) -> list[str]:
        """Boards with a connection."""
        return [board for board in self._boards if self._open[board]]

    def cut(self, board: str, away_s: float) -> bool:
        """Break every connection of a board and refuse new ones for so long; whether there was one."""
        return asyncio.run_coroutine_threadsafe(self._cut(board, away_s), self._loop).result()

    async def _cut(self, board: str, away_s: float) -> bool:
        self._away.add(board)
        self._loop.call_later(away_s, self._away.discard, board)
        ends = list(self._open[board])
        for end in ends:
            end.abort()
        return bool(ends)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, to its end."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:  # cut
        writer.transport.abort()
