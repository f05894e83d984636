"""The page of `serve` in a browser: what it shows and sets, and whether everybody can use it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from serving import CHECKOUT, a_repository, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@contextmanager
def a_page(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """The page, which may complain of nothing."""
    complaints: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert complaints == []


def test_an_override_is_chosen_and_taken_back(browser: Browser, tmp_path: Path) -> None:
    """The table shows at once what is served then; a typed user is kept."""
    with (
        a_session(a_repository(tmp_path, CHECKOUT)) as (session, client),
        a_page(browser, str(client.base_url)) as page,
    ):
        page.get_by_label("User id").fill("ada@example.com")
        page.get_by_role("button").click()
        row = page.get_by_role("row", name="new-checkout")
        row.get_by_text("listed in the variant").wait_for()
        for chosen, shown in (("off", "overridden for this session"), ("as evaluated", "listed in the variant")):
            page.get_by_label("Variant of new-checkout").select_option(chosen)
            row.get_by_text(shown).wait_for()
            assert session.feed.overrides.everyone == ({"new-checkout": "off"} if chosen == "off" else {})
        assert page.get_by_label("User id").input_value() == "ada@example.com"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_everybody_can_use_it(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    """No rule for accessible pages is broken, and a narrow screen does not scroll sideways."""
    root = a_repository(tmp_path, CHECKOUT | {"name": "<script>alert(1)</script>" * 9})
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with a_session(root) as (session, client), a_page(browser, str(client.base_url), **options) as page:
        session.problem = "flags/new-checkout.yaml:3:1: error: " + "a" * 200
        page.goto(f"{client.base_url}?user_id=x&properties=a")
        assert Axe().run(page).violations_count == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
