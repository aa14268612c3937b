from pathlib import Path

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, USAGE, UserError
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.config import DEFAULT_FILE, Origin, Override, check_config, parse_config, read_config

DEFAULT_MODELS = ("x3d-xs", "x3d-s", "x3d-m", "cox3d-s-13", "cox3d-m-16", "cox3d-m-64")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*_):
    raise AssertionError("the machine was asked")


PURE = Catalog(read_hardware=asked, describe_custom=asked, ask_torch=asked)


def parse(text, overrides=None):
    return parse_config(text, "bench.toml", Path("folder"), overrides or {}, PURE)


NO_NETWORK = (
    "bench.toml: plan.models: missing; name networks there, by --model or by --suite (`co3d-bench list models`)"
)


def wrong(text, overrides=None):
    with pytest.raises(UserError) as raised:
        parse(text, overrides)
    assert raised.value.exit_code == USAGE
    return raised.value.message


def test_the_default_file_is_what_is_used_where_there_is_none(here):
    config = read_config()
    assert config.source == "the built-in bench.toml"
    assert config.plan.models == DEFAULT_MODELS
    assert (config.run.runs, config.plan.batch, config.plan.threads) == (100, (1,), ("auto",))


def test_a_file_here_comes_first_and_a_named_one_before_it(here):
    Path("bench.toml").write_text('[plan]\nmodels = "x3d-s"\n')
    Path("other.toml").write_text('[plan]\nmodels = ["x3d-m"]\nbatch = [1, 8]\n')
    assert (read_config().source, read_config().plan.models) == ("bench.toml", ("x3d-s",))
    assert read_config(Path("other.toml")).plan.batch == (1, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('plan.models = ["cox3d-m64"]', "bench.toml: plan.models: cox3d-m64: did you mean cox3d-m-64?"),
        ('plan.models = ["x3d-s"]\nplan.backends = "eagr"', "bench.toml: plan.backends: eagr: did you mean eager?"),
        (
            'plan.models = ["x3d-s"]\nplan.devices = "xaviers"',
            "bench.toml: plan.devices: xaviers: did you mean xavier?",
        ),
        ('plan.models = ["x3d-s"]\nrun.runz = 5', "bench.toml: run.runz: unknown key; did you mean runs?"),
        ('plan.models = ["x3d-s"]\nrun.runs = "5"', "bench.toml: run.runs = '5': must be a whole number"),
        ('plan.models = ["x3d-s"]\nrun.runs = 0', "bench.toml: run.runs = 0: must be at least 1"),
        (
            'plan.models = ["x3d-s"]\nplan.batch = [1, 0]',
            "bench.toml: plan.batch[1] = 0: must be at least 1, or must be 'auto'",
        ),
        (
            'plan.models = ["x3d-s"]\nplan.threads = "many"',
            "bench.toml: plan.threads[0] = 'many': must be a whole number, or must be 'auto'",
        ),
        ('plan.models = ["x3d-s"]\ninput.kind = "vid"', "bench.toml: input.kind = 'vid': must be 'random' or 'video'"),
        (
            f'plan.models = "x3d-s"\nplan.threads = {10**20}',
            f"bench.toml: plan.threads[0] = {10**20}: must be at most 1000000, or must be 'auto'",
        ),
        ("plan.models = []", "bench.toml: plan.models = []: must not be empty"),
        ("plan = 3", "bench.toml: plan = 3: must be a table, like [plan]"),
        ("[plan]\nbatch = 1", NO_NETWORK),
        ("", NO_NETWORK),
        ('[devices.xavier]\nhost = "user@board"', NO_NETWORK),
        ('plann.models = ["x3d-s"]', "bench.toml: plann: unknown key; did you mean plan?"),
        ('plan.model = ["x3d-s"]', "bench.toml: plan.model: unknown key; did you mean models?"),
        (
            'source = "me"\nplan.models = "x3d-s"',
            "bench.toml: source: unknown key; there are run, plan, input, camera, evaluate, transient, fleet, models, "
            "devices",
        ),
        ('plan.models = ""', "bench.toml: plan.models[0] = '': must not be empty"),
        (
            'plan.models = "x3d-s\\nx"',
            "bench.toml: plan.models[0] = 'x3d-s\\nx': must be one line of text, without control characters",
        ),
        (
            'plan.models = "x3d-s"\nplan.batch = 1.5',
            "bench.toml: plan.batch[0] = 1.5: must be a whole number, or must be 'auto'",
        ),
        ('plan.models = "x3d-s"\nrun.out = ""', "bench.toml: run.out = '': must not be empty"),
        ('plan.models = "x3d-s"\nrun.timeout_s = inf', "bench.toml: run.timeout_s = inf: must be at most 1000000"),
        (
            'plan.models = ["x3d-s"]\ninput.kind = "video"',
            "bench.toml: input.file: missing; input.kind = 'video' needs the path of a video",
        ),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(text, message):
    assert wrong(text) == message


def test_every_error_is_named_at_once():
    assert len(wrong('plan.models = ["x3d-s"]\nrun.runs = 0\nrun.timeout_s = -1\nextra = 1').splitlines()) == 3


def test_broken_toml_names_line_and_column():
    assert "bench.toml: not valid TOML: " in wrong("[plan]\nmodels = = 3\n")
    assert "line 2, column 10" in wrong("[plan]\nmodels = = 3\n")


def test_an_error_of_the_command_line_names_its_flag():
    flags = {"plan.models": Override("--model", ["x3d-ss"]), "run.runs": Override("--runs", 3)}
    assert wrong("", flags) == "--model: x3d-ss: did you mean x3d-s?"
    assert wrong("", {"plan.models": Override("--model", ["x3d-s"]), "run.runs": Override("--runs", 0)}) == (
        "--runs = 0: must be at least 1"
    )


def test_a_file_saved_by_an_editor_of_windows_is_read(here):
    Path("bench.toml").write_bytes(b'\xef\xbb\xbf[plan]\r\nmodels = "x3d-xs"\r\n')
    assert read_config().plan.models == ("x3d-xs",)


def test_missing_and_unreadable_files(here):
    with pytest.raises(UserError, match="no such file"):
        read_config(Path("nothing.toml"))
    (here / "folder.toml").mkdir()
    with pytest.raises(UserError, match="cannot be read") as raised:
        read_config(Path("folder.toml"))
    assert raised.value.exit_code == ENVIRONMENT
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        read_config(Path("binary.toml"))


def test_a_video_in_the_file_is_relative_to_the_file():
    text = 'plan.models = ["x3d-s"]\n[input]\nkind = "video"\nfile = "a.mp4"\n'
    assert parse(text).input.file == "folder/a.mp4"
    assert parse(text, {"input.file": Override("--video", "c.mp4")}).input.file == "c.mp4"


def test_what_only_the_machine_knows_stands_as_it_was_written():
    parsed = parse('plan.models = ["x3d-s", "net.py:Image"]\nplan.devices = ["auto", "xavier"]\n')
    assert parsed.plan.models == ("x3d-s", "net.py:Image")
    assert parsed.plan.devices == ("auto", "xavier")
    assert parsed.origin.base("plan.models") == Path("folder")
    with pytest.raises(UserError, match=r"config: plan\.models: x3d-zz"):
        check_config({"plan": {"models": ["net.py:Image", "x3d-zz"]}}, Origin("config", Path()), PURE)


def test_the_default_file_explains_every_key():
    text = DEFAULT_FILE.read_text()
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            assert "#" in line, f"{line!r} has no comment"


def test_a_time_is_written_as_people_write_it():
    def time_s(value):
        table = {"plan": {"models": ["x3d-s"]}, "run": {"time_s": value}}
        return check_config(table, Origin("config", Path()), PURE).run.time_s

    assert [time_s(value) for value in ("90s", "8m", "8 min", "1h", "90", 90, 0.5)] == [90, 480, 480, 3600, 90, 90, 0.5]
    for wrong_value in ("8x", "m", "eight"):
        with pytest.raises(UserError, match="must be a time: 100ms, 90s, 8m, 1h, or a number of seconds"):
            time_s(wrong_value)
    with pytest.raises(UserError, match="must be more than 0"):
        time_s(0)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("camera.fps", 1e-10, "at least 1e-09"),
        ("camera.deadline_s", 1e-12, "at least 1e-09"),
        ("camera.every", 10**23, "at most 1000000"),
        ("plan.batch", 10**23, "at most 1000000"),
        ("evaluate.fps", 1e-10, "at least 1e-09"),
    ],
)
def test_what_no_record_can_hold_is_no_setting(key, value, said):
    table = {"plan": {"models": ["x3d-s"]}}
    room, name = key.split(".")
    table.setdefault(room, {})[name] = value
    with pytest.raises(UserError, match=said):
        check_config(table, Origin("config", Path()), PURE)


