"""Nothing of the current folder runs by accident: no module, library or program, in our processes or their children.

The folder may be anybody's: a download, a repository, /tmp. Python 3.10 knows no safe path (`-P`), so none is relied
on. This file is imported before anything else is found on Python's path, so it imports only what Python has loaded.
"""

import os
import sys

# A file of the current folder that has a library's name must not be imported instead of it. Without `-P`, Python puts
# the folder first for `-m`, and imports from it before it runs a line; for `-c` it puts '' there, and imports nothing.
_FORGET = "import sys; sys.path[:] = [each for each in sys.path if each not in ('', '.')]; "
_RUN = "import runpy; runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
# Where a distribution and NVIDIA put the tools of a system; whoever is root runs those of no other folder.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def python_command(*words: str, python: str | None = None) -> list[str]:
    """The command of a Python process (ours, or `python`) that is started with `-m MODULE ...` or `-c CODE ...`.

    It imports nothing from the current folder, unless its code puts that on its path.
    """
    option, what, *arguments = words
    code = _RUN.format(what) if option == "-m" else what
    return [python or sys.executable, "-c", _FORGET + code, *arguments]


def system_path() -> str:
    """The folders in which the tools of the machine are looked for: as root those of the system alone."""
    return SYSTEM_PATH if os.geteuid() == 0 else os.environ.get("PATH", os.defpath)


def leave_current_folder() -> None:
    """Take the current folder off the paths of this process and of all that it starts.

    An empty entry of PATH, PYTHONPATH or LD_LIBRARY_PATH stands for it (`export PATH=$UNSET:$PATH`). Of PATH only
    absolute folders stay.
    """
    named = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(each)]  # noqa: PTH117
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not loaded yet
    except OSError:  # it was removed, so nothing is in it
        here = ""
    stdlib = os.path.dirname(os.__file__)  # noqa: PTH120
    # What stands after Python's own modules shadows none of them: packages are installed from here (`pip install -e`).
    library = sys.path.index(stdlib) if stdlib in sys.path else 0
    sys.path[:library] = [each for each in sys.path[:library] if each in named or each not in ("", here)]
    _keep("PATH", os.path.isabs)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        _keep(name, lambda entry: os.path.normpath(entry) != os.curdir)
    os.environ.setdefault("PATH", os.defpath)


def _keep(name, wanted) -> None:
    """Keep the wanted entries of a path in the environment; without any, the path is not set."""
    entries = [entry for entry in os.environ.pop(name, "").split(os.pathsep) if entry and wanted(entry)]
    if entries:
        os.environ[name] = os.pathsep.join(entries)
