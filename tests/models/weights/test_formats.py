"""Every form of file is read into the tensors that were written; no code in a file runs."""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import os
import pickle
import re
import sys
import zipfile

import numpy as np
import pytest
import torch

from co3d_bench.models.weights.arrays import ArrayStandIn, DtypeStandIn, read_numbers
from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.formats import read_file
from co3d_bench.models.zoo import find_model

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(7)}
BLOBS = {"a_w": np.arange(6, dtype="f4").reshape(2, 3), "a_rm": np.ones(3, dtype="f8"), "lr": 0.1}


def tensors(read):
    """All tensors of a file, without the keys of their dicts."""
    return {name.removeprefix(keys): read.tensor(name) for name, keys in read.dicts.items()}


def same(read, expected):
    found = tensors(read)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def torch_file(path, content, **options):
    torch.save(content, path, **options)
    return path


def pickled(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


CONTENTS = {
    "bare": STATE,
    "ordered": collections.OrderedDict(STATE),
    "PyTorchVideo and PySlowFast": {"model_state": STATE, "epoch": 3, "cfg": "TRAIN: ...", "optimizer_state": {}},
    "Lightning": {"state_dict": STATE, "hyper_parameters": {"lr": 0.1}},
    "deep": {"state": {"net": {"weights": STATE}}},
    "beside classes of its own": {"args": argparse.Namespace(lr=0.1), "when": datetime.date(2026, 1, 1), "w": STATE},
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_torch_files(tmp_path, content, new):
    read = read_file(torch_file(tmp_path / "w.pyth", content, _use_new_zipfile_serialization=new))
    assert read.format == ("torch" if new else "torch, before 1.6")
    same(read, STATE)


def test_numpys_numbers_beside_the_weights_do_no_harm(tmp_path):
    content = {"model_state": STATE, "optimizer_state": {"param_groups": [{"lr": np.float64(0.1)}]}}
    same(read_file(torch_file(tmp_path / "w.pyth", content)), STATE)


def python2_array(array):
    """An array as numpy 1 under Python 2 pickled it: protocol 2, numpy.core, bytes as text."""
    made = array.__reduce__()[2]
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01" + pickle.dumps(made[1], 2)[2:-1] + b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + len(array.tobytes()).to_bytes(4, "little") + array.tobytes() + b"tb"
    )


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("content", [{"blobs": BLOBS}, BLOBS], ids=["blobs", "bare"])
def test_caffe2_files(tmp_path, protocol, content):
    read = read_file(pickled(tmp_path / "w.pkl", content, protocol))
    assert read.format == "Caffe2 pickle"
    same(read, {name: torch.from_numpy(BLOBS[name]) for name in ("a_w", "a_rm")})


def test_caffe2_files_of_numpy_1_and_python_2(tmp_path):
    array = np.arange(6, dtype="f4").reshape(2, 3)
    path = tmp_path / "w.pkl"
    path.write_bytes(b"\x80\x02}U\x05blobs}U\x03a_w" + python2_array(array) + b"ss.")
    same(read_file(path), {"a_w": torch.from_numpy(array)})


def test_arrays_of_another_machine_and_order(tmp_path):
    array = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    read = read_file(pickled(tmp_path / "w.pkl", {"blobs": {"a_w": array}}))
    assert torch.equal(tensors(read)["a_w"], torch.arange(6.0).reshape(2, 3))


def array_of(shape, code="f4", data=bytes(24), by_columns=False):
    made = ArrayStandIn()
    made.__setstate__((1, shape, DtypeStandIn(code), by_columns, data))
    return made


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("shape", [(-1,), (-1, 6), (-2, -3), (-1, -6), (7,), (), (1 << 70,), (3, 1 << 64, 2)])
def test_an_array_whose_shape_is_not_that_of_its_bytes(shape, by_columns):
    with pytest.raises((ValueError, RuntimeError)):
        array_of(shape, by_columns=by_columns).tensor()


def test_arrays_without_numbers_and_numbers_that_are_none():
    assert array_of((0, 3), data=b"").tensor().shape == (0, 3)
    with pytest.raises((ValueError, RuntimeError)):
        array_of((-1, 0), data=b"").tensor()
    records = array_of((6,))
    records.dtype.__setstate__((3, "<", None, ("field",), {"field": 0}, 4, 4, 0))
    assert records.tensor() is None
    assert array_of((3,), code="O8").tensor() is None


def test_each_half_of_a_complex_number_has_its_own_byte_order():
    written = np.array([1 + 2j, 3 - 4j], ">c8")
    found = read_numbers(bytearray(written.tobytes()), torch.complex64, swapped=sys.byteorder == "little")
    assert found.tolist() == written.tolist()


class Runs:
    """Code that a pickle would run."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


CODE = {
    "os.system": (Runs(os.system, "touch harm"), "posix.system"),
    "eval": (Runs(eval, "open('harm', 'w')"), "builtins.eval"),
    "getattr": (Runs(getattr, "text", "upper"), "builtins.getattr"),
    "numpy's loader": (Runs(np.load, "harm"), "numpy.load"),
}


@pytest.mark.parametrize(("code", "name"), CODE.values(), ids=CODE.keys())
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_carries_code_is_refused(tmp_path, monkeypatch, code, name, protocol):
    monkeypatch.chdir(tmp_path)
    path = pickled(tmp_path / "w.pkl", {"blobs": {"a_w": BLOBS["a_w"], "b": code}}, protocol)
    with pytest.raises(WeightsError, match="refused, and none of it was run: it asks for ") as caught:
        read_file(path)
    assert name.rpartition(".")[2] in str(caught.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_a_torch_file_that_carries_code_is_refused(tmp_path, monkeypatch, new):
    monkeypatch.chdir(tmp_path)
    content = {"model_state": STATE, "extra": Runs(os.system, "touch harm")}
    path = torch_file(tmp_path / "w.pyth", content, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=r"refused, and none of it was run: it asks for posix\.system") as caught:
        read_file(path)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_a_whole_network_instead_of_its_weights_is_refused(tmp_path, new):
    path = torch_file(tmp_path / "w.pth", torch.nn.Linear(2, 2), _use_new_zipfile_serialization=new)
    with pytest.raises(
        WeightsError, match=r"holds a whole network \(torch\.nn\.modules\.linear\.Linear\).* none was run"
    ):
        read_file(path)
    content = {"model": torch.nn.Linear(2, 2), "epoch": 3}
    path = torch_file(tmp_path / "two.pth", content, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=r"has model, epoch; a whole object \(torch\.nn\.modules\.linear\.Linear\)"):
        read_file(path)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_numbers_that_stand_for_their_negatives_are_not_taken_as_they_are(tmp_path, new):
    content = {"weight": torch._neg_view(torch.ones(2))}
    path = torch_file(tmp_path / "w.pth", content, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match=r"w\.pth: holds a tensor as the negative of its numbers; save what its"):
        read_file(path)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_program_instead_of_weights_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(WeightsError, match=r"a TorchScript program, not weights; save the network's state_dict\(\)"):
        read_file(path)


def test_another_encoding_than_that_of_arrays_is_refused(tmp_path):
    path = tmp_path / "w.pkl"
    path.write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")
    with pytest.raises(WeightsError, match="refused"):
        read_file(path)


def write_torch(path):
    return torch_file(path, STATE)


def write_old_torch(path):
    return torch_file(path, STATE, _use_new_zipfile_serialization=False)


def write_pickle(path):
    return pickled(path, {"blobs": BLOBS})


@pytest.mark.parametrize("write", [write_torch, write_old_torch, write_pickle])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_cut_short(tmp_path, write, share):
    path = write(tmp_path / "w")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=r"damaged or cut short \(.*\); fetch it again") as caught:
        read_file(path)
    assert len(str(caught.value).splitlines()) == 1


OTHERS = {
    "nothing": (b"", "is empty; fetch it again"),
    "a web page": (b"<!doctype html><title>404</title>", "a web page, not weights"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
    "a compressed file": (b"\x1f\x8b\x08", "a compressed file; unpack it"),
    "an index": (b'{"weight_map": {}}', "an index names files that hold parts"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n", "an HDF5 file; save its arrays with torch.save"),
    "pickled tensors": (pickle.dumps(STATE), "tensors written by pickle itself; write them with torch.save"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "not a file of weights; torch files"),
    "a list": (pickle.dumps([1, 2]), "holds a list, not weights by name"),
    "no arrays": (pickle.dumps({"epoch": 3, "lr": 0.1}), "holds no weights; it has epoch, lr"),
    "text in arrays": (pickle.dumps({"blobs": {"a": np.array(["b"])}}), "a: an array of 'U1', not of numbers"),
}


@pytest.mark.parametrize(("content", "message"), OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_file_of_weights(tmp_path, content, message):
    path = tmp_path / "w.pkl"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_file(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"w\.pth: no such file"):
        read_file(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


LIES = {
    # As pickles, since numpy itself would not write them: (code of the type, its state, shape, data).
    "objects as bytes": ("O8", (3, "|", None, None, None, 8, 8, 0), (1,), b"\x01" * 8),
    "numbers that hold objects": ("f8", (3, "<", None, None, None, 8, 8, 63), (1,), b"\x01" * 8),
    "fields": ("V8", (3, "|", None, ("a",), {"a": (None, 0)}, 8, 8, 16), (1,), b"\x01" * 8),
    "more than there is": ("f4", (3, "<", None, None, None, -1, -1, 0), (1 << 40,), b"\x01" * 8),
    "less than nothing": ("f4", (3, "<", None, None, None, -1, -1, 0), (-7,), b"\x01" * 8),
    "shape of text": ("f4", (3, "<", None, None, None, -1, -1, 0), "ab", b"\x01" * 8),
}


class Lie:
    """An array whose type is not what numpy would say."""

    def __init__(self, code, state, shape, data):
        self.parts = (code, state, shape, data)

    def __reduce__(self):
        code, state, shape, data = self.parts
        made = np.empty(0).__reduce__()
        return (*made[:2], (1, shape, LyingType(code, state), False, data))


class LyingType:
    def __init__(self, code, state):
        self.code, self.state = code, state

    def __reduce__(self):
        return np.dtype, (self.code, False, True), self.state


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_arrays_that_are_not_what_they_claim(tmp_path, lie):
    path = pickled(tmp_path / "w.pkl", {"blobs": {"a_w": Lie(*lie)}})
    code = lie[0]
    if code == "f8":  # whatever else is said of them, numbers are numbers
        assert tensors(read_file(path))["a_w"].tolist() == np.frombuffer(lie[3]).tolist()
        return
    with pytest.raises(WeightsError, match=r"a_w: (an array of '..', not of numbers|damaged \(.*\); fetch the file)"):
        read_file(path)


def test_a_pickle_cannot_change_the_functions_it_calls(tmp_path):
    path = tmp_path / "w.pkl"
    path.write_bytes(b"\x80\x02c_codecs\nencode\n}X\x0c\x00\x00\x00__defaults__)sb.")
    with pytest.raises(WeightsError, match="refused"):
        read_file(path)


def test_names_out_of_a_file_stay_on_one_line(tmp_path):
    path = torch_file(tmp_path / "w.pth", {"a\nb\x1b[31m": torch.zeros(1)})
    assert list(tensors(read_file(path))) == ["a?b?[31m"]


def zip_of(path, pickled, storages=None, folder="w", compress=zipfile.ZIP_STORED, **more):
    """A file in torch's new form, of a pickle and of storages that need not belong together."""
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled)
        for key, data in (storages if storages is not None else {"0": np.arange(6, dtype="f4").tobytes()}).items():
            archive.writestr(f"{folder}/data/{key}", data)
        for name, data in more.items():
            archive.writestr(f"{folder}/{name}", data)
    return path


