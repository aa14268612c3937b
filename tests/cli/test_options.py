"""The table of run options: held against the keys and defaults of bench.toml, and against the verbs there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.plan.config import Tables, read_config
from co3d_bench.bench.run.ready import aim_of_run
from co3d_bench.cli.options import CONFIG, RUN_OPTIONS
from co3d_bench.cli.profile import profile
from co3d_bench.cli.run import run
from co3d_bench.cli.verbs import app

SHOWN = [row for row in RUN_OPTIONS if not row.hidden]
# Their default is said in words, for it is no value.
IN_WORDS = (
    "--model",
    "--suite",
    "--weights",
    "--classes",
    "--host",
    "--backend",
    "--video",
    "--fps",
    "--every",
    "--data",
    "--films",
    "--limit",
    "--start",
    "--frames",
    "--drop",
)
# What a verb cannot be called without.
NEEDED = {"transient": ("cox3d-s-13",), "export": ("x3d-s", "-o", "net.onnx")}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def given(verb, *arguments):
    return verb.given(verb.make_context(verb.name, list(arguments)))


def asked_for(*arguments, verb=run):
    """The config that a verb gets of these words, before this machine is asked."""
    found = given(verb, *arguments)
    return read_config(found.config, found.overrides)


@pytest.mark.parametrize("row", [CONFIG, *RUN_OPTIONS], ids=lambda row: row.flag)
def test_a_row_names_a_key_of_bench_toml_and_verbs_that_there_are(row):
    assert set(row.verbs.split()) <= set(app.commands)
    if row is not CONFIG:
        table, _, name = row.key.partition(".")
        assert table == "devices" or name in Tables.model_fields[table].annotation.model_fields


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.flag)
def test_the_default_that_is_said_is_the_one_that_holds_and_the_example_is_taken(row):
    verb = run if "run" in row.verbs.split() else app.commands[row.verbs.split()[0]]
    default = asked_for()
    if row.flag not in IN_WORDS and row.type is not bool:
        said = asked_for(row.flag, row.default, *NEEDED.get(verb.name, ()), verb=verb)
        assert aim_of_run(said) == aim_of_run(default)
        same = {"target_precision": None} if row.flag == "--target-precision" else {}
        assert replace(said, run=said.run.model_copy(update=same)) == default
    device = ["--device", "xavier"] if row.flag == "--host" else []
    words = [row.flag, row.example] if row.example else [row.flag]
    words += NEEDED.get(verb.name, ())
    assert asked_for(*words, *device, verb=verb) != asked_for(*device)


def test_a_flag_that_is_not_given_leaves_the_value_of_bench_toml(tmp_path):
    (tmp_path / "bench.toml").write_text('plan.models = "cox3d-s-13"\n[camera]\ninterleave = true\n')
    verb = app.commands["camera"]
    assert asked_for(verb=verb).camera.interleave
    (tmp_path / "bench.toml").unlink()
    assert not asked_for(verb=verb).camera.interleave
    assert asked_for("--interleave", verb=verb).camera.interleave


def test_a_verb_may_have_defaults_of_its_own():
    overrides = given(profile, "x3d-s", "--batch", "4").overrides
    assert {key: override.value for key, override in overrides.items()} == {
        "plan.backends": "eager",
        "plan.precisions": "fp32",
        "plan.batch": 4,
        "plan.threads": "auto",
    }


def test_a_host_is_laid_over_the_table_of_its_device(tmp_path):
    (tmp_path / "bench.toml").write_text(
        'plan.models = "x3d-xs"\n[devices.xavier]\npython = "/opt/python3"\nhost = "old"\n'
    )
    config = asked_for("--device", "xavier", "--host", "me@new.local")
    profile = config.catalog.devices["xavier"]
    assert (profile.host, profile.python) == ("me@new.local", "/opt/python3")
    assert config.plan.devices == ("xavier",)


@pytest.mark.parametrize(
    ("devices", "host", "says"),
    [
        ((), "board", "--host needs exactly one --device"),
        (("tx2", "xavier"), "board", "--host needs exactly one --device"),
        (("tx2",), "-oProxyCommand=x", "--host: '-oProxyCommand=x': must be host or user@host"),
    ],
)
def test_what_a_host_cannot_be(devices, host, says):
    with pytest.raises(UserError) as caught:
        given(run, "--host", host, *(word for device in devices for word in ("--device", device)))
    assert says in caught.value.message
