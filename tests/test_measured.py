"""What others measured (docs/measured): each bundle passes its check, and stands in the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .command import call

FOLDER = Path(__file__).parents[1] / "docs/measured"
BUNDLES = sorted(FOLDER.glob("*.zip"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_a_bundle_passes_its_check(bundle, tmp_path):
    done = call(tmp_path, "bundle", "--check", bundle)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_has_every_bundle_and_no_other():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[[^\]]+\]\(([^)]+\.zip)\)", text, flags=re.MULTILINE)) == [
        bundle.name for bundle in BUNDLES
    ]
    assert ("There is no bundle yet." in text) is not bool(BUNDLES)
