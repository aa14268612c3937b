import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of each test's own, so that nobody's is read or written."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder
