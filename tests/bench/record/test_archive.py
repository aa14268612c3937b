"""A bundle is opened by its names, sizes and hashes alone, and packed to the same bytes everywhere."""

import hashlib
import io
import struct
import warnings
import zipfile

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, UserError
from co3d_bench.bench.record import archive
from co3d_bench.bench.record.archive import MANIFEST, RECORDS, manifest_text, open_file, opened_archive, write_archive

LINES = b'{"a": 1}\n'
BLOB = f"blobs/{hashlib.sha256(b'times').hexdigest()}"


def packed(members, manifest=None):
    """A bundle of these members, with a right manifest unless another is given."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    text = manifest_text(hashes, {"co3d_bench": "1"}) if manifest is None else manifest
    file = io.BytesIO()
    write_archive(file, sorted({**members, MANIFEST: text}.items()))
    return file.getvalue()


def rezipped(**changes):
    """The members of a right bundle, packed by zipfile with something else."""

    def write(path):
        right = zipfile.ZipFile(io.BytesIO(packed({RECORDS: LINES})))
        with zipfile.ZipFile(path, "w") as file:
            for name in right.namelist():
                file.writestr(named(name), right.read(name), changes.get("compress", zipfile.ZIP_STORED))
            for entry, data in changes.get("more", ()):
                file.writestr(entry, data)

    return write


def named(name, mode=0o100644):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def test_it_is_packed_to_these_very_bytes():
    """The same on every Python and every machine: what `zipfile` writes of stored members has never changed."""
    data = packed({RECORDS: LINES, BLOB: b"times"})
    assert hashlib.sha256(data).hexdigest() == "1c469cfe0ae33ebe0c62921354ef56b753b6dd3c685c1f37e16c340698cca50e"
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_a_member_is_read_by_a_path_through_the_bundle(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({RECORDS: LINES, BLOB: b"times"}))
    with open_file(path / RECORDS) as file:
        assert file.read() == LINES
    with open_file(path / BLOB) as file:
        assert file.read() == b"times"
    with pytest.raises(FileNotFoundError), open_file(path / "profiles.jsonl"):
        pass


def test_a_folder_may_be_called_so(tmp_path):
    folder = tmp_path / "a.zip"
    folder.mkdir()
    (folder / RECORDS).write_bytes(LINES)
    with open_file(folder / RECORDS) as file:
        assert file.read() == LINES


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../records.jsonl", "no bundle has a member"),
        ("/etc/passwd", "no bundle has a member"),
        ("blobs/../x", "no bundle has a member"),
        ("blobs/", "no bundle has a member"),
        ("a\x1b[2Jb", "no bundle has a member"),
        (RECORDS, "is in it twice"),
    ],
)
def test_a_name_that_no_bundle_has_is_refused(tmp_path, name, why):
    path = tmp_path / "a.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name twice
        rezipped(more=[(named(name), b"x")])(path)
    with pytest.raises(UserError, match=why) as raised, opened_archive(path):
        pass
    assert raised.value.exit_code == ENVIRONMENT
    assert "\x1b" not in raised.value.message


def test_a_name_is_not_cut_at_a_zero(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({RECORDS: LINES, "results.csv": b""}).replace(b"results.csv", b"results.c\0v"))
    with pytest.raises(UserError, match="no bundle has a member"), opened_archive(path):
        pass


def test_what_is_no_plain_stored_file_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    rezipped(compress=zipfile.ZIP_DEFLATED)(path)
    with pytest.raises(UserError, match="not stored as it is"), opened_archive(path):
        pass
    rezipped(more=[(named("results.csv", 0o120777), b"/etc/passwd")])(path)
    with pytest.raises(UserError, match="no plain file"), opened_archive(path):
        pass


def test_members_that_overlap_are_refused(tmp_path):
    """Fifield's bomb: many entries of the directory lead to the same bytes."""
    data = bytearray(packed({RECORDS: LINES, BLOB: b"t" * 5000}))
    entry = data.index(b"PK\1\2")
    first = bytes(data[entry : data.index(b"PK\1\2", entry + 4)])
    copies = b"".join(first.replace(BLOB.encode(), f"blobs/{number:064x}".encode()) for number in range(3))
    end = len(data) - 22
    counted = 3 + 3
    directory = data[entry:end] + copies
    ended = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, counted, counted, len(directory), entry, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data[:entry] + directory + ended))
    with pytest.raises(UserError, match="overlap"), opened_archive(path):
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"x" * 100,
        packed({RECORDS: LINES})[:-1],
        packed({RECORDS: LINES}) + b"x",
        # a directory of 4 GiB, and one that another place (ZIP64) tells of
        packed({RECORDS: LINES})[:-10] + b"\xff\xff\xff\xff" + packed({RECORDS: LINES})[-6:],
        packed({RECORDS: LINES})[:-22] + b"PK\6\7" + bytes(16) + packed({RECORDS: LINES})[-22:],
        packed({RECORDS: LINES})[:-22].replace(b"PK\1\2", b"PK\1\3") + packed({RECORDS: LINES})[-22:],
    ],
)
def test_what_is_no_zip_file_is_one_message(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.zip: (no bundle|damaged)"), opened_archive(path):
        pass


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (b"{}", "is none"),
        (b"[" * 100_000, "is none"),
        (manifest_text({}, {}), "the members differ: records.jsonl"),
        (manifest_text({RECORDS: "0" * 64, "results.csv": "0" * 64}, {}), "the members differ: results.csv"),
        (b'{"format": 2, "made_with": {}, "members": {}}', "newer co3d-bench"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path, manifest, why):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({RECORDS: LINES}, manifest))
    with pytest.raises(UserError, match=why), opened_archive(path):
        pass


def test_a_member_with_another_hash_is_not_read(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({RECORDS: LINES}, manifest_text({RECORDS: "0" * 64}, {})))
    with pytest.raises(UserError, match="not what was bundled"), open_file(path / RECORDS):
        pass


def test_a_damaged_member_is_one_message(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({RECORDS: LINES}).replace(LINES, LINES.replace(b"1", b"2")))
    with pytest.raises(UserError, match="damaged"), open_file(path / RECORDS):
        pass


def test_a_bundle_without_records_is_none(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(packed({}))
    with pytest.raises(UserError, match=r"records\.jsonl is missing"), opened_archive(path):
        pass


def test_every_member_has_a_name_that_is_allowed():
    assert all(archive._NAME.fullmatch(name) for name in archive.MEMBERS if name != archive.BLOBS)
