"""`docs/camera.md` followed to the letter: its commands, in order, with a film, in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "camera.md").read_text(encoding="utf-8")
EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
NOTHING_FITS = 3  # what `choose` ends with on a machine that keeps none of the limits
TEN_MINUTES_S = 600.0  # what the document promises; an idle machine of two cores needs two
pytestmark = pytest.mark.acceptance


def commands():
    """The commands of the console blocks, without the prompt; a backslash joins lines. But for a search over cameras,
    which takes minutes and has tests of its own (test_camera_streams.py)."""
    blocks = re.findall(r"```console\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [shlex.split(line.removeprefix("$ co3d-bench ")) for line in lines if line.startswith("$ co3d-bench ")]
    return [words for words in found if "--streams" not in words]


@pytest.fixture(scope="module")
def followed(film, tmp_path_factory):
    """(folder, what each command printed, seconds that all took)."""
    folder = tmp_path_factory.mktemp("camera")
    (folder / "film.mp4").write_bytes(film.read_bytes())
    said, begin = {}, time.monotonic()
    for words in commands():
        done = subprocess.run(
            [EXECUTABLE, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode in ((0, NOTHING_FITS) if words[0] == "choose" else (0,)), (words, done.stderr)
        said.setdefault(words[0], done.stdout)
    return folder, said, time.monotonic() - begin


def test_a_newcomer_gets_from_a_film_to_a_decision(followed):
    folder, said, seconds = followed
    records = [json.loads(line) for line in (folder / "results/records.jsonl").read_text().splitlines()]
    watched = [record for record in records if record["case"]["camera"]]
    assert {record["case"]["model"] for record in watched} == {"cox3d-s-13", "x3d-s"}
    assert len({record["case"]["camera"]["every"] for record in watched}) == 2  # every frame, and the trained rate
    assert all(record["camera"]["source"] == "film.mp4" for record in watched)
    for name in ("CoX3D-S (13)", "X3D-S"):
        assert f"{name} (" in said["camera"]  # a sentence says whether it keeps up
    page = (folder / said["report"].split()[-1]).read_text()
    assert "In front of a camera" in page
    for stage in ("capture", "preprocess", "network"):
        assert stage in said["show"]
    assert seconds < TEN_MINUTES_S


def test_every_column_that_the_document_explains_is_one():
    from co3d_bench.reports.tables.camera import COLUMNS

    heads = {column.head for column in COLUMNS}
    rows = re.findall(r"^\| (\w[\w, .]*?) \| ", DOCUMENT.split("## What the columns mean")[1], flags=re.MULTILINE)
    explained = {name for row in rows for name in row.split(", ")} - {"column"}
    assert {"Missed", "p50", "Reacts"} <= explained <= heads
