import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.root import Contents, Local, Reason, Snapshot, number, reason_of


def fill(root, files):
    for name, text in files.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Local(root)


def test_a_file_gives_text_or_a_reason(tmp_path):
    root = fill(tmp_path, {"/sys/a/value": " 12\n"})
    assert root.contents("/sys/a/value") == Contents("12")
    assert root.read("/sys/a/value") == "12"
    assert number(root, "/sys/a/value") == 12
    assert root.contents("/sys/a/none") == Contents(reason=Reason.MISSING)
    assert root.contents("/sys/a") == Contents(reason=Reason.MISSING)
    assert number(root, "/sys/a/none") is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, Reason.FORBIDDEN),
        (errno.EAGAIN, Reason.GATED),
        (errno.EIO, Reason.FAILED),
        (errno.ENOENT, Reason.MISSING),
    ],
)
def test_what_the_kernel_said(number, reason):
    assert reason_of(OSError(number, "x")) is reason


def test_a_gated_sensor_is_distinguished_from_a_missing_one(tmp_path, monkeypatch):
    root = fill(tmp_path, {"/sys/temp": "1"})

    def refuse(_):
        raise OSError(errno.EAGAIN, "try again")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert root.contents("/sys/temp") == Contents(reason=Reason.GATED)


def test_only_files_that_are_there_are_written(tmp_path):
    root = fill(tmp_path, {"/sys/governor": "powersave\n"})
    assert root.write("/sys/governor", "performance") is None
    assert root.read("/sys/governor") == "performance"
    assert root.write("/sys/other", "x") is Reason.MISSING
    assert not (tmp_path / "sys/other").exists()


NAMES = st.sampled_from(["a", "b1", "b2", ".c", "in1_label"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERNS = st.lists(st.sampled_from(["*", "b*", "a", "b[12]", "in*_label", "?"]), min_size=1, max_size=3)


@given(st.dictionaries(PATHS, st.just("x"), max_size=8), PATTERNS.map(lambda parts: "/" + "/".join(parts)))
def test_a_snapshot_finds_what_the_machine_finds(tmp_path_factory, files, pattern):
    # A path cannot be a file and a folder.
    files = {path: text for path, text in files.items() if not any(o.startswith(f"{path}/") for o in files)}
    local = fill(tmp_path_factory.mktemp("root"), files)
    assert local.glob(pattern) == Snapshot(files).glob(pattern)


def test_a_snapshot_keeps_text_and_reasons():
    taken = Snapshot({"/sys/z0/temp": "41000\n"}, {"/sys/z1/temp": Reason.FORBIDDEN})
    assert taken.contents("/sys/z0/temp") == Contents("41000")
    assert taken.contents("/sys/z1/temp") == Contents(reason=Reason.FORBIDDEN)
    assert taken.contents("/sys/z0/type") == Contents(reason=Reason.MISSING)
    assert taken.glob("/sys/*") == ("/sys/z0", "/sys/z1")
