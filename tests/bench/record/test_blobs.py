"""Files named by their content."""

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.blobs import blobs_folder, read_blob, write_blob


def test_what_was_written_is_read(tmp_path):
    folder = blobs_folder(tmp_path / "results")
    name = write_blob(folder, b"times")
    assert read_blob(folder, name) == b"times"
    assert write_blob(folder, b"times") == name
    assert [file.name for file in folder.iterdir()] == [name]


def test_what_is_damaged_or_gone_is_an_error(tmp_path):
    name = write_blob(tmp_path / "blobs", b"times")
    (tmp_path / "blobs" / name).write_bytes(b"other")
    with pytest.raises(UserError, match="another sha256"):
        read_blob(tmp_path / "blobs", name)
    with pytest.raises(UserError, match="cannot be read"):
        read_blob(tmp_path / "blobs", "0" * 64)


def test_a_disk_that_takes_nothing_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError):
        write_blob(tmp_path / "file" / "blobs", b"times")
