"""Markdown, JUnit, annotations and the terminal: what they say, and that hostile names are text in all of them."""

import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from co3d_bench.reports.comparison import github, words
from co3d_bench.reports.comparison.github import annotations, append_step_summary, fenced
from co3d_bench.reports.comparison.junit import ELEMENTS, junit
from co3d_bench.reports.comparison.markdown import code, markdown, prose
from co3d_bench.reports.comparison.terminal import render_terminal

from .findings import EQUIVALENT, EVERY, INCONCLUSIVE, REGRESSED, comparison, hostile

FRAGMENTS = (
    "|", "`", "``", "\\", "<script>", "</code>", "<!--", "-->", "&lt;", "**", "_", "[x](http://a.example)", "![i](u)",
    "@team",
    "https://a.example", "\n", "\r\n", "\n# h", "\n- x", "::error::x", "::", "%0A", "##[error]", "]]>",
    '"', "'", "\x1b[31m", "\0",
    "\u2028", "\u202e", "\ufffe", "#1", "~~", "&#10;", "::stop-commands::x", "<img src=x onerror=alert(1)>", "x",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=6).map("".join).filter(str.strip)


def drawn(found, width=120):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_terminal(found))
    return console.file.getvalue()


def tokens(text):
    """All tokens of Markdown as GitHub's dialect reads it (tables, HTML, strikethrough), inner ones included."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def read(document):
    return ElementTree.fromstring(document)  # noqa: S314 - our own


def structure(text):
    """What GitHub would make of it: every token but text, where our own comments and code count as text."""
    found = []
    for token in tokens(text):
        own = token.type == "html_inline" and token.content in ("<!-- -->", "<code>", "</code>")
        if token.type not in ("text", "code_inline", "text_special", "softbreak") and not own:
            found.append((token.type, token.tag, token.content if token.type.startswith("html") else ""))
    return found


@given(NAMES)
def test_markdown_makes_of_any_name_nothing_but_text(name):
    text = markdown(hostile(name))
    assert structure(text) == structure(markdown(hostile("name")))
    assert not re.search(r"(?<!`)(?<!(?a:\w))@(?=\w)", re.sub(r"`[^`]*`", "", text))  # mentions nobody


@given(NAMES)
def test_code_and_prose_show_the_text_unchanged(name):
    for written in (code(name), prose(name)):
        parts = [t.content for t in tokens(f"a {written} b") if t.type in ("text", "code_inline", "text_special")]
        shown = "".join(parts)
        assert " ".join(shown.split()) == " ".join(f"a {words.plain(name)} b".split())


@given(NAMES)
def test_junit_is_xml_whatever_the_names(name):
    root = read(junit(hostile(name)))
    assert [child.tag for child in root.iter()] == [c.tag for c in read(junit(hostile("x"))).iter()]
    allowed = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", name)
    assert {case.get("classname") for case in root.iter("testcase")} == {allowed}


@given(NAMES)
def test_an_annotation_is_one_command_whatever_the_names(name):
    lines = re.split(r"\r\n|\r|\n", annotations(hostile(name)))
    assert lines.pop() == ""
    assert len(lines) == 4
    for line in lines:
        command = re.fullmatch(r"::(error|warning|notice) title=([^:,]*)::(.*)", line, flags=re.DOTALL)
        assert command is not None
        assert "%" not in re.sub("%(25|0D|0A|3A|2C)", "", command[2] + command[3])


@given(NAMES)
def test_the_terminal_gets_no_control_characters_and_always_as_many_rows(name):
    text = drawn(hostile(name), width=2000)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    common = bool(words.short_keys(hostile(name).findings).common)  # has a line of its own
    assert len(text.split("\n")) == len(drawn(hostile("x"), width=2000).split("\n")) + common


def test_markdown_has_every_row_and_folds_exact_figures_that_are_the_same():
    text = markdown(comparison(*EVERY, notes=("the host was noisy",)))
    assert text.startswith("### Regressed: x3d-m (+9.1 % time), x3d-s (state)\n")
    assert "> **Note:** the host was noisy" in text
    assert "| `x3d-m` | **▲ regressed** | +9.1 % (time) | +7.9 to +10.4 % | 40.00 | 36.66 | predictions/s " in text
    assert "**? inconclusive**" in text
    assert "Exact figures: 1 of 2 are the same." in text
    assert "- **✗ failed** `i3d-r50` throughput: head: out-of-memory" in text
    assert "- **≠ not comparable** `cox3d-m-64` throughput: differs in machine.cpu\\_model: Core A / Core B" in text
    assert "+ new `coslow-8x8`" in text
    assert "**\u2212 gone** `slow-8x8`" in text


def test_junit_counts_and_gives_reasons():
    root = read(junit(comparison(*EVERY)))
    suite = root.find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "10", "failures": "2", "errors": "1", "skipped": "4",
    }  # fmt: skip
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert len(cases) == len(EVERY)
    failure = cases[REGRESSED.key, "throughput"].find("failure")
    assert failure is not None
    assert failure.get("message") == "regressed: slower, both stages agree"
    assert "interval +7.9 to +10.4 %" in (failure.text or "")
    skipped = cases[INCONCLUSIVE.key, "throughput"].find("skipped")
    assert skipped is not None
    assert "21 more pairs needed" in str(skipped.get("message"))
    assert cases[EQUIVALENT.key, "throughput"].find("skipped") is None


def test_only_what_was_found_good_passes_in_junit():
    assert {name for name, element in ELEMENTS.items() if element is None} == {"improved", "equivalent"}
    assert set(ELEMENTS) == set(words.OUTCOMES)


def test_annotations_are_ordered_and_no_more_than_github_shows():
    lines = annotations(comparison(*EVERY)).splitlines()
    assert [line.split()[0] for line in lines] == ["::error"] * 3 + ["::warning"] * 3 + ["::notice"]
    assert lines[0].startswith("::error title=regressed%3A x3d-m/cpu/eager")
    many = annotations(comparison(*[replace(REGRESSED, key=f"n{n}") for n in range(25)])).splitlines()
    assert len(many) == github.MOST_ANNOTATIONS
    assert many[-1] == "::error title=16 more::16 regressed; the summary has them all"
    assert annotations(comparison(EQUIVALENT)) == ""


def test_the_step_summary_is_appended_where_github_asks_for_one(tmp_path):
    file = tmp_path / "summary.md"
    file.write_text("before\n", encoding="utf-8")
    assert append_step_summary(comparison(*EVERY), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text(encoding="utf-8") == "before\n" + markdown(comparison(*EVERY)) + "\n"
    assert not append_step_summary(comparison(*EVERY), {})


def test_a_summary_that_cannot_be_written_is_a_warning_and_no_error(tmp_path):
    with pytest.warns(github.SummaryWarning, match="cannot be written"):
        assert not append_step_summary(comparison(*EVERY), {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_a_long_summary_is_cut_to_what_github_takes_with_a_note(tmp_path):
    file = tmp_path / "summary.md"
    rows = [replace(INCONCLUSIVE, key=f"n{n}") for n in range(9000)]
    assert append_step_summary(comparison(REGRESSED, *rows), {"GITHUB_STEP_SUMMARY": str(file)})
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) <= github.MOST_SUMMARY_BYTES
    assert "**▲ regressed**" in text
    assert "… and 8501 more rows: 8501 inconclusive." in text


def test_a_log_of_actions_is_fenced_with_a_word_nobody_knows():
    environ = {"GITHUB_ACTIONS": "true"}
    lines = fenced("::error::x\n", environ).splitlines()
    word = lines[0].removeprefix("::stop-commands::")
    assert lines == [f"::stop-commands::{word}", "::error::x", f"::{word}::"]
    assert len(word) >= 32
    assert fenced("x", environ) != fenced("x", environ)
    assert fenced("::error::x\n", {}) == "::error::x\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_shows_every_outcome_by_sign_and_word(width):
    text = " ".join(drawn(comparison(*EVERY), width).split())
    for style in words.OUTCOMES.values():
        assert style.sign in text
        assert style.word.split()[0] in text
    assert max(map(len, drawn(comparison(*EVERY), width).splitlines())) <= width
    assert text.endswith("Regressed: x3d-m (+9.1 % time), x3d-s (state)")