def test_the_default_measures_eager_and_the_best_engine_an_old_file_what_it_did(here):
    assert read_config().plan.backends == ("auto",)
    assert parse('plan.models = ["x3d-s"]\n').plan.backends == ("eager",)


def test_the_bench_toml_of_an_earlier_version_still_works_and_says_what_is_replaced(here):
    old = Path(__file__).with_name("old_bench.toml")
    config = read_config(old)
    assert config.plan.models == DEFAULT_MODELS
    assert config.plan.backends == ("eager",)
    assert (config.run.runs, config.run.processes, config.run.min_s, config.run.energy) == (100, "auto", 5.0, True)
    assert (config.run.timeout_s, config.run.time_s, config.run.target_precision) == (600.0, 480.0, None)
    assert config.notes == (
        f"{old}: run.budget_s is no longer used: no sample is replaced; run.time_s (--time) limits the whole run",
    )


def test_every_key_of_an_earlier_bench_toml_may_be_set():
    text = Path(__file__).with_name("old_bench.toml").read_text()
    for line in ('target_precision = "1%"', 'weights = "auto"'):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    config = parse(text)
    assert (config.run.target_precision, config.plan.weights) == (0.01, "auto")


def test_what_an_option_does_no_longer_is_reported_once():
    flags = {"run.budget_s": Override("--budget", 3.0)}
    (note,) = read_config(None, flags).notes
    assert note == "--budget is no longer used: no sample is replaced; run.time_s (--time) limits the whole run"
    flags = {"run.time_s": Override("--time", "90s"), "run.processes": Override("--processes", 3)}
    flags["run.target_precision"] = Override("--target-precision", "1%")
    assert read_config(None, flags).notes == (
        "--time is not used: 3 processes of each case asked for, however long that takes",
        "--target-precision is not used: 3 processes of each case asked for, however wide the interval is",
    )


def test_a_suite_instead_of_networks():
    suite = parse('plan.suite = "paper"\n').plan.models
    assert len(suite) > 10
    assert parse("plan = {}\n", {"plan.suite": Override("--suite", "paper")}).plan.models == suite
    text = 'plan.suite = "paper"\n'
    assert parse(text, {"plan.models": Override("--model", "x3d-s")}).plan.models == ("x3d-s",)
    assert wrong("", {"plan.suite": Override("--suite", "papre")}) == "--suite: papre: did you mean paper?"
    both = {"plan.suite": Override("--suite", "paper"), "plan.models": Override("--model", "x3d-s")}
    assert wrong("", both) == "--suite: name a suite or single networks (plan.models, --model), not both"
