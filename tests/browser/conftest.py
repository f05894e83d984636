"""A real browser, from Debian, that may reach nothing. Where it is missing, the tests here skip and say so."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages import a_large_plan, all_pages, plan_page_of
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "pages"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Of a module, no longer: while it is there, no other test can run an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a page by its name; options are those of a browser context.

    What the page complains of, asks or loads fails the test, unless it `may_complain`.
    """
    complaints: list[str] = []
    contexts = []

    def open_page(name: str, *, may_complain: bool = False, **options: Any) -> Page:
        file = tmp_path / f"{name}.html"
        file.write_text(source_of(name), encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        if not may_complain:
            listen(page, file.as_uri(), complaints)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where pictures are kept for people to look at."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS


def listen(page: Page, address: str, complaints: list[str]) -> None:
    """Note what a page logs, throws, asks, and loads beside itself."""
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: complaints.append(request.url) if request.url != address else None)


@cache
def source_of(name: str) -> str:
    """The page of that name; `plan-large` is the one of 1,000 flags."""
    return plan_page_of(a_large_plan()) if name == "plan-large" else all_pages()[name]
