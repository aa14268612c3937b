"""The table of public checkpoints, and from what people give to a file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from co3d_bench.models.weights.cache import cache_folder, cached_path, checked_sha256, note_path, url_path
from co3d_bench.models.weights.errors import UnknownWeightsError, WeightsError
from co3d_bench.models.weights.locate import locate, wanted_checkpoints
from co3d_bench.models.weights.sources import CHECKPOINTS, SHIPPED, checkpoints_for, find_checkpoint
from co3d_bench.models.zoo import find_model


def put(path, content=b"weights"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_no_two_addresses_share_a_file():
    for values in ([row.name for row in CHECKPOINTS], [cached_path(row) for row in CHECKPOINTS]):
        assert len(set(values)) == len(values)
    for row in CHECKPOINTS:
        assert row.url.startswith("https://")
        assert re.fullmatch(r"[\w.-]+\.(pyth|pth|pkl)|modelA\d(_stream)?_statedict_v3", row.file)
        assert row.sha256 is None or re.fullmatch(r"[0-9a-f]{8,64}", row.sha256)


def test_the_first_of_a_network_is_the_one_the_papers_authors_downloaded():
    # LukasHedegaard/co3d: models/{x3d,coi3d,slow,slowfast,r2plus1d}/weights/download*.sh
    first = {name: row.url for row in reversed(CHECKPOINTS) for name in row.networks}
    for name, url in {
        "x3d-s": "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_s.pyth",
        "x3d-l": "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_l.pyth",
        "i3d-r50": "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400/I3D_8x8_R50.pkl",
        "slow-8x8-r50": "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/SLOW_8x8_R50.pyth",
        "slowfast-4x16-r50": "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400/SLOWFAST_4x16_R50.pkl",
        "r2plus1d-18-8": "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
    }.items():
        assert first[name] == url


@pytest.mark.parametrize("name", ["x3d-m", "cox3d-m-16", "cox3d-m-64"])
def test_a_frame_network_has_the_checkpoints_of_its_counterpart(name):
    assert [row.name for row in checkpoints_for(find_model(name))] == ["pyslowfast/x3d_m", "pytorchvideo/X3D_M"]


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        ("/own", "/shared", "/own"),
        (None, "/shared", "/shared/co3d-bench"),
        (None, "relative", "/home/me/.cache/co3d-bench"),
        (None, None, "/home/me/.cache/co3d-bench"),
    ],
)
def test_the_cache_folder(monkeypatch, own, shared, expected):
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in (("CO3D_BENCH_CACHE", own), ("XDG_CACHE_HOME", shared)):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path(expected)


def test_a_user_without_a_home_needs_no_cache_for_a_file_and_learns_what_to_set_for_the_rest(monkeypatch, tmp_path):
    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "CO3D_BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    file = tmp_path / "own.pth"
    file.write_bytes(b"abc")
    assert checked_sha256(file).startswith("ba7816bf")
    assert not note_path(file).exists()
    with pytest.raises(WeightsError, match="set CO3D_BENCH_CACHE to a folder"):
        locate("auto", find_model("x3d-m"))


def test_auto_is_the_networks_own_checkpoint_from_the_cache(cache):
    path = put(cache / "weights" / "pyslowfast" / "x3d_m.pyth")
    assert locate("auto", find_model("cox3d-m-64")) == path


@pytest.mark.parametrize("name", ["demo-x3d", "demo-cox3d-16", "demo-cox3d-64"])
def test_auto_is_the_file_that_comes_with_co3d_bench(name):
    assert locate("auto", find_model(name)) == SHIPPED["demo-x3d"]


def test_what_comes_with_co3d_bench_is_not_fetched():
    with pytest.raises(UnknownWeightsError, match="nothing to fetch, its weights come with co3d-bench"):
        wanted_checkpoints(["demo-cox3d-16"], find_model)


def test_auto_fetches_nothing_and_names_the_command_that_would():
    spec = find_model("cox3d-m-64")
    with pytest.raises(WeightsError) as caught:
        locate("auto", spec)
    assert str(caught.value) == (
        "pyslowfast/x3d_m: not in the cache; `co3d-bench weights fetch cox3d-m-64` downloads it, or "
        f"put x3d_m.pyth into {cache_folder() / 'weights' / 'pyslowfast'} yourself"
    )


def test_a_checkpoint_by_its_name(cache):
    spec = find_model("x3d-m")
    with pytest.raises(WeightsError, match="`co3d-bench weights fetch pytorchvideo/X3D_M` downloads it"):
        locate("pytorchvideo/X3D_M", spec)
    path = put(cache / "weights" / "pytorchvideo" / "X3D_M.pyth")
    assert locate("pytorchvideo/X3D_M", spec) == path


def test_a_file_by_path_and_by_address(tmp_path):
    path = put(tmp_path / "my weights.pth")
    spec = find_model("x3d-m")
    assert locate(str(path), spec) == path
    assert locate(path.as_uri(), spec) == path


@pytest.mark.parametrize("given", ["missing.pth", "file:///missing.pth", "", "a" * 5000, "null\0byte"])
def test_a_file_that_is_not_there(given):
    with pytest.raises(WeightsError) as caught:
        locate(given, find_model("x3d-m"))
    assert len(str(caught.value).splitlines()) <= 1


def test_an_address_is_fetched_once_and_kept(monkeypatch):
    url = "https://example.org/some/w.pyth?token=1"
    spec = find_model("x3d-m")
    asked = []

    def fetch(address, target, sha256, on_progress):
        asked.append(address)
        put(target)

    monkeypatch.setattr("co3d_bench.models.weights.locate.fetch", fetch)
    assert locate(url, spec) == locate(url, spec) == url_path(url)
    assert asked == [url]
    assert url_path(url).name == "w.pyth"
    assert url_path(url) != url_path(f"{url}2")


def test_the_address_of_a_public_checkpoint_is_that_checkpoint(cache):
    row = find_checkpoint("pyslowfast/x3d_m")
    assert row is not None
    path = put(cached_path(row))
    assert locate(row.url, find_model("x3d-m")) == path


def test_names_to_fetch():
    def names(*given):
        return [row.name for row in wanted_checkpoints(list(given), find_model)]

    assert names("x3d-m", "cox3d-m-64", "pytorchvideo/X3D_M") == ["pyslowfast/x3d_m", "pytorchvideo/X3D_M"]
    with pytest.raises(WeightsError, match=r"x3dm: did you mean x3d-m\?"):
        names("x3dm")
    with pytest.raises(WeightsError, match=r"pyslowfast/x3dm: no such checkpoint; did you mean pyslowfast/x3d_m\?"):
        names("pyslowfast/x3dm")


def test_the_first_use_of_a_file_put_there_by_hand_notes_its_hash(cache):
    path = put(cache / "weights" / "pyslowfast" / "x3d_m.pyth")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert checked_sha256(path) == sha256
    assert note_path(path).read_text() == f"{sha256}  x3d_m.pyth\n"
    put(path, b"other")
    with pytest.raises(WeightsError, match="it has changed since; remove both and fetch it again"):
        checked_sha256(path)


def test_a_file_put_there_by_hand_must_be_what_its_project_states(cache):
    path = put(cache / "weights" / "torchvision" / "r2plus1d_18-91a641e6.pth")
    with pytest.raises(WeightsError, match="and its project states 91a641e6: damaged, or another file"):
        checked_sha256(path)


def test_nothing_is_written_beside_a_file_outside_the_cache(tmp_path):
    path = put(tmp_path / "mine.pth")
    checked_sha256(path)
    assert not note_path(path).exists()
