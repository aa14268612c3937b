"""A process of a case, of a server that has loaded torch already: `python -I -S join.py SOCKET COMMAND ...`.

It hands its standard streams and environment to the server (`warm.py`), which forks a process for them, and ends as
that one ends. Where no server answers it becomes COMMAND. Should this process be killed, the server's is.
"""

import json
import os
import signal
import socket
import sys


def main(path: str, command: list) -> None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        socket.send_fds(connection, [b"j"], [0, 1, 2])
        asked = json.dumps([dict(os.environ), os.getcwd()]).encode()  # noqa: PTH109 - pathlib takes long to load
        connection.sendall(len(asked).to_bytes(4, "big") + asked)
    except OSError:
        os.execv(command[0], command)  # noqa: S606 - no shell
    answer = connection.recv(2)
    code = int.from_bytes(answer, "big", signed=True) if len(answer) == 2 else -signal.SIGKILL
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
