"""`co3d-bench weights` as a user meets it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from co3d_bench.bench.errors import ENVIRONMENT, INTERRUPTED
from co3d_bench.models.weights.cache import cached_path
from co3d_bench.models.weights.sources import CHECKPOINTS, PYSLOWFAST, PublicCheckpoint
from co3d_bench.models.zoo import find_model

from ..file_server import serving


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder


@pytest.fixture
def x3d_xs(tmp_path):
    """A file of weights, all of them halves."""
    path = tmp_path / "x3d_xs.pth"
    state = find_model("x3d-xs").build().state_dict()
    torch.save({name: torch.full_like(tensor, 0.5) for name, tensor in state.items()}, path)
    return path


def test_list_needs_no_home(call, monkeypatch):
    for name in ("CO3D_BENCH_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # as in a container with an arbitrary user id
    done = call("weights", "list")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(CHECKPOINTS)
    assert "there is no home folder to keep files in: set CO3D_BENCH_CACHE" in done.stderr


def test_list_shows_every_checkpoint_and_what_is_here(call):
    fetched, begun = CHECKPOINTS[0], CHECKPOINTS[1]
    for path in (cached_path(fetched), cached_path(begun).with_name(f"{begun.file}.part")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1_500_000))
    done = call("weights", "list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [row.name for row in CHECKPOINTS]
    assert "  1.5 MB  " in lines[0]
    assert "  1.5 MB so far  " in lines[1]
    assert "  not fetched  " in lines[2]
    assert lines[2].endswith(CHECKPOINTS[2].url)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fetch"], 2, "Missing argument 'NAME...'"),
        (["fetch", "x3dm"], 2, "x3dm: did you mean x3d-m?"),
        (["fetch", "pyslowfast/x3dm"], 2, "pyslowfast/x3dm: no such checkpoint; did you mean pyslowfast/x3d_m?"),
        (["convert", "none.pth", "out.pth", "--model", "x3d-m"], 4, "none.pth: no such file; give a file, an https"),
        (
            ["convert", "auto", "out.pth", "--model", "x3d-m"],
            4,
            "`co3d-bench weights fetch x3d-m` downloads it, or put",
        ),
        (["convert", "auto", "out.pth", "--model", "x3dm"], 2, "x3dm: did you mean x3d-m?"),
        (["convert", "http://example.org/w.pth", "out.pth", "--model", "x3d-m"], 4, "by https only"),
        ([], 2, "a verb is missing: list, fetch, convert"),
    ],
)
def test_a_mistake_is_one_message_and_its_code(call, arguments, code, message):
    done = call("weights", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("co3d-bench: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "x3d-xs", "--weights", "none.pth"], "none.pth: no such file; give a file, an https address, or auto"),
        (["show", "cox3d-m-64", "--weights", "auto"], "`co3d-bench weights fetch cox3d-m-64` downloads it"),
        (["run", "--model", "x3d-xs", "--weights", "none.pth"], "none.pth: no such file; give a file, an https"),
    ],
)
def test_weights_that_are_not_there(call, tmp_path, arguments, message):
    done = call(*arguments)
    assert done.returncode == ENVIRONMENT
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results" / "records.jsonl").exists()


def test_show_counts_the_network_with_its_weights(call, x3d_xs):
    state = torch.load(x3d_xs, weights_only=True)
    norm = "blocks.1.res_blocks.0.branch1_norm"
    torch.save({name: tensor for name, tensor in state.items() if norm not in name}, x3d_xs)
    done = call("show", "x3d-xs", "--weights", x3d_xs.name)
    assert done.returncode == 0, done.stderr
    assert "parameters       3,794,274" in done.stdout
    assert "bytes, buffers included; x3d_xs.pth sha256:" in done.stdout
    assert f"without {norm}: x3d_xs.pth has nothing for it" in done.stdout


@pytest.fixture
def public(monkeypatch):
    """Makes an address the public checkpoint of x3d-xs."""

    def public(*urls):
        rows = tuple(PublicCheckpoint(PYSLOWFAST, ("x3d-xs",), url) for url in urls)
        monkeypatch.setattr("co3d_bench.models.weights.locate.wanted_checkpoints", lambda names, find: rows)
        return rows

    return public


def test_fetch_brings_a_file_once(call, cache, public):
    with serving(b"weights") as server:
        (row,) = public(server.address)
        done = [call("weights", "fetch", "x3d-xs") for _ in range(2)]
        assert len(server.asked) == 1
    path = cache / "weights" / "pyslowfast" / "w.pyth"
    assert path.read_bytes() == b"weights"
    first, second = (each.stdout.rstrip() for each in done)
    assert first.startswith(f"{row.name}: sha256 ")
    assert second.startswith(f"{row.name}: already downloaded, sha256 ")
    assert first.endswith(str(path))


def test_one_that_fails_keeps_no_other_from_coming(call, public):
    with serving(b"weights") as missing, serving(b"weights", "other.pyth") as server:
        missing.answers = 404
        public(missing.address, server.address)
        done = call("weights", "fetch", "x3d-xs")
    assert done.returncode == ENVIRONMENT
    assert "the server answered 404 Not Found" in done.stderr
    assert "other: sha256" in done.stdout


def test_ctrl_c_says_how_to_go_on(call, public, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    public("https://example.org/w.pyth")
    monkeypatch.setattr("co3d_bench.models.weights.fetch.fetch", stopped)
    done = call("weights", "fetch", "x3d-xs")
    assert (done.returncode, "w: stopped; run the command again to resume" in done.stderr) == (INTERRUPTED, True)


def test_convert_a_file_from_an_address(call, tmp_path, x3d_xs):
    with serving(x3d_xs.read_bytes(), "x3d_xs.pth") as server:
        done = call("weights", "convert", server.address, "ours.pth", "--model", "x3d-xs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ours.pth: ")
    assert "x3d_xs.pth sha256:" in done.stdout
    written = torch.load(tmp_path / "ours.pth", weights_only=True)
    assert all((tensor == torch.full_like(tensor, 0.5)).all() for tensor in written.values())


def test_list_and_fetch_need_no_torch(tmp_path):
    script = (
        "import sys\n"
        "from co3d_bench.cli.verbs import call\n"
        "call(['weights', 'list'])\n"
        "import co3d_bench.models.weights.fetch, co3d_bench.models.weights.locate\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
