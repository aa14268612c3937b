"""What a factory of the user's may give, and one clear line for everything it may not."""

import pytest

from co3d_bench.models.custom import CustomModelError, absolute, is_file
from co3d_bench.models.zoo import UnknownModelError, find_model

HEAD = """
import torch
from torch import nn
from co3d_bench.models.spec import ModelSpec, Preprocessing


class Net(nn.Module):
    input_shape = (3, 8, 8)

    def __init__(self, answer=lambda scores: scores):
        super().__init__()
        self.layer, self.answer = nn.Linear(3, 5), answer

    def forward(self, x):
        return self.answer(self.layer(x.flatten(2).mean(2)))


class Steps(Net):
    receptive_field = 1
    state = lambda self: (torch.zeros(1, 2),)

    def initial_state(self, batch_size):
        return self.state()

    def step(self, frame, state):
        return self(frame), state


def with_example(shape, net=None, **options):
    return lambda: (net or Net(), torch.zeros(shape, **options))
"""

LINE = HEAD.count("\n") + 1  # of what a test adds


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(code, name="net.py"):
        (tmp_path / name).write_text(HEAD + code)
        return f"{name}:build"

    return write


CLIP = (3, 4, 8, 8)
FOUND = [
    ("build = Net", ("input", (3, 8, 8), 5, None)),
    ("build = with_example((1, 3, 4, 8, 8))", ("clip", CLIP, 5, None)),
    ("build = with_example((1, 3, 6))", ("input", (3, 6), 5, None)),
    ("build = Steps", ("frame", (3, 8, 8), 5, None)),
    ("build = with_example((1, 3, 6), Steps())", ("frame", (3, 6), 5, None)),
    ("def build(): return Net(lambda y: (y, [y]))", ("input", (3, 8, 8), None, "[(1, 5), [(1, 5)]]")),
    ("def build(): return Net(lambda y: {'a': y, 'b': None})", ("input", (3, 8, 8), None, "{a: (1, 5), b: NoneType}")),
    ("def build(): return Net(lambda y: y[..., None])", ("input", (3, 8, 8), None, "(1, 5, 1)")),
]


@pytest.mark.parametrize(("code", "expected"), FOUND, ids=[code for code, _ in FOUND])
def test_what_a_factory_may_give(write, code, expected):
    spec = find_model(write(code))
    assert (spec.form, spec.input_shape, spec.classes, spec.output) == expected
    assert spec.name == spec.title == "net.py:build"
    assert spec.source.file == "net.py"
    assert spec.build().layer.in_features == 3


def test_a_whole_spec_keeps_everything_but_its_name(write):
    word = write(
        "how = Preprocessing((0.5,) * 3, (0.5,) * 3, 8, 1)\n"
        "def build(): return ModelSpec('x3d-m', 'My Net', 'mine', 'input', (3, 8, 8), 5, Net, how)"
    )
    spec = find_model(word)
    assert (spec.name, spec.title, spec.family) == ("net.py:build", "My Net", "mine")
    assert spec.preprocessing.short_side == 8


