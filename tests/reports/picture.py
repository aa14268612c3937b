"""The picture of the page in the README: `make picture`, or

    python tests/reports/picture.py [STORE] [-o docs/report.png]

The page of the store is written anew, opened in the Chromium that the tests use, and taken from its head to the first
plot of `What accuracy costs`, 1280 pixels wide, light. Figures are those of the store: measure it on an idle
machine first (`make bench`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from conftest import CHROMIUM_ARGUMENTS, CHROMIUM_NAMES
from playwright.sync_api import sync_playwright

from co3d_bench.bench.errors import UserError
from co3d_bench.reports.commands import write_report

WIDTH, MARGIN = 1280, 24
LAST = "#pareto figure"  # the first plot of `What accuracy costs` ends the picture


def take(page_file: Path, output: Path, executable: str) -> None:
    """Write the picture of the page."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=list(CHROMIUM_ARGUMENTS))
        page = chromium.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("body[data-drawn]")
        box = page.locator(LAST).first.bounding_box()
        if box is None:
            sys.exit(f"{page_file}: it has no plot of accuracy; are there records with a published accuracy?")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + MARGIN}
        page.screenshot(path=str(output), clip=clip, full_page=True)
        chromium.close()


def main() -> None:
    """Write the picture of a store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path, nargs="?", default=Path("results"))
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/report.png"))
    options = parser.parse_args()
    executable = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if executable is None:
        sys.exit(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        try:
            page_file = write_report(options.store, Path(folder) / "report.html", format="html")
        except UserError as error:
            sys.exit(error.message)
        take(page_file, options.output, executable)
    print(f"picture: {options.output}")


if __name__ == "__main__":
    main()
