"""Every form of file is read into the tensors that were written; no code in a file runs."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import pickle

import numpy as np
import pytest
import torch

from co3d_bench.models.weights.errors import WeightsError
from co3d_bench.models.weights.formats import read_file

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


def test_a_whole_network_instead_of_its_weights_is_refused(tmp_path):
    path = torch_file(tmp_path / "w.pth", torch.nn.Linear(2, 2))
    with pytest.raises(
        WeightsError, match=r"holds a whole network \(torch\.nn\.modules\.linear\.Linear\).* none was run"
    ):
        read_file(path)
    path = torch_file(tmp_path / "two.pth", {"model": torch.nn.Linear(2, 2), "epoch": 3})
    with pytest.raises(WeightsError, match=r"has model, epoch; a whole object \(torch\.nn\.modules\.linear\.Linear\)"):
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
