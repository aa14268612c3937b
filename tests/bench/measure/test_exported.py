"""A written file is run again: one that answers otherwise than the network is not kept."""

import pytest
import torch
from torch import nn

from co3d_bench.bench.errors import FAILED, UserError
from co3d_bench.bench.export import Options, get_format
from co3d_bench.bench.measure.exported import check_file
from co3d_bench.cli.verbs import call
from co3d_bench.models.example import as_called, read_example


class Sums(nn.Module):
    """Keeps a sum of all that it saw, which a traced graph forgets."""

    def __init__(self):
        super().__init__()
        self.fc, self.seen = nn.Linear(3, 5), torch.zeros(1)

    def forward(self, x):
        self.seen = self.seen + x.mean()
        return self.fc(x) + self.seen


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 5)

    def forward(self, tokens, scale):
        return self.table(tokens).mean(1) * scale


def checked(folder, net, example, name="torch-export"):
    example, format = read_example(net, example), get_format(name)
    net = as_called(net, example).eval()
    with torch.no_grad():
        files = format.write(net, example.itself(), folder / f"net{format.suffix}", Options())
        return check_file(format, files, net, example, 1, torch.float32, 1e-4)


@pytest.mark.parametrize("name", ["torch-export", "onnx"])
def test_a_file_of_two_tensors_answers_as_the_network(tmp_path, name):
    pytest.importorskip("onnxruntime")
    found = checked(tmp_path, Two(), {"tokens": torch.randint(0, 9, (1, 4)), "scale": torch.rand(1, 1)}, name)
    assert found.startswith("verified: ")
    assert found.endswith("on 16 inputs")


def test_a_lost_state_is_found_and_named(tmp_path):
    with pytest.raises(UserError, match="keeps a state inside; return co3d_bench") as raised:
        checked(tmp_path, Sums(), torch.zeros(1, 3), "aten-json")
    assert raised.value.exit_code == FAILED
    assert raised.value.message.startswith("net.aten.zip: not written: it is ")


CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 5)

    def forward(self, x):
        return nn.functional.dropout(self.fc(x))


def net():
    return Net(), torch.zeros(1, 3)
"""


def test_the_verb_keeps_nothing_that_is_wrong_unless_asked_to(tmp_path, capsys):
    (tmp_path / "net.py").write_text(CODE)
    out = tmp_path / "out"
    out.mkdir()
    words = ["export", f"{tmp_path}/net.py:net", "-o", str(out / "net.pt2")]
    with pytest.raises(UserError, match="draws random numbers"):
        call(words)
    assert list(out.iterdir()) == []
    assert "net.pt2: now run and compared" in capsys.readouterr().err
    call([*words, "--no-verify"])
    assert [file.name for file in out.iterdir()] == ["net.pt2"]
    assert "not verified (--no-verify)" in capsys.readouterr().err
