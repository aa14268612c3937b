"""Downloads from a real server in a thread: whole, resumed, cut, changed, refused, unreachable."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket

import pytest

from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.fetch import check_url, fetch

from ...file_server import serving

CONTENT = os.urandom(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def served():
    """The server's handler, to be changed, with the `address` to fetch from."""
    with serving(CONTENT) as handler:
        yield handler


def left(tmp_path):
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def test_a_whole_file_with_its_hash_beside_it(served, tmp_path):
    target = tmp_path / "new" / "folder" / "w.pyth"
    seen = []
    assert fetch(served.address, target, SHA256, lambda done, total: seen.append((done, total))) == SHA256
    assert target.read_bytes() == CONTENT
    assert (target.parent / "w.pyth.sha256").read_text() == f"{SHA256}  w.pyth\n"
    assert left(tmp_path) == ["w.pyth", "w.pyth.sha256"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert served.asked[0]["Accept-Encoding"] == "identity"


def break_off(served, target):
    served.cut_at = 300_000
    with pytest.raises(WeightsError, match=r"broke off; 0\.3 MB of 0\.7 MB are kept; run it again for the rest"):
        fetch(served.address, target)
    served.cut_at = None
    assert not target.exists()


def test_a_download_that_broke_off_is_resumed(served, tmp_path):
    target = tmp_path / "w.pyth"
    break_off(served, target)
    seen = []
    assert fetch(served.address, target, None, lambda done, total: seen.append((done, total))) == SHA256
    assert served.asked[-1]["Range"] == "bytes=300000-"
    assert seen[0] == (300_000, len(CONTENT))
    assert left(tmp_path) == ["w.pyth", "w.pyth.sha256"]


def test_a_server_without_ranges_sends_all_of_it_again(served, tmp_path):
    target = tmp_path / "w.pyth"
    served.ranges = False
    break_off(served, target)
    assert fetch(served.address, target) == SHA256
    assert target.read_bytes() == CONTENT


def test_two_versions_of_a_file_are_never_joined(served, tmp_path):
    target = tmp_path / "w.pyth"
    break_off(served, target)
    served.content, served.etag = CONTENT[::-1], '"two"'
    fetch(served.address, target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_joined(served, tmp_path, etag):
    target = tmp_path / "w.pyth"
    served.etag = etag
    break_off(served, target)
    fetch(served.address, target)
    assert "Range" not in served.asked[-1]
    assert target.read_bytes() == CONTENT


def test_a_rest_that_is_longer_than_the_file_is_thrown_away(served, tmp_path):
    target = tmp_path / "w.pyth"
    (tmp_path / "w.pyth.part").write_bytes(CONTENT + b"more")
    (tmp_path / "w.pyth.part.tag").write_text('"one"')
    fetch(served.address, target)
    assert target.read_bytes() == CONTENT


def test_a_beginning_of_a_hash_is_enough(served, tmp_path):
    assert fetch(served.address, tmp_path / "w.pyth", SHA256[:8]) == SHA256


def test_another_hash_is_an_error_and_the_file_is_deleted(served, tmp_path):
    with pytest.raises(WeightsError, match=rf"the download has the sha256 {SHA256}, not 91a641e6, and was deleted"):
        fetch(served.address, tmp_path / "w.pyth", "91a641e6")
    assert "w.pyth" not in left(tmp_path)
    assert "w.pyth.part" not in left(tmp_path)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_what_the_server_refuses(served, tmp_path, status):
    served.answers = status
    with pytest.raises(WeightsError, match=rf"the server answered {status} .*; fetch it on another machine") as caught:
        fetch(served.address, tmp_path / "w.pyth")
    assert str(caught.value).endswith(f"and put it there: {tmp_path / 'w.pyth'}")


def test_no_network_names_the_file_and_where_to_put_it(tmp_path):
    with socket.socket() as taken:  # bound, but not listening: refuses
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/w.pyth"
        with pytest.raises(WeightsError) as caught:
            fetch(url, tmp_path / "w.pyth")
    assert str(caught.value) == (
        f"{url}: cannot be reached (Connection refused); fetch it on another machine and put it there: "
        f"{tmp_path / 'w.pyth'}"
    )


def test_a_name_that_nobody_knows(tmp_path):
    with pytest.raises(WeightsError, match=r"https://nobody\.invalid/w\.pyth: cannot be reached \(.+\); fetch it on"):
        fetch("https://nobody.invalid/w.pyth", tmp_path / "w.pyth")


@pytest.mark.parametrize(
    "url", ["https://nobody.invalid:x/w", "https://nobody.invalid/w w", "https://nobody.invalid/ü"]
)
def test_an_address_with_letters_that_none_has(tmp_path, url):
    with pytest.raises(WeightsError, match=r"cannot be reached \(.+\); fetch it on"):
        fetch(url, tmp_path / "w.pyth")
    with pytest.raises(WeightsError, match=r"https://\[/w: not a valid address \(Invalid IPv6 URL\)"):
        fetch("https://[/w", tmp_path / "w.pyth")
    assert left(tmp_path) == []


def test_silence_is_not_waited_for_for_ever(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/w.pyth"
        with pytest.raises(WeightsError, match=r"cannot be reached \(timed out\)"):
            fetch(url, tmp_path / "w.pyth", timeout_s=0.2)


@pytest.mark.parametrize("url", ["http://example.org/w.pth", "ftp://example.org/w.pth", "file:///etc/passwd", "w.pth"])
def test_only_https_is_fetched(url):
    with pytest.raises(WeightsError, match="by https only; fetch it yourself and give the file"):
        check_url(url)


def test_nor_is_a_redirect_to_anything_else_followed(served, tmp_path):
    served.answers, served.location = 302, "http://example.org/w.pyth"
    with pytest.raises(WeightsError, match=r"http://example\.org/w\.pyth: weights are fetched by https only"):
        fetch(served.address, tmp_path / "w.pyth")


def test_a_full_disk(served, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(WeightsError, match=r"0\.7 MB more are needed and 0\.0 MB are free; make space, or set CO3D"):
        fetch(served.address, tmp_path / "w.pyth")


def test_a_disk_that_fills_up_on_the_way(served, tmp_path):
    (tmp_path / "w.pyth.part").symlink_to("/dev/full")  # takes nothing, as a full disk does
    with pytest.raises(WeightsError, match=r"cannot be written: No space left on device; make space and run it again"):
        fetch(served.address, tmp_path / "w.pyth")


def test_a_folder_that_cannot_be_written_to(served, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"file: cannot be written: (Not a directory|File exists)"):
        fetch(served.address, tmp_path / "file" / "w.pyth")


def test_two_at_once_do_not_write_into_each_other(served, tmp_path):
    with (tmp_path / "w.pyth.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(WeightsError, match="another process is fetching this file; wait for it"):
            fetch(served.address, tmp_path / "w.pyth")


def test_what_is_hashed_is_what_is_put_in_place(served, tmp_path, monkeypatch):
    target = tmp_path / "w.pyth"
    part = tmp_path / "w.pyth.part"

    def while_locked(path):
        with part.open("ab") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return SHA256

    monkeypatch.setattr("co3d_bench.models.weights.fetch.sha256_of", while_locked)
    assert fetch(served.address, target, SHA256) == SHA256
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("ends", ["done", "wrong"])
def test_a_fetch_that_ends_while_ours_begins_keeps_its_file(served, tmp_path, monkeypatch, ends):
    target, part = tmp_path / "w.pyth", tmp_path / "w.pyth.part"
    lock, first = fcntl.flock, [True]

    def other_was_first(file, how):
        if first:
            first.clear()
            part.write_bytes(b"theirs")
            if ends == "done":
                part.replace(target)
            else:
                part.unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", other_was_first)
    held = None

    def ours_is_another_file(done, total):
        nonlocal held
        held = held or (target.read_bytes() if target.exists() else b"")

    assert fetch(served.address, target, SHA256, ours_is_another_file) == SHA256
    assert held == (b"theirs" if ends == "done" else b"")
    assert target.read_bytes() == CONTENT


def test_a_kill_after_the_hash_leaves_no_hash_of_an_earlier_file(served, tmp_path, monkeypatch):
    target = tmp_path / "w.pyth"
    target.write_bytes(b"earlier")
    (tmp_path / "w.pyth.sha256").write_text(f"{'0' * 64}  w.pyth\n")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("co3d_bench.models.weights.fetch.write_note", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch(served.address, target)
    assert left(tmp_path) == ["w.pyth", "w.pyth.part.tag"]
    assert target.read_bytes() == CONTENT
