"""The scripts that draw: Vega, Vega-Lite and Vega-Embed as one file, from vl-convert; nothing is fetched.

Bundling takes vl-convert a second, a third of a report's time, and gives the same for each of its versions: it is kept
beside the weights (`models/weights/cache.py`), where only the user writes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from ..models.weights.cache import cache_folder

_ENTRY = "window.vegaEmbed = vegaEmbed;"


def bundle() -> str:
    """The script; it sets `window.vegaEmbed`."""
    kept = cache_folder() / f"vega-{metadata.version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeDecodeError):
        if (text := kept.read_text(encoding="utf-8")).endswith(_END):
            return text
    import vl_convert  # here, since loading it takes longer than reading the file

    text = vl_convert.javascript_bundle(_ENTRY) + _END
    _keep(text, kept)
    return text


# What was not written to its end is not taken for it.
_END = "\n/* whole */\n"


def _keep(text: str, file: Path) -> None:
    """Whole or not at all; a report does not fail for it."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
