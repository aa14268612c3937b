"""What is installed is what is here: the list of packages, the data beside them, and nothing of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from co3d_bench import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "cli", "devices", "models", "reports")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


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


def test_the_version_stands_in_one_place_and_the_documents_follow_it(project):
    assert project["project"]["dynamic"] == ["version"]
    sections = re.findall(r"^## \[(.+)\](?: - \d{4}-\d{2}-\d{2})?$", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert next(name for name in sections if name != "Unreleased") == __version__
    tags = re.findall(r"co3d-bench[@:]v?(\d[\d.]*\d)\b", text_of("docs/ci.md") + text_of("docs/release.md"))
    files = re.findall(r"co3d_bench-(\d[\d.]*\d)[-.]", text_of("docs/release.md"))
    assert set(tags) == set(files) == {__version__}


PINNED = sorted([*ROOT.glob(".github/workflows/*.yml"), ROOT / "docs/ci.md", ROOT / "action.yml"])


@pytest.mark.parametrize("file", PINNED, ids=lambda file: file.name)
def test_actions_of_others_are_named_by_the_commit_with_its_tag(file):
    for used in re.findall(r"uses: (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
        ours = used == "./" or used.startswith("OWNER/co3d-bench@")
        assert ours or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", used), used


def build(source, kind, out):
    """What setuptools makes of a folder: `wheel` or `sdist`."""
    code = f"import setuptools.build_meta as b, sys; b.build_{kind}(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=source, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist of this tree, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    not_source = (".venv", ".git", "results", "*.egg-info", "__pycache__", "build", "dist", ".*_cache")
    shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*not_source))
    build(folder / "source", "sdist", folder)
    with tarfile.open(folder / f"co3d_bench-{__version__}.tar.gz") as file:
        file.extractall(folder, filter="data")
    return folder / f"co3d_bench-{__version__}"


def test_an_sdist_holds_every_file_that_git_has(sdist):
    asked = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if asked.returncode or not (ROOT / ".git").exists():
        pytest.skip("no checkout of git")
    files = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}
    missing = {name for name in asked.stdout.split("\0") if name and (ROOT / name).exists()} - files
    assert missing == set()
    assert not [name for name in files if "__pycache__" in name]


def test_a_wheel_of_the_sdist_holds_the_rooms_with_their_data_and_no_test(sdist, tmp_path):
    build(sdist, "wheel", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for expected in (
        "co3d_bench/bench.toml",
        "co3d_bench/py.typed",
        "co3d_bench/bench/backends/native/c_project/templates/network.cpp.in",
        "co3d_bench/bench/backends/native/kernels.cpp",
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
