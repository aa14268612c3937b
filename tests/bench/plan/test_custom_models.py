"""Networks of the user's, from the command line to the record, with real processes."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import tiny_zoo
import torch
from torch import nn

from co3d_bench.bench.backends.eager import prepare
from co3d_bench.bench.measure.verify import verify
from co3d_bench.bench.plan import custom_models
from co3d_bench.bench.plan.custom_models import CustomModel, load_code
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.record.facts import model_facts
from co3d_bench.bench.record.store import read_records
from co3d_bench.bench.run.run import run
from co3d_bench.models import loading
from co3d_bench.models.continual import conversion
from co3d_bench.models.custom import CustomModelError

from ... import command
from ...factories import make_record

CODE = """
import os, torch
from torch import nn

print("chatter of the file")


class Image(nn.Module):
    input_shape = (3, 16, 16)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10))

    def forward(self, x):
        return self.layers(x)


class Everything(Image):
    def forward(self, x):
        return {"scores": super().forward(x), "parts": (x.mean(), [x])}


class Memory(nn.Module):
    # A recurrent network on vectors: looks back for ever, has no clip form.
    input_shape = (6,)

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(6, 8), nn.Linear(8, 5)

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 8),)

    def step(self, x, state):
        hidden = self.cell(x, state[0])
        return self.head(hidden), (hidden,)


def dies():
    os._exit(5)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(CODE)
    return tmp_path


# Nothing here is about speed.
QUICK = {"runs": 3, "processes": 1, "min_s": 0.0}
QUICK_WORDS = ("--runs", "3", "--processes", "1", "--budget", "0")


def started(*arguments):
    return subprocess.run([sys.executable, "-m", "co3d_bench", *arguments], capture_output=True, text=True, check=False)


call = partial(command.call, ".")