WRONG = [
    (
        "build = 3",
        "net.py:build: is an int, not a factory; write a function without arguments that returns the network",
    ),
    ("build = Net()", "net.py:build: is a Net, not a factory; write a function"),
    ("def biuld(): pass", "net.py:build: net.py has no build; did you mean biuld?"),
    ("build = lambda size: Net()", "net.py:build: the factory failed: TypeError: "),
    (
        "\ndef build():\n    raise OSError('no weights\\nhere')",
        f"the factory failed: line {LINE + 2}: OSError: no weights",
    ),
    ("import nothing_such", f"net.py:build: cannot be imported: line {LINE}: ModuleNotFoundError: No module named"),
    ("def build(:", f"net.py:build: cannot be imported: line {LINE}: SyntaxError: "),
    ("raise SystemExit(3)", f"net.py:build: cannot be imported: line {LINE}: SystemExit: 3"),
    ("def build(): pass", "net.py:build: returned None; a factory returns an nn.Module with input_shape, "),
    ("def build(): return Net(), None, 3", "net.py:build: returned a tuple of Net, NoneType, int; a factory returns"),
    ("def build(): return Net(), 3", "net.py:build: the example input is an int, which holds no tensor; give torch"),
    ("build = with_example((3, 8, 8))", "the example input has the shape (3, 8, 8); give exactly what the network is"),
    ("build = with_example((1, 3, 6), dtype=torch.float64)", "is torch.float64; give torch.float32, integers or bool"),
    (
        "build = lambda: nn.Linear(3, 5)",
        "net.py:build: returned a Linear with input_shape=None; set input_shape, a tuple",
    ),
    ("build = with_example((1, 4, 8, 8))", "fails on its example (1, 4, 8, 8): line 15: RuntimeError: mat1 and mat2"),
    ("def build(): return Net(lambda y: 'cat')", "the network returned str, which holds no tensor"),
    (
        "class build(Steps):\n    state = lambda self: torch.zeros(1)",
        "returned a Tensor as the state; it must be a tuple of",
    ),
    (
        "class build(Steps):\n    state = lambda self: ((),)",
        "returned a tuple of tuple as the state; it must be a tuple of tens",
    ),
    (
        "class build(Steps):\n    def step(self, x, s): return self(x)",
        "step returned a Tensor; it must return (scores, next",
    ),
    ("class build(Steps):\n    receptive_field = 0", "receptive_field is 0; it must be a number of frames, at least 1"),
    ("class build(Net):\n    preprocessing = 3", "preprocessing is an int, not a co3d_bench.models.spec.Preproc"),
    (
        "def build(): return ModelSpec('a', 'A', 'a', 'frame', (3, 8, 8), 5, Net, None)",
        "net.py:build: its ModelSpec has form='frame', but the network runs as 'input'",
    ),
]


@pytest.mark.parametrize(("code", "message"), WRONG, ids=[code for code, _ in WRONG])
def test_an_error_is_one_line_with_its_line_number(write, code, message):
    with pytest.raises(CustomModelError) as raised:
        find_model(write(code))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none.py:build", "none.py:build: no such file"),
        ("folder.py:build", "folder.py:build: cannot be read: Is a directory"),
        ("net.txt:build", "net.txt:build: net.txt is not a Python file (.py); write path/to/file.py:factory"),
        ("net.py", "net.py: name the factory too: net.py:FACTORY"),
        ("net.py:", "net.py:: '' is not the name of a factory; write path/to/file.py:factory"),
        ("net.py:a.b", "net.py:a.b: 'a.b' is not the name of a factory"),
        ("nets/x3d-m", "nets/x3d-m: name the factory too: path/to/file.py:factory"),
        (":build", ":build: nothing is not a Python file"),
    ],
)
def test_a_word_that_names_no_file(tmp_path, monkeypatch, word, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UnknownModelError) as raised:
        find_model(word)
    assert str(raised.value).startswith(message)


def test_names_are_words_and_the_same_over_edits(write):
    word = write("build = Net", "my net (1).py")
    before, name = find_model(word), "my_net_1_.py:build"
    write("build = lambda: Net()", "my net (1).py")
    after = find_model(word)
    assert before.name == after.name == name
    assert before.source.sha256 != after.source.sha256


def test_the_text_of_the_file_is_run_and_no_cache_is_left(write, tmp_path):
    find_model(write("build = Net"))
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_a_neighbour_can_be_imported_but_replaces_no_library(write, tmp_path):
    (tmp_path / "layers_of_mine.py").write_text("from torch.nn import Linear\n")
    (tmp_path / "numbers.py").write_text("raise RuntimeError('not me')\n")
    assert find_model(write("import layers_of_mine, numbers\nbuild = Net")).classes == 5


def test_what_the_file_prints_is_not_on_standard_output(write, capsys):
    find_model(write("print('hello')\ndef build():\n    print('hello')\n    return Net()"))
    assert capsys.readouterr().out == ""


def test_references():
    assert is_file("a/b.py:build")
    assert is_file("b.py")
    assert not is_file("cox3d-m-16")
    assert str(absolute("../b.py:build", "/a/c")) == "/a/b.py:build"
