"""Between the client of a fleet and the tasks on its workers: reports go up, answers and the order to stop come down.

Up it is dask's log of events, which reaches the client at once; down a function that dask runs beside the task. A task
goes on only when the client has answered, so a record is on the disk of the client before its board forgets it.
"""

from __future__ import annotations

import os
import queue
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from ..record.record import Record
from ..run.stop import Stop

# How long a task waits for its client. After that the client is gone, and what was measured stays on the board.
ANSWER_S = 120.0

Message = dict[str, Any]
Kind = Literal["begin", "record", "state"]


def topic(run_id: str) -> str:
    """What the reports of a run are called."""
    return f"co3d-bench-{run_id}"


class Refused(Exception):
    """The client has given the case to another board, or is gone."""


class Post:
    """The side of one execution of a task."""

    def __init__(self, run_id: str, token: str, stop: Stop) -> None:
        self.execution = f"{token}-{os.getpid()}-{secrets.token_hex(4)}"
        self._run_id, self._token, self._stop = run_id, token, stop
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._last_state: Message = {}

    def begin(self) -> list[Record]:
        """The records that the case has. Raises Refused."""
        return [Record.model_validate_json(line) for line in self._ask("begin")]

    def keep(self, record: Record) -> None:
        """Have the client write a record; returns once it has. Raises Refused."""
        self._ask("record", record=record.model_dump_json())

    def state(self, **changes: Any) -> None:
        """What a person sees of the board: stage, heat, time left. Nothing is sent where nothing changed."""
        state = {**self._last_state, **changes}
        if state != self._last_state:
            self._last_state = state
            self._send("state", **state)

    def take(self, answer: Any) -> None:
        """What came down: an answer, or None to stop."""
        if answer is None:
            self._stop.request(signal.SIGTERM)
        else:
            self._answers.put(answer)

    def _ask(self, kind: Kind, **fields: Any) -> Any:
        self._send(kind, **fields)
        try:
            answer = self._answers.get(timeout=ANSWER_S)
        except queue.Empty:
            raise Refused("the client does not answer") from None
        if answer == "refused":
            raise Refused("the case was given to another board")
        return answer

    def _send(self, kind: Kind, **fields: Any) -> None:
        from distributed import get_worker

        worker = get_worker()
        head = {"kind": kind, "token": self._token, "execution": self.execution, "worker": worker.address}
        worker.log_event(topic(self._run_id), {**fields, **head})


# The executions of this process, of all its workers.
_POSTS: dict[str, tuple[str, Post]] = {}
_LOCK = threading.Lock()


@contextmanager
def posting(run_id: str, token: str) -> Iterator[tuple[Post, Stop]]:
    """An execution of a task, and what stops it."""
    with Stop() as stop:
        post = Post(run_id, token, stop)
        with _LOCK:
            _POSTS[post.execution] = run_id, post
        try:
            yield post, stop
        finally:
            with _LOCK:
                del _POSTS[post.execution]


def deliver(execution: str, answer: Any) -> None:
    """Give an execution of this process its answer; one that has ended gets none."""
    with _LOCK:
        if execution in _POSTS:
            _POSTS[execution][1].take(answer)


def stop_all(run_id: str) -> None:
    """Stop all that this process executes of a run."""
    with _LOCK:
        for of_run, post in _POSTS.values():
            if of_run == run_id:
                post.take(None)