def wrong(*arguments):
    done = call("plan", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def measure(*words, out="results", **more):
    made = make_config({"plan": {"models": list(words), "threads": 1, **more}, "run": {"out": out, **QUICK}})
    return run(made)


def test_networks_of_any_kind_are_measured(here):
    models = [f"net.py:{name}" for name in ("Image", "Memory")]
    arguments = [word for model in models for word in ("--model", model)]
    done = started("run", *QUICK_WORDS, "--threads", "1", "--backend", "eager", *arguments)
    assert done.returncode == 0, done.stderr
    assert "chatter" not in done.stdout
    image, memory = read_records(Path("results"))
    assert [r.case.model for r in (image, memory)] == models
    assert all(r.verification.passed and r.timing for r in (image, memory))

    assert (image.model.form, image.model.classes, image.model.receptive_field) == ("input", 10, None)
    assert image.model.source.file == "net.py"
    assert len(image.model.source.sha256) == 64
    assert image.model.weights != "seeded"
    assert image.counters.macs == image.counters.macs_once == 16 * 16 * 4 * (27 + 1) + 16 * 16 * 4 + 10240 + 10
    assert image.notes == ()

    assert (memory.model.form, memory.model.input_shape, memory.model.receptive_field) == ("frame", (6,), None)
    assert memory.timing.warmup_predictions >= 64
    assert memory.verification.reference.endswith("64 frames from a fresh state (no clip form)")
    assert memory.counters.state_bytes == 8 * 4
    assert memory.notes == ("the network has no receptive_field: 64 frames were assumed",)

    page = (here / "results" / "report.html").read_text()
    assert "input by input" in page
    assert "net.py:Memory" in page


def test_a_batch_and_a_folder_with_a_space_and_another_current_folder(here, monkeypatch):
    (here / "my nets").mkdir()
    (here / "net.py").rename(here / "my nets" / "my net.py")
    (here / "my nets" / "bench.toml").write_text('plan.models = "my net.py:Everything"\nplan.batch = [1, 3]\n')
    done = call("run", "--config", "my nets/bench.toml", *QUICK_WORDS)
    assert done.returncode == 0, done.stderr
    records = read_records(Path("results"))
    assert [r.case.model for r in records] == ["my_net.py:Everything"] * 2
    assert [r.case.batch for r in records] == [1, 3]
    everything = records[0].model
    assert everything.source.file == str(Path("my nets", "my net.py"))
    assert everything.classes is None
    assert everything.output == "{scores: (1, 10), parts: [(), [(1, 3, 16, 16)]]}"


def test_a_file_that_is_edited_during_a_run_is_not_measured_under_the_old_name(here):
    made = make_config({"plan": {"models": ["net.py:Image"]}, "run": {"out": "results", **QUICK}})
    (here / "net.py").write_text(CODE + "\n# edited\n")
    (record,) = run(made)
    assert record.error.message == "net.py:Image: the file changed during the run; run again"
    assert record.error.detail is None
    assert record.model.source.sha256


def test_resume_measures_an_edited_file_again(here):
    table = {"plan": {"models": ["net.py:Image"]}, "run": {"out": "results", **QUICK}}
    made = make_config(table)
    (first,) = run(made)
    assert run(made, resume=True) == [first]
    (here / "net.py").write_text(CODE + "\n# edited\n")
    (again,) = run(make_config(table), resume=True)
    assert again.model.source.sha256 != first.model.source.sha256
    assert again.key == first.key
    assert len(read_records(Path("results"))) == 2


def test_a_neighbour_is_part_of_the_code_and_the_commit_is_the_networks_own(here, monkeypatch):
    def git(*words):
        settings = ("-c", "user.name=t", "-c", "user.email=t@t")
        return subprocess.run(["git", *settings, *words], check=True, capture_output=True, text=True).stdout.strip()

    (here / "random.py").write_text("raise RuntimeError('not me')\n")
    (here / "parts").mkdir()
    (here / "parts" / "size.py").write_text("SIZE = 16\n")
    (here / "net.py").write_text(f"from parts.size import SIZE\nimport torch; torch.set_num_threads(3)\n{CODE}")
    git("init", "-q")
    git("add", "net.py")
    git("commit", "-qm", "one")
    monkeypatch.setenv("GIT_DIR", str(here / "nowhere"))  # as in a hook
    model = custom_models.describe_custom("net.py:Image", here)
    monkeypatch.delenv("GIT_DIR")
    source = model.facts.source
    assert (source.git_commit, source.git_dirty) == (git("rev-parse", "HEAD"), True)  # parts is not tracked
    assert sorted(model.modules) == ["net.py", "parts/size.py"]

    record = make_record(model=model.facts)
    moved = {"git_commit": "a" * 40, "git_dirty": False, "file": "elsewhere/net.py"}
    assert custom_models.same_code(record, model)
    assert custom_models.same_code(_with_source(record, moved), model)
    assert not custom_models.same_code(_with_source(record, {"sha256": "0" * 64}), model)

    spec = custom_models.load_code(model)
    assert spec.build().layers[0].in_channels == 3
    assert spec.notes() == (f"its code set threads to 3; measured with {torch.get_num_threads()}",)
    (here / "parts" / "size.py").write_text("SIZE = 17\n")
    with pytest.raises(CustomModelError, match=r"^net.py:Image: parts/size.py changed during the run; run again$"):
        custom_models.load_code(model)
    loading.open_code(None)


def _with_source(record, changes):
    source = record.model.source.model_copy(update=changes)
    return record.model_copy(update={"model": record.model.model_copy(update={"source": source})})


def test_a_factory_that_ends_its_process_is_one_line(here):
    assert wrong("--model", "net.py:dies") == (
        "co3d-bench: --model: net.py:dies: its code ended the process (exit code 5): chatter of the file"
    )
    done = started("show", "net.py:Imag")
    assert (done.returncode, done.stderr) == (
        2,
        "chatter of the file\nco3d-bench: net.py:Imag: net.py has no Imag; did you mean Image?\n",
    )


def test_show_as_json_in_spite_of_chatter(here):
    facts = json.loads(started("show", "net.py:Memory", "--json").stdout)
    assert (facts["state_bytes"], facts["receptive_field"]) == (32, None)
    assert (facts["state_bytes_by_kind"], facts["clip_memory_floats"]) == (None, None)  # its layers are not ours
    assert "128,004" not in call("show", "net.py:Everything").stdout


class Recurrent(nn.Module):
    """The mean of all frames so far."""

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 3), torch.zeros(1))

    def step(self, frame, state):
        total, count = state[0] + frame.mean((2, 3)), state[1] + 1
        return total / count, (total, count)


