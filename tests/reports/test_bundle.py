"""The scripts of a page are bundled once for each version of vl-convert."""

import pytest
import vl_convert

from co3d_bench.reports.bundle import bundle


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """How often the library was asked; the cache is an empty folder."""
    seen = []
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda entry: seen.append(entry) or f"script of {entry}")
    return seen


def test_it_is_bundled_once(calls, tmp_path):
    assert bundle() == bundle()
    assert bundle().startswith("script of window.vegaEmbed = vegaEmbed;")
    assert len(calls) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_file_that_was_cut_off_is_not_taken(calls, tmp_path):
    whole = bundle()
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(whole[:10])
    assert bundle() == whole
    assert (len(calls), file.read_text()) == (2, whole)


def test_where_nothing_can_be_kept_there_is_a_script_all_the_same(calls, tmp_path):
    (tmp_path / "cache").write_text("a file, no folder")
    assert bundle() == bundle()
    assert len(calls) == 2
