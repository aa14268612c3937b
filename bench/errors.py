"""Errors for people: what happened, where, what to do. And what each exit code means."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
NOTHING = 3
ENVIRONMENT = 4
NO_BASELINE = 5
INCOMPARABLE = 6
NOT_HERE = 7
WRONG_CODE = 8
INTERNAL = 70
INTERRUPTED = 130
TERMINATED = 143

# The one table of exit codes; `co3d-bench --help` and cli/README.md show it.
EXIT_CODES = {
    OK: "success: everything that was asked for is done",
    FAILED: "at least one case failed (the others are kept), `check` found a regression, or `bundle --check` a "
    "difference",
    USAGE: "wrong arguments or a wrong bench.toml; nothing was run",
    NOTHING: "nothing to do: no records to read, no case in the plan, no network that fits (`choose`), or an "
    "engine that is not installed",
    ENVIRONMENT: "a file cannot be read or written, or is too new",
    NO_BASELINE: "`check`: there is no baseline to compare with",
    INCOMPARABLE: "`check`: the baseline comes from another machine or setting, so nothing was judged",
    NOT_HERE: "a device is neither this machine nor at its host, or its connection was lost",
    WRONG_CODE: "`check`: base or head did not load its own code, so nothing was judged",
    INTERNAL: "an internal error, a fault of co3d-bench itself; CO3D_BENCH_TRACEBACK=1 shows where",
    INTERRUPTED: "stopped by Ctrl-C; the same command with `--resume` continues",
    TERMINATED: "stopped by SIGTERM; the same command with `--resume` continues",
}


class UserError(Exception):
    """Something the user can fix. The command line prints the message alone and exits with `exit_code`."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
