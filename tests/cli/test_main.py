"""The command line as a user meets it: one message for a mistake, never a traceback."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from records import make_record

import co3d_bench
from co3d_bench.bench.errors import ENVIRONMENT, EXIT_CODES, INTERNAL, INTERRUPTED
from co3d_bench.bench.record.store import append_record
from co3d_bench.cli import main as cli
from co3d_bench.cli.verbs import app
from co3d_bench.cli.weights import weights

README = (Path(__file__).parents[2] / "cli" / "README.md").read_text()  # an installed package has none


def start(*arguments):
    """The command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "co3d_bench", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan", "--model", "cox3d-m64"], 2, "co3d-bench: --model: cox3d-m64: did you mean cox3d-m-64?"),
        (["run", "--model", "x3d-zz", "--dry-run"], 2, "co3d-bench: --model: x3d-zz: did you mean"),
        (["run", "--device", "xavierr"], 2, "co3d-bench: --device: xavierr: did you mean xavier?"),
        (["run", "--backend", "eeger"], 2, "co3d-bench: --backend: eeger: did you mean eager?"),
        (["run", "--runs", "0"], 2, "co3d-bench: --runs = 0: must be at least 1"),
        (
            ["run", "--time", "8x"],
            2,
            "co3d-bench: --time = '8x': must be a time: 100ms, 90s, 8m, 1h, or a number of seconds",
        ),
        (["run", "--threads", "many"], 2, "co3d-bench: --threads = 'many': must be a whole number, or must be 'auto'"),
        (["run", "--threads", "²"], 2, "co3d-bench: --threads = '²': must be a whole number, or must be 'auto'"),
        (["run", "--threads", "-1"], 2, "co3d-bench: --threads = -1: must be at least 1"),
        (["run", "--timeout", "-1"], 2, "co3d-bench: --timeout = -1: must be more than 0"),
        (["run", "--runs", "many"], 2, "co3d-bench: --runs = 'many': must be a whole number"),
        (["run", "--target-precision", "much"], 2, "co3d-bench: --target-precision = 'much': must be a number"),
        (["run", "--config", "none.toml"], 2, "co3d-bench: none.toml: no such file"),
        (["run", "--video", "none.mp4"], 2, "co3d-bench: video none.mp4: no such file"),
        (["run", "--retry-failed"], 2, "co3d-bench: --retry-failed goes with --resume"),
        (["run", "--resume"], 3, "co3d-bench: nothing to resume: no run in results"),
        (["run", "--out", "/proc/none"], 4, "co3d-bench: cannot write /proc/none/records.jsonl"),
        (["show", "cox3d-m64"], 2, "co3d-bench: cox3d-m64: did you mean cox3d-m-64?"),
        (["report", "nowhere"], 3, "co3d-bench: no records at nowhere/records.jsonl"),
        (["list", "modles"], 2, "co3d-bench: Invalid value for 'WHAT': 'modles' is not one of 'models', 'devices'"),
        (
            ["check", "--pair", "a", "b", "--accept", "params=x3d-*"],
            2,
            "co3d-bench: --accept params=x3d-*: params is no exact figure: did you mean parameters?",
        ),
        (["check", "--baseline", "a", "b", "--model", "x3d-s"], 2, "co3d-bench: STORE is measured already: leave it"),
        (
            ["check", "--baseline", "a", "--junit", "none/a.xml"],
            4,
            "co3d-bench: none: no such folder; make it, or name",
        ),
        (["check", "--baseline", "a@newest"], 5, "run --processes 7 --out a\n"),
        (["profile", "x3d-s", "--json", "none/a.json"], 4, "co3d-bench: none: no such folder; make it, or name"),
        (["show", "x3d-s", "a", "--json"], 2, "co3d-bench: a STORE shows what was measured: leave it out, or"),
        (["run", "--modle", "x"], 2, "co3d-bench: No such option '--modle'. (Did you mean one of: '--bundle', "),
        (["show", "x3d-s", "--bogus"], 2, "No such option '--bogus'; `co3d-bench show --help` shows what there is"),
        (["frobnicate"], 2, "No such command 'frobnicate'; `co3d-bench --help` shows what there is"),
        (["list", "models", "all"], 2, "unexpected extra argument (all); `co3d-bench list --help` shows what there is"),
        (["profile", "x3d-s", "--batch", "auto"], 2, "co3d-bench: Invalid value for '--batch': 'auto': must be a"),
        (
            ["profile", "x3d-s", "--steps", "0"],
            2,
            "co3d-bench: Invalid value for '--steps': '0': must be a whole",
        ),
        (["run", "--batch", "x"], 2, "co3d-bench: --batch = 'x': must be a whole number, or must be 'auto'"),
        (["list"], 2, "Missing argument 'WHAT'. Choose from: models, devices, backends, suites; `co3d-bench list --"),
        (["pln"], 2, "co3d-bench: No such command 'pln'. Did you mean 'plan'?"),
        (["report", "--format", "gif"], 2, "co3d-bench: Invalid value for '--format': 'gif' is not one of 'html'"),
    ],
)
def test_a_mistake_is_one_message_and_its_code(call, arguments, code, message):
    done = call(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("plan from")]
    assert line.startswith("co3d-bench:")
    assert done.stdout == ""


