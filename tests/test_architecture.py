"""The rooms of the house and the folders of the pipeline: who may import whom, and what starts without torch."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "cli", "devices", "models", "reports")

# room -> what it may import of other rooms (a module, or everything below it)
ALLOWED = {
    "devices": (),
    "models": (),
    "bench": ("devices", "models"),
    "reports": ("bench.errors", "bench.record", "bench.stats", "bench.profile"),
    "cli": ROOMS,
}
# The pipeline: each folder of bench may import those before it, and `bench/errors.py`.
PIPELINE = (
    "record",
    "stats",
    "profile",
    "export",
    "backends",
    "plan",
    "measure",
    "camera",
    "evaluate",
    "run",
    "fleet",
    "demo",
    "gate",
)

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
        allowed = any(module == entry or module.startswith(f"{entry}.") for entry in ALLOWED[room])
        assert allowed, f"{name} imports {module}; {room} may import {ALLOWED[room] or 'no room'}"


def test_the_folders_of_bench_are_the_pipeline():
    bench = ROOT / "bench"
    assert {file.parent.name for file in bench.glob("*/__init__.py")} == set(PIPELINE)
    assert {file.name for file in bench.glob("*.py")} == {"__init__.py", "errors.py"}


@pytest.mark.parametrize("folder", PIPELINE)
def test_a_folder_imports_only_those_before_it(folder):
    before = {*PIPELINE[: PIPELINE.index(folder) + 1], "errors"}
    for file in sorted((ROOT / "bench" / folder).rglob("*.py")):
        taken = {module.split(".")[1] for module in imports(file) if module.startswith("bench.")}
        assert taken <= before, f"{file.relative_to(ROOT)} imports {taken - before}, which come after {folder}"


@pytest.mark.parametrize("file", sorted((ROOT / "tests/speed").glob("*.py")), ids=lambda file: file.name)
def test_what_a_speed_script_takes_from_us_is_there(file):
    """No other test runs them, and nobody should find out in the middle of a measurement."""
    for name in imports(file):
        module, _, taken = f"co3d_bench.{name}".rpartition(".")
        found = import_module(module)
        assert hasattr(found, taken) or (hasattr(found, "__path__") and find_spec(f"{module}.{taken}")), name


START_UPS = {
    "help": "main(['--help'])",
    "run --help": "main(['run', '--help'])",
    "list models": "main(['list', 'models'])",
    "list devices": "main(['list', 'devices'])",
    "list backends": "main(['list', 'backends'])",
    "plan": "main(['plan'])",
    "paper": "main(['paper', '--format', 'csv'])",
    "schema": "main(['schema'])",
    "report": "import co3d_bench.reports.commands",
}


SLOW_TO_IMPORT = {"torch", "numpy", "pandas", "scipy", "pydantic", "rich", "jinja2", "distributed"}


@pytest.mark.parametrize(("name", "code"), START_UPS.items(), ids=START_UPS.keys())
def test_it_starts_without_torch_and_help_without_more_than_click(name, code, tmp_path):
    script = (
        "import sys\n"
        "def main(arguments):\n"
        "    from co3d_bench.cli.verbs import call\n"
        "    call(arguments)\n"
        f"{code}\n"
        f"assert not {SLOW_TO_IMPORT if name == 'help' else {'torch'}} & sys.modules.keys(), sorted(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
