"""Text from outside made harmless: the names, notes and messages of a record may come from anybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

# Control characters of terminals, line and paragraph separators, what reverses or hides the letters beside it, and
# halves of characters.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
# The same in a line of JSON before it is parsed: any escape but those of the quote and the slashes, or the bytes.
_IN_JSON = re.compile(
    rb"\\[ubfnrt]|\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf|\xf3\xa0[\x80\x81]"
)
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_LINES = ("detail",)  # the texts of a record that have several lines: the end of a traceback


def plain(text: str) -> str:
    """Text in one line that no terminal takes for a command: control characters are shown as a replacement sign."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))


def plain_lines(text: str) -> str:
    """The same with its line ends and tabs kept."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t" else "\ufffd", text)


def inert(value: Any) -> Any:
    """A cell of a table for other programs: a spreadsheet takes text that begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def inert_table(table: pandas.DataFrame) -> pandas.DataFrame:
    """A table with its cells and heads inert, to be written as CSV."""
    shown = table.rename(columns={head: inert(head) for head in table.columns})
    for head in shown.select_dtypes(exclude="number"):
        shown[head] = shown[head].map(inert)
    return shown


def needs_cleaning(line: bytes) -> bool:
    """Whether a line of JSON may hold text that `cleaned` would change."""
    return _IN_JSON.search(line) is not None


def cleaned(value: Any, key: str = "") -> Any:
    """Parsed JSON with all its texts and keys made plain."""
    if isinstance(value, str):
        return value if not _CONTROL.search(value) else plain_lines(value) if key in _LINES else plain(value)
    if isinstance(value, list):
        return [cleaned(each, key) for each in value]
    if isinstance(value, dict):
        return {plain(name): cleaned(each, name) for name, each in value.items()}
    return value