def test_without_words_it_says_what_it_can_do(call):
    done = call()
    assert done.returncode == 0
    assert done.stdout == call("--help").stdout


def test_help_names_every_verb_and_exit_code(call):
    done = call("--help")
    assert done.returncode == 0
    listed = re.findall(r"^  ([a-z]+) +(.+)$", done.stdout.partition("Commands:")[2], flags=re.MULTILINE)
    assert [name for name, _ in listed] == list(app.commands)
    assert not [text for _, text in listed if text.endswith("...")]  # none is cut off
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>3}  {meaning}" in done.stdout
        assert f"| {code} | {meaning} |" in README


HELPS = [*([name] for name in app.commands), *(["weights", name] for name in weights.commands)]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_each_verb_has_an_example_and_fits_into_80_columns(call, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = call(*words, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(rf"^  Example: (sudo )?co3d-bench {' '.join(words)}\b", done.stdout, flags=re.MULTILINE)


def test_version(call):
    assert call("--version").stdout == f"co3d-bench {co3d_bench.__version__}\n"


def test_plan_and_dry_run_print_the_same_keys_and_run_nothing(call, tmp_path):
    arguments = ["--model", "x3d-s", "--model", "cox3d-s-7", "--batch", "2", "--threads", "1", "--seed", "5"]
    arguments += ["--backend", "eager"]
    planned = call("plan", *arguments)
    assert planned.stdout.splitlines() == [
        "x3d-s/cpu/eager/fp32/b2/t1/random-5",
        "cox3d-s-7/cpu/eager/fp32/b2/t1/random-5",
    ]
    assert "built-in bench.toml" in planned.stderr
    assert "2 cases, rounds until each has 7 processes and ±2.5 %, at most 8 min, 15 or more" in planned.stderr
    assert ", 3 rounds, 34 or more timed predictions" in call("plan", *arguments, "--processes", "3").stderr
    assert call("run", "--dry-run", *arguments).stdout == planned.stdout
    missing = call("plan", "--model", "x3d-s", "--weights", "none.pth")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "none.pth: no such file; give a file" in missing.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "name"), [("models", "cox3d-m-64"), ("devices", "cpu"), ("backends", "eager"), ("suites", "paper")]
)
def test_list(call, what, name):
    done = call("list", what)
    assert done.returncode == 0
    assert any(line.split()[0] == name for line in done.stdout.splitlines())


def test_the_schema_is_of_records(call):
    schema = json.loads(call("schema").stdout)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == "Record"