def rebuild(
    offset="K\x00", shape="K\x02K\x03\x86", stride="K\x03K\x01\x86", storage="FloatStorage", key="0", count="K\x06"
):
    """The pickle of {"a": a tensor}, with whatever is claimed of it."""
    text = f"X{chr(len(key))}\x00\x00\x00{key}"
    pid = f"(X\x07\x00\x00\x00storagectorch\n{storage}\n{text}X\x03\x00\x00\x00cpu{count}t"
    return (
        f"\x80\x02}}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n({pid}Q{offset}{shape}{stride}\x89}}tRs."
    ).encode("latin1")


def test_a_pickle_written_by_hand_is_read(tmp_path):
    assert torch.equal(tensors(read_file(zip_of(tmp_path / "w.pth", rebuild())))["a"], torch.arange(6.0).reshape(2, 3))


HUGE = "J\xff\xff\xff\x7f"
CLAIMS = {
    "an offset beyond the end": rebuild(offset="K\x01"),
    "an offset before the beginning": rebuild(offset="J\xff\xff\xff\xff"),
    "a stride beyond the end": rebuild(stride="K\x09K\x01\x86"),
    "a stride backwards": rebuild(stride="J\xff\xff\xff\xffK\x01\x86"),
    "more than there is": rebuild(shape=f"{HUGE}{HUGE}\x86"),
    "a negative length": rebuild(shape="J\xff\xff\xff\xffK\x03\x86"),
    "a length of text": rebuild(shape="X\x02\x00\x00\x00ab"),
    "a stride too few": rebuild(stride="K\x01\x85"),
    "a storage of more numbers than bytes": rebuild(count="M\x00\x10"),
    "a storage that is not there": rebuild(key="9"),
    "a storage outside": rebuild(key="../../w"),
    "a storage of no type": rebuild(storage="nn"),
    "a wider type than written": rebuild(storage="DoubleStorage"),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_tensor_that_lies_outside_its_file_is_damaged(tmp_path, claim):
    path = zip_of(tmp_path / "w.pth", claim)
    with pytest.raises(WeightsError, match=r"w\.pth: (a: )?damaged") as caught:
        tensors(read_file(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_tensor_of_one_number_repeated_takes_no_more_than_that(tmp_path):
    path = zip_of(tmp_path / "w.pth", rebuild(shape=f"{HUGE}{HUGE}\x86", stride="K\x00K\x00\x86"))
    assert read_file(path).tensor("a").untyped_storage().nbytes() == 4


BOMBS = {
    "an object kept under a number of four bytes": b"\x80\x02}r\xff\xff\xff\x7f.",
    "bytes of eight gigabytes": b"\x80\x04}C\x01a\x8e" + (1 << 33).to_bytes(8, "little") + b"s.",
    "an array of bytes that are not there": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",
    "a long list as pairs, over and over": b"\x80\x02]q\x00(" + b"K\x01K\x02\x86" * 50 + b"e"
    + b"ccollections\nOrderedDict\nh\x00\x85R" * 50 + b".",
    "ten thousand lists in one another": b"\x80\x02" + b"(" * 10_000 + b"l" * 10_000 + b".",
    "an empty pickle": b"",
    "no end": b"\x80\x02}",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_small_file_does_not_fill_the_memory(tmp_path, bomb):
    with pytest.raises(WeightsError, match=r"(damaged or cut short|holds a )"):
        read_file(zip_of(tmp_path / "w.pth", bomb))


def test_a_dict_in_itself_and_many_in_one_another_end(tmp_path):
    loop: dict = {"w": torch.ones(2)}
    loop["self"] = loop
    assert list(read_file(torch_file(tmp_path / "w.pth", loop)).stored) == ["w"]
    wide = {"w": torch.ones(2)}
    for _ in range(40):
        wide = dict.fromkeys("abcdefgh", wide)
    with pytest.raises(WeightsError, match="holds no weights"):
        read_file(torch_file(tmp_path / "wide.pth", wide))


STRANGE_CALLS = {
    "state for a function": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
    "state for a type": b"\x80\x02ctorch\nFloatStorage\n}X\x05\x00\x00\x00dtypeK\x01sb.",
    "a storage of a storage": b"\x80\x02(X\x07\x00\x00\x00storage(X\x07\x00\x00\x00storageK\x01tQK\x01K\x01K\x01tQ.",
    "a storage of nothing": b"\x80\x02NQ.",
    "a call of a number": b"\x80\x02K\x01)R.",
}


@pytest.mark.parametrize("pickle_", STRANGE_CALLS.values(), ids=STRANGE_CALLS.keys())
def test_pickles_that_no_program_writes(tmp_path, pickle_):
    with pytest.raises(WeightsError, match=r"damaged or cut short|refused"):
        read_file(zip_of(tmp_path / "w.pth", pickle_))


@pytest.mark.parametrize(
    "name", ["os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.getattr", "sys.exit",
             "importlib.import_module", "runpy.run_path", "shutil.rmtree", "webbrowser.open"],
)  # fmt: skip
def test_whatever_python_could_run_is_refused(tmp_path, name):
    module, _, function = name.rpartition(".")
    call = f"\x80\x02c{module}\n{function}\nX\x04\x00\x00\x00harm\x85R.".encode("latin1")
    with pytest.raises(WeightsError, match=rf"refused, and none of it was run: it asks for {re.escape(name)}"):
        read_file(zip_of(tmp_path / "w.pth", call))


def test_the_code_of_packages_is_neither_imported_nor_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    calls = b"celsewhere\nrun\nX\x04\x00\x00\x00harm\x85R}X\x01\x00\x00\x00xK\x01sb0"
    path = zip_of(tmp_path / "w.pth", rebuild().replace(b"\x80\x02", b"\x80\x02" + calls, 1))
    assert list(tensors(read_file(path))) == ["a"]
    assert "elsewhere" not in sys.modules


def test_a_compressed_zip_is_not_unpacked(tmp_path):
    path = zip_of(tmp_path / "w.pth", rebuild(), {"0": b"\0" * 10_000_000}, compress=zipfile.ZIP_DEFLATED)
    with pytest.raises(
        WeightsError, match=r"a zip that is compressed, as torch's never are; unpack it and zip it again"
    ):
        read_file(path)


OTHER_ZIPS = {
    "arrays": ({"a.npy": b"x"}, r"numpy arrays \(\.npz\)"),
    "a program": ({"m/data.pkl": b"x", "m/constants.pkl": b"x", "m/code/x.py": b""}, "a TorchScript program"),
    "an exported program": ({"serialized_exported_program.json": b"{}"}, r"a program of torch\.export"),
    "documents": ({"a.txt": b"x"}, r"a zip without the data\.pkl of a torch file"),
}


@pytest.mark.parametrize(("files", "message"), OTHER_ZIPS.values(), ids=OTHER_ZIPS.keys())
def test_zips_of_other_programs_are_called_by_their_name(tmp_path, files, message):
    path = tmp_path / "w.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(WeightsError, match=message):
        read_file(path)


def tensors_of_all_kinds():
    base = torch.arange(24.0).reshape(2, 3, 4)
    kinds = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
    )
    return {
        **{str(kind): torch.arange(5).to(kind) for kind in (*kinds, torch.bool, torch.complex64, torch.float8_e5m2)},
        "transposed": base.transpose(0, 2),
        "a part": base[1, 1:, 2],
        "the same storage": base,
        "repeated": torch.ones(1, 4).expand(3, 4),
        "one number": torch.tensor(3.0),
        "none": torch.empty(0, 3),
        "a parameter": torch.nn.Parameter(torch.ones(2)),
        "channels last": torch.rand(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    }


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4},
                                     {"_use_new_zipfile_serialization": False, "pickle_protocol": 4}])  # fmt: skip
def test_the_same_tensors_as_torch_itself_reads(tmp_path, options):
    content = tensors_of_all_kinds()
    if options:  # the types without a storage of their own, float8, are of the new form
        del content["torch.float8_e5m2"]
    path = torch_file(tmp_path / "w.pth", content, **options)
    expected = torch.load(path, weights_only=False)  # our own file
    found = tensors(read_file(path))
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        as_bytes = (one.contiguous().view(-1).view(torch.uint8) for one in (found[name], tensor))
        assert torch.equal(*as_bytes)
        assert found[name].shape == tensor.shape


@pytest.mark.parametrize("name", ["x3d-xs", "cox3d-s-13"])
def test_the_state_of_a_network_as_torch_itself_reads_it(tmp_path, name):
    net = find_model(name).build()
    path = torch_file(tmp_path / "w.pth", net.state_dict())
    same(read_file(path), torch.load(path, weights_only=True))


def test_a_file_written_without_checksums_and_one_of_the_other_byte_order(tmp_path):
    data = {"0": np.arange(6, dtype=">f4").tobytes()}
    path = zip_of(tmp_path / "w.pth", rebuild(), data, byteorder=b"big")
    assert torch.equal(tensors(read_file(path))["a"], torch.arange(6.0).reshape(2, 3))


def safetensors(path, header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + np.arange(6, dtype="<f4").tobytes())
    return path


def test_safetensors(tmp_path):
    row = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    read = read_file(safetensors(tmp_path / "w.safetensors", {"__metadata__": {"format": "pt"}, "a": row}))
    assert read.format == "safetensors"
    same(read, {"a": torch.arange(6.0).reshape(2, 3)})


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_safetensors_of_unsigned_integers(tmp_path, bits):
    row = {"dtype": f"U{bits}", "shape": [24 * 8 // bits], "data_offsets": [0, 24]}
    (read,) = tensors(read_file(safetensors(tmp_path / "w.safetensors", {"a": row}))).values()
    assert read.dtype == getattr(torch, f"uint{bits}")
    assert torch.equal(read.view(torch.float32), torch.arange(6.0))


LYING_ROWS = (
    {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 24]},
    {"dtype": "F32", "shape": [2], "data_offsets": [20, 28]},
    {"dtype": "F32", "shape": [-1], "data_offsets": [0, 24]},
    {"dtype": "F4", "shape": [6], "data_offsets": [0, 24]},
    {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 24]},
    {"dtype": "F32"},
    3,
)


@pytest.mark.parametrize("row", LYING_ROWS)
def test_safetensors_that_lie(tmp_path, row):
    with pytest.raises(WeightsError, match="damaged"):
        tensors(read_file(safetensors(tmp_path / "w.safetensors", {"a": row})))


def test_safetensors_with_a_header_that_is_none(tmp_path):
    with pytest.raises(WeightsError, match="damaged or cut short"):
        read_file(safetensors(tmp_path / "w.safetensors", b'{"a": [1, 2'))
