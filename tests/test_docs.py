"""The documents say what is there: commands, files, networks, and the code of the README runs."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

from co3d_bench.cli.verbs import app
from co3d_bench.models.zoo import find_model

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "results", "build", ".pytest_cache"} & set(path.relative_to(ROOT).parts)
)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


# Of these rooms every folder of code says what belongs there, and names its files.
NAMED = sorted({file.parent for room in ("bench", "cli") for file in (ROOT / room).rglob("*.py")})


@pytest.mark.parametrize("folder", NAMED, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_says_what_each_of_its_files_is_for(folder):
    said = "".join(file.read_text() for file in (folder / "README.md", folder / "__init__.py") if file.is_file())
    if "one file" not in said.lower():  # else a file is found by its name
        for file in folder.glob("[a-z]*.py"):
            assert f"`{file.name}`" in said, file.name


def test_every_room_has_a_readme():
    for room in ("devices", "models", "models/zoo", "models/continual", "models/weights"):
        assert (ROOT / room / "README.md").is_file()
    for room in ("reports", "reports/charts", "reports/sections", "reports/tables", "tests", "tests/speed"):
        assert (ROOT / room / "README.md").is_file()


def test_the_page_of_verbs_has_a_row_for_every_verb_and_no_other():
    rows = re.findall(r"^\| `co3d-bench ([a-z]+)", text_of("docs/verbs.md"), flags=re.MULTILINE)
    assert sorted(rows) == sorted(app.commands)


def test_the_readme_shows_only_verbs_that_exist():
    assert set(re.findall(r"^\$ co3d-bench ([a-z]+)", text_of("README.md"), flags=re.MULTILINE)) <= set(app.commands)


def slug(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
        if not target.startswith("http"):
            linked = (document.parent / target if target else document).read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", linked, flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, anchor
    for target in re.findall(r"`((?:bench|cli|devices|models|reports|tests)/[\w./]+)`", text):
        assert (ROOT / target).exists(), target


def test_networks_named_in_the_documents_are_found():
    for document in DOCUMENTS:
        for name in re.findall(r"\b(?:co)?x3d-(?:xs|s|m|l)(?:-\d+)?\b", document.read_text(encoding="utf-8")):
            if name.startswith("co") == (name.count("-") == 2):
                assert find_model(name).name == name


def test_the_python_of_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", text_of("README.md"), flags=re.DOTALL)
    names: dict = {}
    torch.manual_seed(0)
    exec(code, names)  # noqa: S102
    assert names["scores"].shape == (1, 400)


def test_no_document_holds_a_place_for_a_figure_that_was_never_filled():
    for document in DOCUMENTS:
        assert not re.search(r"\b(?:SPEED|CLIP)_(?:XS|S|M|L)\b|\bTODO\b|\bTBD\b", document.read_text(encoding="utf-8"))


def test_the_constants_of_the_methodology_are_those_of_the_code():
    rows = re.findall(
        r"^\| `(bench/[\w/]+)\.py` (\w+) \| ([\d.]+) \| .+ \|$", text_of("METHODOLOGY.md"), flags=re.MULTILINE
    )
    assert 0 < len(rows) <= 12
    for module, name, value in rows:
        found = getattr(import_module(f"co3d_bench.{module.replace('/', '.')}"), name)
        assert found == type(found)(value), name
