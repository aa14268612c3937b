"""One Chromium for all browser tests; they are skipped, with the reason, where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from co3d_bench.bench.record.record import Record
from co3d_bench.reports.html import render_html

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    executable = next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed (Debian: apt install chromium)")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser; see the extra `test`"
    )
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=list(CHROMIUM_ARGUMENTS))
        yield chromium
        chromium.close()


@cache
def _rendered(lines: tuple[str, ...]) -> str:
    """The page of these records; most tests open the same one."""
    return render_html([Record.model_validate_json(line) for line in lines])


class Opened:
    """A report in the browser, with everything it asked for and complained of."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._receive)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))

    def _receive(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def open_html(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Opened]]:
    """Write a page, open it, wait until its charts are drawn."""
    contexts = []

    def open_(html: str, width: int = 1280, scheme: str = "light", *, javascript: bool = True) -> Opened:
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(html, encoding="utf-8")
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=javascript)
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.goto(file.as_uri())
        if javascript:
            opened.page.wait_for_selector("body[data-drawn]", timeout=20_000)
        return opened

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def open_report(open_html: Callable[..., Opened]) -> Callable[..., Opened]:
    """The same of the report of records."""

    def open_(records: list[Record], *options: Any, **named: Any) -> Opened:
        return open_html(_rendered(tuple(record.model_dump_json() for record in records)), *options, **named)

    return open_


def resize(page: Any, width: int) -> None:
    """Another width of the window; returns when the charts have followed."""
    page.set_viewport_size({"width": width, "height": 900})
    frame = "await new Promise(requestAnimationFrame);"
    page.evaluate(f"async () => {{ {frame} {frame} }}")
