"""Names and notes in tables for other programs: shown as they are, and nothing more."""

import re

import pytest

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.tables.render import (
    csv,
    escape_latex,
    escape_markdown,
    latex,
    latex_cell,
    markdown,
    markdown_cell,
)
from co3d_bench.reports.tables.results import build
from co3d_bench.reports.tables.table import Cell

from ...factories import make_record


def table_of(title, note="a note"):
    record = make_record("cox3d-m-16")
    model = record.model.model_copy(update={"title": title})
    case = record.case.model_copy(update={"model": title})
    return build(case_results([record.model_copy(update={"model": model, "case": case, "notes": (note,)})]))


@pytest.mark.parametrize(
    "text", ["@octocat", "https://evil.example", "www.evil.example", "#1", "GH-1", "a@b.org", "$x$"]
)
def test_nothing_comes_alive_in_markdown(text):
    shown = markdown(table_of(text, text))
    assert text not in shown
    assert re.sub("<!-- -->", "", escape_markdown(text)).replace("&#36;", "$").replace("\\", "") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user@host", "user@host"),
        ("a_b@host:22", r"a\_b@host:22"),
        ("user@tx2.local", "user@<!-- -->tx2.local"),
        ("user@a_b.local", r"user@<!-- -->a\_b.local"),
        ("ask @user", "ask @<!-- -->user"),
        ("é@user", "é@<!-- -->user"),  # only letters of ASCII before it make it none of GitHub's mentions
    ],
)
def test_a_user_at_a_host_is_readable_where_nothing_makes_a_link_of_it(text, shown):
    assert escape_markdown(text) == shown


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "[a](b)", "![a](b)", "`a`", "a|b", "**a**", "~~a~~", "&lt;b&gt;", "a\n| b |"]
)
def test_nothing_is_markup_in_markdown(text):
    shown = escape_markdown(text)
    assert not re.search(r"(?<!\\)[|<>`*\[\]~]|&(?!amp;)|\n", shown)


@pytest.mark.parametrize("text", ["[9cm] t", "*", "a % b", "\\input{x}", "$x$", "a & b", "^^41", "{"])
def test_latex_prints_a_name_as_it_is(text):
    assert not re.search(r"\\\\\s*[\[*]", latex(table_of(text, text)))
    shown = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\{[*\[]\}", "", escape_latex(text))
    assert not re.search(r"[\\&%$#_{}~^\[*]", shown)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(1)", '=HYPERLINK("http://x","y")'])
def test_no_cell_of_csv_is_a_formula(text):
    assert not re.search(r'(^|,|")[=+@-](?![0-9.]+(,|$))', csv(table_of(text, text)).partition("\n")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "shown"), [("a-b", "a-b"), ("--data", "-{}-data"), ("---", "-{}-{}-"), ("\u2013", "--"), ("-{-", r"-\{-")]
)
def test_two_hyphens_stay_two_in_latex(text, shown):
    assert escape_latex(text) == shown


def test_a_quoted_figure_is_in_italics():
    cell = Cell("62_80", quoted=True)
    assert markdown_cell(cell) == r"*62\_80*"
    assert latex_cell(cell) == r"\textit{62\_80}"
    assert latex_cell(Cell("62_80")) == r"62\_80"
