"""The only file of the room that touches the disk, and what it says when that goes wrong."""

import os
import subprocess
import sys

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, NOTHING, USAGE, UserError
from co3d_bench.reports.commands import FORMATS, ReportError, default_output, format_of, render_report, write_report

from ..factories import make_failed_record, make_mixed_records


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    lines = [record.model_dump_json() + "\n" for record in make_mixed_records()]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


MAGIC = {
    "html": b"<!DOCTYPE html>",
    "md": b"| Network",
    "csv": b"case,model",
    "latex": b"% needs",
    "png": b"\x89PNG",
    "svg": b"<svg",
    "pdf": b"%PDF",
    "pyperf": b'{\n "version": "1.0"',
    "github-action-benchmark": b'[\n {\n  "name": ',
}
ENDINGS = {"latex": "tex", "pyperf": "pyperf.json", "github-action-benchmark": "benchmark.json"}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_written_beside_the_records(store, format):
    path = write_report(store, format=format)
    assert path == store / f"report.{ENDINGS.get(format, format)}"
    assert path.read_bytes().startswith(MAGIC[format])
    assert sorted(p.name for p in store.iterdir()) == sorted(["records.jsonl", path.name])  # nothing left behind


def test_a_file_of_records_is_a_store_too(store, tmp_path):
    target = tmp_path / "table.md"
    assert write_report(store / "records.jsonl", target) == target
    assert target.read_text(encoding="utf-8") == render_report(store, "md")


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.md", "md"), ("a.tex", "latex"), ("a.SVG", "svg"), ("a.htm", "html"), ("a", "html"), (None, "html")],
)
def test_the_ending_of_the_file_chooses_the_format(tmp_path, name, format):
    assert format_of(tmp_path / name if name else None) == format


def test_an_older_report_is_replaced_and_readable_by_others(store):
    path = default_output(store, "md")
    path.write_text("old", encoding="utf-8")
    mask = os.umask(0o022)
    try:
        write_report(store, format="md")
    finally:
        os.umask(mask)
    assert path.read_text(encoding="utf-8").startswith("| Network")
    assert path.stat().st_mode & 0o777 == 0o644


def complaint(call):
    with pytest.raises(ReportError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.exit_code


def test_no_records(tmp_path):
    text, code = complaint(lambda: write_report(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in text
    assert code == NOTHING
    (tmp_path / "records.jsonl").write_text("", encoding="utf-8")
    assert complaint(lambda: write_report(tmp_path)) == (
        f"{tmp_path}: holds no records; measure first with `co3d-bench run --out {tmp_path}`",
        NOTHING,
    )


def test_an_ending_of_no_format_is_refused_and_nothing_is_written(store, tmp_path):
    message, code = complaint(lambda: write_report(store, tmp_path / "table.xlsx"))
    assert message.startswith(f"{tmp_path / 'table.xlsx'}: its ending is none of .html, .md, .csv, ")
    assert message.endswith("; change it, or give --format")
    assert code == USAGE
    assert not (tmp_path / "table.xlsx").exists()


def test_unknown_format(store):
    assert complaint(lambda: write_report(store, format="docx")) == (
        "unknown report format 'docx': choose one of html, md, csv, latex, png, svg, pdf, pyperf, "
        "github-action-benchmark",
        USAGE,
    )


def test_a_picture_cannot_be_printed(store):
    text, code = complaint(lambda: render_report(store, "png"))
    assert text == "a png report cannot be printed: name a file to write it to with -o"
    assert code == USAGE


def test_nothing_to_plot(tmp_path):
    line = make_failed_record().model_dump_json() + "\n"
    (tmp_path / "records.jsonl").write_text(line, encoding="utf-8")
    text, code = complaint(lambda: write_report(tmp_path, format="svg"))
    assert text == "nothing to plot: no record has both an accuracy and a cost; try the format md"
    assert code == NOTHING


def test_unwritable(store, tmp_path):
    lost = tmp_path / "no such folder" / "report.html"
    assert complaint(lambda: write_report(store, lost, "md")) == (
        f"{lost}: cannot be written (No such file or directory); name another path with -o",
        ENVIRONMENT,
    )
    text, _ = complaint(lambda: write_report(store, store, "md"))
    assert text == f"{store}: is a folder; name a file in it, for example {store / 'report.html'}"


def test_a_failed_write_leaves_the_older_report_and_no_rest(store, monkeypatch):
    path = default_output(store, "md")
    path.write_text("old", encoding="utf-8")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("co3d_bench.reports.commands.os.fsync", full)
    text, _ = complaint(lambda: write_report(store, format="md"))
    assert "No space left on device" in text
    assert path.read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in store.iterdir()) == ["records.jsonl", "report.md"]


def test_no_report_loads_torch_or_scipy(store):
    program = (
        "import sys; from pathlib import Path; from co3d_bench.reports.commands import FORMATS, write_report\n"
        "from rich.console import Console; from co3d_bench.reports.tables.terminal import render_table\n"
        "from co3d_bench.bench.record.store import read_records\n"
        "from co3d_bench.bench.stats.case_result import case_results\n"
        f"store = Path({str(store)!r})\n"
        "Console().print(render_table(case_results(read_records(store))))\n"
        "[write_report(store, format=name) for name in FORMATS]\n"
        "sys.exit(', '.join(m for m in ('torch', 'scipy') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_terminal_table_loads_nothing_heavy():
    program = (
        "import sys; from co3d_bench.reports.tables.terminal import render_table; render_table([])\n"
        "sys.exit(', '.join(m for m in ('torch', 'scipy', 'pandas', 'altair', 'vl_convert') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