def test_a_query_ends_without_duckdb_reporting_leaks(tmp_path):
    append_record(tmp_path, make_record())
    done = start("query", "SELECT count(*) AS cases FROM cases", str(tmp_path), "--format", "csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "cases\n1\n", "")


def test_a_torn_line_is_a_warning_of_one_line(tmp_path):
    append_record(tmp_path, make_record())
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"schema_version":1,"run_')
    done = start("report", str(tmp_path), "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("co3d-bench: warning: ")
    assert "line 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_show_as_json(call):
    facts = json.loads(call("show", "cox3d-s-13", "--json").stdout)
    assert facts["parameters"] == 3_794_322
    assert (facts["receptive_field"], facts["padding"], facts["delay"]) == (69, 28, 40)
    assert facts["macs"] == 166_565_305
    assert facts["macs_once"] > facts["macs"] / 2
    assert facts["published"]["accuracy_top1"] == 60.18
    text = call("show", "cox3d-s-13").stdout
    assert "3,794,322" in text
    assert "69 frames" in text
    assert "60.18 % top-1 (5 frames/s, whole film)" in text
    assert "49.20 % top-1 (15 frames/s, steady state; Table 3)" in text
    assert f"{facts['macs_once']:,} with every layer counted once" in text

    assert facts["state_bytes_by_kind"] == {
        "convolution": 4 * 2_191_200,
        "residual": 4 * 350_400,
        "pool": 4 * 12 * 432,
        "other": 0,
    }
    assert sum(facts["state_bytes_by_kind"].values()) == facts["state_bytes"]
    assert facts["clip_memory_floats"] is None
    assert "convolution 8,764,800 (86.0 %), residual 1,401,600 (13.8 %), pool 20,736 (0.2 %)" in text


def test_show_says_what_a_clip_takes_at_worst(call):
    text = call("show", "x3d-xs").stdout
    assert "844,800 floats at most by the paper's formula, 230,400 of them stored frames" in text
    assert "inside a block up to 1,382,400" in text


def test_output_that_cannot_be_written_is_one_line(tmp_path):
    line = f"{sys.executable} -m co3d_bench list models > /dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (4, "co3d-bench: the output: No space left on device\n")


def test_what_a_terminal_has_no_letter_for_is_shown_by_number(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "co3d_bench", "plan", "--model", "nü.py:net"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert r"n\xfc.py:net: no such file" in done.stderr


def test_a_name_that_the_locale_cannot_write_is_one_line(call, monkeypatch):
    def fails(words):
        "ü".encode("ascii")

    monkeypatch.setattr("co3d_bench.cli.verbs.call", fails)
    code, _, error = call("plan")
    assert code == ENVIRONMENT
    assert error == r"co3d-bench: '\xfc': cannot be written in ascii, the encoding here; set LC_ALL=C.UTF-8" + "\n"


def test_a_reader_that_goes_away_is_no_regression():
    line = f"{sys.executable} -m co3d_bench list models | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (4, "")


def test_closed_streams_are_not_given_to_files(tmp_path):
    line = f"{sys.executable} -m co3d_bench list models >&- 2>&- <&-"
    assert subprocess.run(["bash", "-c", line], cwd=tmp_path, check=False).returncode == 0


@pytest.mark.parametrize("wanted", [False, True])
def test_a_mistake_of_our_own_is_one_message_and_no_regression(call, monkeypatch, wanted):
    def fail(arguments):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("co3d_bench.cli.verbs.call", fail)
    monkeypatch.setenv(cli.TRACEBACK, "1" if wanted else "")
    done = call("list", "models")
    assert done.returncode == INTERNAL
    *before, last = done.stderr.splitlines()
    assert last.startswith("co3d-bench: internal error: ZeroDivisionError: division by zero (CO3D_BENCH_TRACEBACK=1")
    assert any(line.startswith("Traceback") for line in before) is wanted


def test_an_import_that_fails_is_no_regression():
    script = "import sys; sys.modules['click'] = None; from co3d_bench.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == INTERNAL
    assert done.stderr.startswith("co3d-bench: internal error: ModuleNotFoundError: ")


def test_ctrl_c_is_one_line(call, monkeypatch):
    def stop(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("co3d_bench.cli.verbs.call", stop)
    done = call("list", "models")
    assert (done.returncode, done.stderr) == (INTERRUPTED, "co3d-bench: stopped\n")


def test_the_measuring_process_describes_itself_without_the_command_line(tmp_path):
    script = (
        "import runpy, sys\n"
        "sys.argv[1:] = ['worker', '--describe']\n"
        "try:\n"
        "    runpy.run_module('co3d_bench', run_name='__main__')\n"
        "finally:\n"
        "    assert not {'click', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    described = json.loads(done.stdout)
    assert Path(described["package"]) == Path(co3d_bench.__file__).resolve().parent
    assert "timing_only" in described["job"]["properties"]


def test_the_measuring_process_is_no_verb_of_the_help(call):
    assert "worker" not in call("--help").stdout
