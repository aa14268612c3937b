"""Text on the standard streams: nothing in it is a command to a terminal or a CI server."""

import io

import pytest
from rich.table import Table

from co3d_bench.cli.streams import Guarded, drawn


def written(*texts):
    stream = io.StringIO()
    guarded = Guarded(stream)
    for text in texts:
        guarded.write(text)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (("::error title=x::y\n",), ": :error title=x::y\n"),
        (("  ::warning::y\n",), "  : :warning::y\n"),
        (("a\n\t::add-mask::y\n",), "a\n\t: :add-mask::y\n"),
        (("a ", "::error::y\n"), "a ::error::y\n"),
        (("a\n", "::error::y\n"), "a\n: :error::y\n"),
        (("  ", "::error::y\n"), "  : :error::y\n"),
        (("at::native::conv, aten::add",), "at::native::conv, aten::add"),
        (("x ##[group]y",), "x # #[group]y"),
        (("x ##vso[task.setvariable]y",), "x # #vso[task.setvariable]y"),
        (("## a heading, #1",), "## a heading, #1"),
        (("\x1b]52;c;cHduZWQ=\x07\n",), "\ufffd]52;c;cHduZWQ=\ufffd\n"),
        (("\x1b[31mred\x1b[0m\n",), "\x1b[31mred\x1b[0m\n"),
        (("\r\x1b[2Kstatus",), "\r\x1b[2Kstatus"),
        (("\x1b[2J\x1b[H\x1b[6n",), "\ufffd[2J\ufffd[H\ufffd[6n"),
        (("a\u202eb\x9b1m",), "a\ufffdb\ufffd1m"),
    ],
)
def test_no_line_is_a_command(texts, shown):
    assert written(*texts) == shown


def test_a_stream_of_text_takes_no_bytes():
    with pytest.raises(TypeError):
        Guarded(io.StringIO()).write(b"")


@pytest.mark.parametrize("text", ["[/a]", "[bold]x", ":smile:", "[link=https://x]y[/link]"])
def test_no_cell_is_markup(text):
    table = Table("Commit")
    table.add_row(text)
    assert text in drawn(table)
