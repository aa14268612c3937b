"""What is installed is what is here: the list of packages, the data beside them, and nothing of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "cli", "devices", "models", "reports")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_list_of_packages_is_the_folders_that_hold_code(project):
    folders = {"co3d_bench"}
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            folders.add(".".join(("co3d_bench", *file.parent.relative_to(ROOT).parts)))
    assert set(project["tool"]["setuptools"]["packages"]) == folders
    for name in folders - {"co3d_bench"}:
        assert (ROOT.joinpath(*name.split(".")[1:]) / "__init__.py").is_file()


def test_every_dependency_is_pinned_and_says_what_it_is_for(project):
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    declared = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["test"]
    for requirement in declared:
        name = requirement.split(">")[0].split("[")[0]
        assert name.lower() in pinned
        line = next(line for line in text if line.strip().startswith(f'"{requirement.split(";")[0].strip()}'))
        assert "#" in line, f"{name}: say in one line what it is for"


def test_no_message_says_to_install_what_no_index_has():
    """The packages of an extra are named one by one: co3d-bench itself is on no index, so its extras are not."""
    sources = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    assert [file for file in sources if re.search(r"pip install '?co3d-bench", file.read_text(encoding="utf-8"))] == []


def test_a_wheel_holds_the_rooms_with_their_data_and_no_test(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".venv", ".git", "results", "*.egg-info", "__pycache__", "build")
    )
    command = [
        sys.executable,
        "-c",
        "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for expected in (
        "co3d_bench/bench.toml",
        "co3d_bench/py.typed",
        "co3d_bench/bench/backends/native/c_project/templates/network.cpp.in",
        "co3d_bench/devices/profiles/cpu.toml",
        "co3d_bench/models/paper_tables/table1_kinetics400.csv",
        "co3d_bench/models/paper_tables/section_facts.csv",
        "co3d_bench/models/paper_tables/table2_charades.csv",
        "co3d_bench/models/paper_tables/table3_pool_size.csv",
        "co3d_bench/models/weights/shipped/demo_x3d.safetensors",
        "co3d_bench/models/zoo/x3d.py",
    ):
        assert expected in names
    assert any(name.startswith("co3d_bench/reports/templates/") for name in names)
    assert not [name for name in names if "test" in name.split("/", 1)[-1].split("/")[0]]