class Drawn(Recurrent):
    def step(self, frame, state):
        y, state = super().step(frame, state)
        return y + torch.rand(1), state


class Unstated(tiny_zoo.TinyFrames):
    """Has a clip form, but nobody knows of how many frames."""

    receptive_field = None


class NoPieces(tiny_zoo.TinyFrames):
    prefill = property()  # raises AttributeError


@pytest.mark.parametrize(
    ("net", "memory", "passed", "words"),
    [
        (Recurrent, 1e9, True, "the same 64 frames from a fresh state"),
        (Drawn, 1e9, False, "the same 64 frames from a fresh state"),
        (Unstated, 1e9, True, "the same 64 frames from a fresh state"),
        (NoPieces, 1e9, True, "the clip form of the same 3 frames"),
        (NoPieces, 0, True, "the same 3 frames from a fresh state"),
    ],
)
def test_a_frame_network_that_cannot_be_compared_with_its_clip_form_must_repeat_itself(net, memory, passed, words):
    made, example = net().eval(), torch.zeros(2, 3, 8, 8)
    with torch.inference_mode():
        found = verify(prepare(made, example), made, example, 1e-4, memory_for_clip_bytes=memory)
    assert found.passed == passed
    assert words in found.reference


class Answers(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        (lambda x: (x.mean(1), {"max": x.argmax(1), "any": x > 0}), True),
        (lambda x: [x, x.sum()], True),
        (lambda x: x[:, :0], True),
        (lambda x: (x, torch.rand(1)), False),
        (lambda x: {"a": x, "b": x / 0}, False),
        (lambda x: x[: int(torch.randint(1, 100, ()))], False),
    ],
)
def test_answers_of_any_kind_are_compared(answer, passed):
    net, example = Answers(answer), torch.zeros(120, 4)
    torch.manual_seed(1)
    assert verify(prepare(net, example), net, example, 1e-4).passed == passed


CONVERTED = """
from torch import nn
from co3d_bench.models import continual as co


def net():
    clip = nn.Sequential(nn.Conv3d(3, 2, 3, padding=(1, 0, 0)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 4))
    return co.convert(clip, input_shape=(3, 4, 8, 8))
"""


AT_ITS_TOP = (
    CONVERTED.replace("def net", "def made")
    + """
NET = made()


def net():
    return NET
"""
)

INSIDE = (
    CONVERTED.replace("def net", "def made")
    + """
class Headed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = made(), nn.Linear(4, 2)
        self.input_shape, self.conversion = self.body.input_shape, None

    def initial_state(self, batch_size):
        return self.body.initial_state(batch_size)

    def step(self, frame, state):
        scores, state = self.body.step(frame, state)
        return self.head(scores), state


def net():
    return Headed()
"""
)


def test_a_network_that_was_converted_in_part_says_so(here, capfd):
    (here / "net.py").write_text(INSIDE)
    assert custom_models.main(f"{here}/net.py:net", "net.py:net") == 0
    own = CustomModel.model_validate(json.loads(capfd.readouterr().out)["own"])
    spec = load_code(own)
    assert own.facts.conversion.startswith("proven: ")
    assert model_facts(spec, spec.build()).conversion == own.facts.conversion


@pytest.mark.parametrize("text", [CONVERTED, AT_ITS_TOP])
def test_a_conversion_is_proven_where_the_file_is_described_and_not_again_where_it_is_measured(
    here, capfd, monkeypatch, text
):
    (here / "net.py").write_text(text)
    assert custom_models.main(f"{here}/net.py:net", "net.py:net") == 0
    own = CustomModel.model_validate(json.loads(capfd.readouterr().out)["own"])
    assert own.facts.conversion.startswith("proven: answers as the module does on clips of 3 x 4 x 8 x 8")

    def proof_of(*_):
        raise AssertionError("proven once more")

    monkeypatch.setattr(conversion, "proof_of", proof_of)
    for spec in (load_code(own), own.spec()):
        net = spec.build()
        assert net.conversion.proof == own.facts.conversion
        assert model_facts(spec, net).conversion == own.facts.conversion
        assert net.conversion.differences[0].startswith("padding: ")
    assert model_facts(own.spec(), nn.Linear(1, 1)).conversion is None
