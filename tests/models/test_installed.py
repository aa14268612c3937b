"""Networks of other packages, with real packages: a folder with dist-info on the path."""

import os
import subprocess
import sys

import pytest

CODE = """
from dataclasses import replace
from co3d_bench.models.spec import Family, ModelSpec, Preprocessing


def build():
    import torch

    class Net(torch.nn.Module):
        input_shape = (3, 8, 8)

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 5)

        def forward(self, x):
            return self.layer(x.mean((2, 3)))

    return Net()


SPEC = ModelSpec("guest-one", "Guest One", "guest", "input", (3, 8, 8), 5, build, None)
OURS = replace(SPEC, name="x3d-m")
ODD = replace(SPEC, name="guest two")
FAMILY = Family(
    "guests",
    (replace(SPEC, name="guest-3"),),
    lambda name: replace(SPEC, name=name) if name.startswith("guest-") and name[6:].isdigit() else None,
    pattern="guest-NUMBER",
)
NOTHING = 3
"""


@pytest.fixture
def install(tmp_path):
    (tmp_path / "site" / "guests").mkdir(parents=True)
    (tmp_path / "site" / "guests" / "__init__.py").write_text(CODE)

    def install(**entries):
        info = tmp_path / "site" / "guests-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guests\nVersion: 1.2\n")
        lines = [f"{name.replace('_', '-')} = guests:{thing}" for name, thing in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[co3d_bench.models]", *lines]))

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "co3d_bench", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            check=False,
        )

    install.call = call
    return install


def test_they_are_listed_behind_ours(install):
    install(one="SPEC", many="FAMILY", built="build")
    done = install.call("list", "models")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()}
    assert rows["guest-one"] == "Guest One input 3x8x8 from guests 1.2"
    assert rows["guest-3"] == "Guest One input 3x8x8 from guests 1.2"
    assert rows["built"] == "from guests 1.2"
    assert rows["guest-NUMBER"] == "any pool length, in frames; from an installed package"
    assert list(rows).index("x3d-xs") < list(rows).index("guest-3")


def test_they_are_planned_by_name_and_a_factory_is_called_like_its_entry_point(install):
    install(many="FAMILY", built="build")
    done = install.call("plan", "--model", "guest-77", "--model", "x3d-s", "--threads", "1", "--backend", "eager")
    assert done.stdout.split() == ["guest-77/cpu/eager/fp32/b1/t1/random-0", "x3d-s/cpu/eager/fp32/b1/t1/random-0"]
    shown = install.call("show", "built")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "package guests 1.2" in shown.stdout


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("OURS", "package guests 1.2: its network x3d-m is left out: another one has that name"),
        ("ODD", "package guests 1.2: its network 'guest two' is left out: a name is letters, digits and . _ -"),
        ("MISSING", "package guests 1.2: its networks 'thing' cannot be loaded: AttributeError: "),
        (
            "NOTHING",
            "package guests 1.2: its networks 'thing' cannot be loaded: TypeError: it is of type int",
        ),
    ],
)
def test_what_does_not_fit_is_one_warning_and_ours_are_there(install, thing, message):
    install(thing=thing)
    done = install.call("list", "models")
    assert done.returncode == 0
    assert done.stderr.startswith(f"co3d-bench: warning: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert [line.split()[0] for line in done.stdout.splitlines()].count("x3d-m") == 1
    assert "guest" not in done.stdout


def test_two_of_one_name_are_a_warning(install):
    install(a="SPEC", b="SPEC")
    done = install.call("list", "models")
    assert "guest-one is left out" in done.stderr
    assert done.stdout.count("guest-one") == 1


def test_an_unknown_name_lists_theirs_too(install):
    install(built="build")
    done = install.call("plan", "--model", "bulit")
    assert (done.returncode, done.stderr) == (2, "co3d-bench: --model: bulit: did you mean built?\n")
