"""A network's file is run as `python net.py` would run it: its imports, its command line, what of it is hashed."""

import hashlib
import importlib
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from co3d_bench.models import loading
from co3d_bench.models.custom import CustomModelError, examine, offer_of_package, open_offer
from co3d_bench.models.zoo import find_model

ROOT = Path(__file__).parents[2]
NET = """
from torch import nn

class Net(nn.Module):
    input_shape = (3, 8, 8)
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, WIDTH)
    def forward(self, x):
        return self.layer(x.flatten(2).mean(2))
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file below the current folder; what `import` knows is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    # Without this repository, which `python -m pytest` puts there: its rooms are packages like `models`, too.
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(ROOT))])

    def write(name, *lines):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(map(textwrap.dedent, lines)))

    yield write
    loading.open_code(None)


def classes(word):
    return find_model(word).classes


def test_neighbours_come_first_then_the_current_folder(write):
    write("nets/size.py", "WIDTH = 5")
    write("size.py", "WIDTH = 6")
    write("lib_here/__init__.py", "MORE = 1")
    write("nets/net.py", "from size import WIDTH\nfrom lib_here import MORE\nWIDTH += MORE", NET)
    assert classes("nets/net.py:Net") == 6


@pytest.mark.parametrize("package", ["", "raise RuntimeError('not me')"])
def test_a_folder_of_the_networks_comes_before_a_package_of_the_current_folder(write, package):
    write("models/__init__.py", package)  # as our own checkout has one
    write("user/models/mine.py", "WIDTH = 7")  # and this one has none
    write("user/net.py", "from models.mine import WIDTH", NET)
    assert classes("user/net.py:Net") == 7


@pytest.mark.parametrize("first", ["", None], ids=["empty", "named"])
def test_the_current_folder_comes_last_however_python_was_started(write, monkeypatch, tmp_path, first):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", "of python -m", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path) if first is None else first, str(tmp_path / "lib"), *sys.path])
    write("size.py", "WIDTH = 6")
    write("lib/size.py", "WIDTH = 5")  # as if it was installed
    write("nets/net.py", "from size import WIDTH", NET)
    assert classes("nets/net.py:Net") == 5


def test_what_the_file_itself_puts_first_on_the_path_comes_first(write):
    write("size.py", "WIDTH = 6")
    write("nets/size.py", "WIDTH = 5")
    write("nets/net.py", "import os, sys; sys.path.insert(0, os.getcwd())\nfrom size import WIDTH", NET)
    assert classes("nets/net.py:Net") == 6


@pytest.mark.parametrize("name", ["json", "numbers", "torch", "numpy", "click", "onnx"])
def test_no_library_is_replaced_and_the_record_says_what_is_not_used(write, name):
    write(f"{name}.py", "raise RuntimeError('not me')")
    write("net.py", f"import torch, {name}\nWIDTH = 5", NET)
    spec = find_model("net.py:Net")
    assert spec.notes() == (f"{name}.py beside the network's file is not imported: a library has that name",)


def test_an_import_that_a_library_answers_is_refused_with_the_reason(write):
    write("statistics.py", "WIDTH = 5")
    write("net.py", "from statistics import WIDTH", NET)
    with pytest.raises(CustomModelError, match=r"\(statistics.py beside it is not imported, since a library has"):
        find_model("net.py:Net")


@pytest.mark.parametrize("name", ["utils", "test", "datasets", "example"])
def test_names_that_no_library_here_needs_are_the_networks(write, name):
    write(f"{name}/__init__.py", "WIDTH = 5")
    write("net.py", f"from {name} import WIDTH", NET)
    assert classes("net.py:Net") == 5


def test_a_module_that_is_nowhere_is_refused_with_where_it_was_looked_for(write, tmp_path):
    write("nets/net.py", "import nothing_such", NET)
    with pytest.raises(CustomModelError) as raised:
        find_model("nets/net.py:Net")
    assert str(raised.value).endswith(f"(looked for in {tmp_path}/nets and {tmp_path}, and among installed packages)")


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("packages", [(), ("a", "a/b")], ids=["folders", "packages"])
def test_relative_imports_work_in_packages_and_in_mere_folders(write, levels, packages):
    for each in packages:
        write(f"{each}/__init__.py", "")
    write("a/b/size.py" if levels == 1 else "a/size.py", "WIDTH = 5")
    write("a/b/net.py", f"from {'.' * levels}size import WIDTH", NET)
    assert classes("a/b/net.py:Net") == 5


def test_an_init_file_is_the_package(write):
    write("pack/size.py", "WIDTH = 5")
    write("pack/__init__.py", "from .size import WIDTH", NET)
    assert classes("pack/__init__.py:Net") == 5


def test_a_relative_import_that_is_only_tried_needs_no_package(write):
    write("my-nets/size.py", "WIDTH = 5")
    write("my-nets/net.py", "try:\n    from .size import WIDTH\nexcept ImportError:\n    from size import WIDTH", NET)
    assert classes("my-nets/net.py:Net") == 5


@pytest.mark.parametrize(
    ("folder", "why"),
    [("my-nets", "'my-nets' cannot be the name of one; rename"), ("code", "a library is called code already; rename")],
)
def test_a_folder_that_cannot_be_a_package_is_refused(write, folder, why):
    write(f"{folder}/net.py", "from .size import WIDTH", NET)
    with pytest.raises(CustomModelError) as raised:
        find_model(f"{folder}/net.py:Net")
    assert why in str(raised.value)


def test_two_networks_in_one_process_each_have_their_own_neighbours(write):
    for folder, width in (("a", 5), ("b", 6)):
        write(f"{folder}/size.py", f"WIDTH = {width}")
        write(f"{folder}/net.py", "from size import WIDTH", NET)
    assert [classes(f"{folder}/net.py:Net") for folder in "aba"] == [5, 6, 5]
    assert [folder for folder in sys.path if folder.endswith(("/a", "/b"))] == [sys.path[0]]


def test_a_link_finds_the_neighbours_of_its_file(write, tmp_path):
    write("store/size.py", "WIDTH = 5")
    write("store/net.py", "from size import WIDTH", NET)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "other.py").symlink_to("../store/net.py")
    spec = find_model("links/other.py:Net")
    assert (spec.name, spec.classes) == ("other.py:Net", 5)


def test_a_network_that_was_saved_whole_finds_its_classes(write):
    write("net.py", "WIDTH = 5", NET, "import torch\ndef build(): return torch.load('net.pt', weights_only=False)")
    for name in ("net", "__main__"):  # imported, and as `python net.py` saves it
        find_model("net.py:Net")
        network = sys.modules["net"].Net
        network.__module__ = name
        torch.save(network(), "net.pt")
        assert classes("net.py:build") == 5


def test_the_command_line_is_the_files(write, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["co3d-bench", "show", "net.py:Net"])
    write("net.py", "import sys\nSEEN = list(sys.argv)\nWIDTH = len(sys.argv) + 4", NET)
    assert classes("net.py:Net") == 5
    seen = sys.modules["net"].SEEN
    assert seen == [str(tmp_path / "net.py")]
    assert sys.argv == ["co3d-bench", "show", "net.py:Net"]


def test_a_file_that_wants_options_is_one_line(write):
    write("net.py", "import argparse", "p = argparse.ArgumentParser(); p.add_argument('w'); p.parse_args()", NET)
    with pytest.raises(CustomModelError, match=r"line 2: SystemExit: 2 \(it ends the program, as sys.exit and arg"):
        find_model("net.py:Net")


def test_every_module_of_the_repository_that_runs_is_hashed(write, tmp_path):
    (tmp_path / ".git").mkdir()
    write("lib/size.py", "WIDTH = 5")
    write("lib/late.py", "")
    write("lib/never.py", "")
    write("nets/net.py", "from lib.size import WIDTH", NET.replace("return", "import lib.late; return"))
    hashes = {}
    for edited in ("lib/size.py", "lib/late.py", "nets/net.py", "lib/never.py"):
        hashes[edited] = find_model("nets/net.py:Net").source.sha256
        assert sorted(loading.current().modules()) == ["lib/late.py", "lib/size.py", "nets/net.py"]
        file = tmp_path / edited
        stat = file.stat()
        file.write_text(file.read_text() + "\n# edited")
        hashes[f"{edited} edited"] = find_model("nets/net.py:Net").source.sha256
        assert file.stat().st_mtime >= stat.st_mtime
    values = list(hashes.values())
    assert [one != two for one, two in zip(values[::2], values[1::2], strict=True)] == [True, True, True, False]


def test_the_hash_of_a_file_alone_is_that_of_the_file_and_of_several_of_their_list(write, tmp_path):
    def sha256(name):
        return hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()

    write("net.py", "import torch, json\nWIDTH = 5", NET)
    assert find_model("net.py:Net").source.sha256 == sha256("net.py")
    write("size.py", "WIDTH = 5")
    write("net.py", "from size import WIDTH", NET)
    listed = "".join(f"{sha256(name)}  {name}\n" for name in ("net.py", "size.py"))
    assert find_model("net.py:Net").source.sha256 == hashlib.sha256(listed.encode()).hexdigest()


def test_an_old_cache_is_not_run(write, tmp_path):
    """Python takes a file of the same size and second for the one that it compiled."""
    import os
    import py_compile

    write("net.py", "from size import WIDTH", NET)
    write("size.py", "WIDTH = 5")
    os.utime("size.py", (1e9, 1e9))
    py_compile.compile("size.py")
    write("size.py", "WIDTH = 6")
    os.utime("size.py", (1e9, 1e9))
    assert classes("net.py:Net") == 6


def test_a_repository_is_found_without_git(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    assert loading.repository_of(tmp_path / "a/b") is None
    (tmp_path / "a/.git").write_text("gitdir: elsewhere")  # a worktree or a submodule
    assert loading.repository_of(tmp_path / "a/b") == tmp_path / "a"


def test_a_network_that_needs_another_default_dtype_is_refused_with_the_reason(write):
    build = "import torch\ndef build():\n    torch.set_default_dtype(torch.float64)\n    return Net()"
    write("net.py", "WIDTH = 5", NET, build)
    with pytest.raises(CustomModelError, match=r"\(its code set default dtype to torch.float64; measured with"):
        find_model("net.py:build")


def test_a_neighbour_that_imports_the_file_gets_the_same_module(write):
    write("size.py", "WIDTH = 5\ndef is_net(net):\n    import net as theirs\n    return isinstance(net, theirs.Net)")
    write("net.py", "from size import WIDTH, is_net", NET, "def build():\n    assert is_net(Net())\n    return Net()")
    assert classes("net.py:build") == 5


def test_a_factory_of_an_editable_package_has_the_hash_of_its_repository(write, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    write("pack_of_mine/size.py", "WIDTH = 5")
    write("pack_of_mine/__init__.py", "from .size import WIDTH", NET)
    monkeypatch.syspath_prepend(tmp_path)
    offer = offer_of_package("mine", importlib.import_module("pack_of_mine").Net, "pack 1.0")
    spec = examine(open_offer(offer))
    assert (spec.classes, spec.source.package, len(spec.source.sha256)) == (5, "pack 1.0", 64)
    assert sorted(loading.current().modules()) == ["pack_of_mine/__init__.py", "pack_of_mine/size.py"]
    for name in ("pack_of_mine", "pack_of_mine.size"):
        monkeypatch.delitem(sys.modules, name)
