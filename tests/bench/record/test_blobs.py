"""Files named by their content."""

import io
import zipfile

import numpy as np
import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record import blobs
from co3d_bench.bench.record.blobs import blobs_folder, read_arrays, read_blob, write_blob


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


def test_a_disk_that_is_full_keeps_no_half_of_it(tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_blob(tmp_path / "blobs", b"times")
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path):
    with pytest.raises(UserError, match="no sha256"):
        read_blob(tmp_path, "../../etc/passwd")


def npz(**columns):
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def test_arrays_come_back_by_their_names(tmp_path):
    name = write_blob(tmp_path / "blobs", npz(due_s=np.array([0.0, 0.5]), answered_s=np.array([0.1, np.nan])))
    found = read_arrays(tmp_path / "blobs", name)
    assert sorted(found) == ["answered_s", "due_s"]
    assert found["due_s"].tolist() == [0.0, 0.5]


def packed(data, name="a.npy", method=None, flags=0):
    """A zip file with one member, which says of itself that it is packed so."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    found = bytearray(file.getvalue())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # of the member, and in the list of members
        at = found.find(signature) + place
        found[at] |= flags
        found[at + 2] = method or found[at + 2]
    return bytes(found)


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


FOREIGN = {
    "no array": packed(b"text", "a.txt"),
    "not packed so": packed(b"x" * 100, method=12),
    "a method that nobody knows": packed(b"text", method=99),
    "encrypted": packed(b"text", flags=1),
    "a header without end": packed(header(b"{'shape': (((\n")),
    "a length of 27 digits": packed(
        header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000000000000000,), }\n")
    ),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_whatever_a_zip_file_of_anybody_holds_is_one_error(tmp_path, data):
    name = write_blob(tmp_path / "blobs", data)
    with pytest.raises(UserError, match="holds no arrays of numpy"):
        read_arrays(tmp_path / "blobs", name)


def test_whoever_may_read_the_folder_may_read_a_blob(tmp_path):
    folder = tmp_path / "blobs"
    folder.mkdir()
    for mode, expected in ((0o755, 0o644), (0o700, 0o600), (0o2775, 0o644)):
        folder.chmod(mode)
        name = write_blob(folder, b"%o" % mode)
        assert (folder / name).stat().st_mode & 0o777 == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"text", npz(due_s=np.zeros((2, 2))), npz(due_s=np.array(["a"])), npz(due_s=np.array([None])), npz(a=0.0)],
)
def test_a_blob_of_something_else_is_an_error(tmp_path, data):
    name = write_blob(tmp_path / "blobs", data)
    with pytest.raises(UserError, match="holds"):
        read_arrays(tmp_path / "blobs", name)
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    with pytest.raises(UserError, match="holds"):
        read_arrays(tmp_path / "blobs", write_blob(tmp_path / "blobs", single.getvalue()))


def test_a_blob_that_would_unpack_to_more_than_any_measurement_is_refused(tmp_path, monkeypatch):
    file = io.BytesIO()
    np.savez_compressed(file, due_s=np.zeros(10_000))
    name = write_blob(tmp_path / "blobs", file.getvalue())
    assert len(read_arrays(tmp_path / "blobs", name)["due_s"]) == 10_000
    monkeypatch.setattr(blobs, "MOST_ARRAY_BYTES", 10_000)
    with pytest.raises(UserError, match="holds no arrays of numpy"):
        read_arrays(tmp_path / "blobs", name)


def test_an_array_that_claims_to_be_larger_than_memory_is_refused(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("due_s.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    name = write_blob(tmp_path / "blobs", file.getvalue())
    with pytest.raises(UserError, match="holds no arrays of numpy"):
        read_arrays(tmp_path / "blobs", name)
