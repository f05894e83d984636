"""How pages are used: keys, links, folds and colours, all of it by the browser alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 27)"


def test_colours_follow_the_system(visit: Callable[..., Page]) -> None:
    """The system decides, and a change of it shows at once."""
    page = visit("plan", color_scheme="light")
    assert page.evaluate(BACKGROUND) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) == DARK


def test_the_page_is_used_with_keys_alone(visit: Callable[..., Page]) -> None:
    """A link skips to the flags; from there Tab leads to the first flag, and Enter closes and opens it."""
    page = visit("plan")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the flags"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    first = page.locator("#flag-1")
    assert page.evaluate("document.activeElement.parentElement.id") == "flag-1"
    page.keyboard.press("Enter")
    expect(first.locator(".body")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(first.locator(".body")).to_be_visible()


def test_an_effect_leads_to_its_flag(visit: Callable[..., Page]) -> None:
    """The link of a row goes to the card of the same flag."""
    page = visit("plan")
    page.locator(".effects").get_by_role("link", name="pricing-page").click()
    target = page.locator(":target")
    expect(target.locator("h3")).to_have_text("pricing-page")
    expect(target).to_be_in_viewport()


def test_a_large_plan_stays_usable(visit: Callable[..., Page], artifacts: Path) -> None:
    """Of a thousand flags those out of sight are not drawn, and a link finds each of them."""
    page = visit("plan-large")
    assert page.locator("details").count() == 1000
    assert page.locator("#flag-900").evaluate("card => getComputedStyle(card).contentVisibility") == "auto"
    page.screenshot(path=artifacts / "plan-large-wide-light.png")
    page.goto(f"{page.url}#flag-1000")
    expect(page.locator("#flag-1000 .body")).to_be_in_viewport()


@pytest.mark.parametrize("name", ["plan", "drift", "apply"])
def test_every_flag_is_open(visit: Callable[..., Page], name: str) -> None:
    """Every flag is open and readable."""
    page = visit(name)
    assert page.locator("details:not([open])").count() == 0
    bodies = page.locator(".body")
    assert bodies.filter(visible=True).count() == bodies.count() > 0


def test_sides_are_named_to_those_who_do_not_see_columns(visit: Callable[..., Page]) -> None:
    """Each value says whether it is live or from git, in the tree that screen readers read."""
    page = visit("plan")
    tree = page.locator(".card", has_text="new-checkout").locator(".fields").aria_snapshot()
    assert "live:" in tree
    assert "git:" in tree
    assert tree.index('deletion: "10"') < tree.index('insertion: "50"')
