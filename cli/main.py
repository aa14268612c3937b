"""The entry of `co3d-bench`: every error becomes one message and an exit code, never a traceback."""

import gc
import os
import sys

from ..devices.own_path import leave_current_folder

# Set to 1, an internal error shows where it happened.
TRACEBACK = "CO3D_BENCH_TRACEBACK"


def main() -> None:
    """Run the command line and exit with its code."""
    leave_current_folder()  # so it comes before all imports but those above, which Python has loaded anyway
    import traceback
    import warnings

    from ..bench.errors import ENVIRONMENT, INTERNAL, INTERRUPTED, UserError
    from .streams import discard_output, guard, open_missing

    warnings.formatwarning = _one_line
    open_missing()
    guard()
    try:
        from .verbs import call  # imported here, so that a failing import gets our exit code too

        sys.exit(call(sys.argv[1:] or ["--help"]))
    except UserError as error:
        _end(error.message, error.exit_code)
    except KeyboardInterrupt:
        _end("stopped", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output closed it early
        discard_output()
        sys.exit(ENVIRONMENT)
    except UnicodeEncodeError as error:  # a file that an ASCII locale has no name for
        _end(
            f"{error.object!a}: cannot be written in {error.encoding}, the encoding here; set LC_ALL=C.UTF-8",
            ENVIRONMENT,
        )
    except OSError as error:  # of standard output: errors of other files are handled where they are opened
        discard_output()
        _end(f"{error.filename or 'the output'}: {error.strerror or error}", ENVIRONMENT)
    except Exception as error:  # noqa: BLE001 - Python's exit code would be 1, which means a failed case or a regression
        if os.environ.get(TRACEBACK) == "1":
            traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _end(f"internal error: {text} ({TRACEBACK}=1 shows where)", INTERNAL)
    finally:
        if "torch" in sys.modules:
            gc.freeze()  # else Python collects cycles in all of torch before it ends


def _end(message: str, exit_code: int) -> None:
    sys.stderr.write(f"co3d-bench: {message}\n")
    sys.exit(exit_code)


def _one_line(message: object, *_: object, **__: object) -> str:
    return f"co3d-bench: warning: {message}\n"
