"""The rooms of the house, held true: who may import whom, and what starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "devices", "models", "reports")

# room -> what it may import of other rooms (a module, or everything below it)
ALLOWED = {
    "devices": (),
    "models": (),
    "bench": ("devices", "models"),
    "reports": (
        "bench.record",
        "bench.sensing",  # parts of the record
        "bench.cuda_facts",
        "bench.case",
        "bench.profile",
        "bench.store",
        "bench.stats",
        "bench.case_result",
        "bench.normalise",
        "bench.judge",
        "bench.trend",
        "bench.metrics",
        "bench.batch",
        "bench.frame",  # the same cases as a data frame
        "bench.garbage",  # a few lines about memory, for whoever holds many records
        "bench.errors",  # UserError and the exit codes: the words in which every room tells a mistake
    ),
}
# The composition root: only here do the rooms meet.
COMPOSITION = ("bench/cli.py", "bench/commands/")

FILES = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]


def imports(file):
    """Every module of ours that a file imports, dotted from the package's root, with the names taken from it."""
    package = file.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "co3d_bench":
                    yield alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                module = ".".join([*base, *([node.module] if node.module else [])])
            elif (node.module or "").split(".")[0] == "co3d_bench":
                module = (node.module or "").partition(".")[2]
            else:
                continue
            for alias in node.names:
                yield f"{module}.{alias.name}".strip(".")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_room_imports_only_the_rooms_it_may(file):
    name = str(file.relative_to(ROOT))
    room = name.split("/")[0]
    for module in imports(file):
        target = module.split(".")[0]
        if target == room or target not in ROOMS:
            continue
        if target == "reports" and name.startswith(COMPOSITION):
            continue
        allowed = any(module == entry or module.startswith(f"{entry}.") for entry in ALLOWED[room])
        assert allowed, f"{name} imports {module}; {room} may import {ALLOWED[room] or 'no room'}"


START_UPS = {
    "help": "main(['--help'])",
    "list models": "main(['list', 'models'])",
    "list devices": "main(['list', 'devices'])",
    "list backends": "main(['list', 'backends'])",
    "plan": "main(['plan'])",
    "report": "import co3d_bench.reports.commands",
}


@pytest.mark.parametrize("code", START_UPS.values(), ids=START_UPS.keys())
def test_it_starts_without_torch(code, tmp_path):
    script = (
        "import sys\n"
        "def main(arguments):\n"
        "    from co3d_bench.bench.cli import app\n"
        "    app(arguments, standalone_mode=False)\n"
        f"{code}\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
