"""How pages are used: search, filters, keys, colours, links, and all of it without the script."""

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


def shown(page: Page) -> list[str]:
    """The keys of the flags that are shown."""
    return page.locator(".card h3").filter(visible=True).all_inner_texts()


def said(page: Page) -> str:
    """What the page says of how many are shown."""
    return page.locator("output").inner_text()


def focused(page: Page) -> str:
    """The text, or else the id, of what has the focus."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.innerText.split('\\n')[0]"))


def key_in_focus(page: Page) -> str:
    """The key of the flag whose summary has the focus."""
    return str(page.evaluate("document.activeElement.querySelector('h3')?.innerText"))


def test_search_finds_keys_fields_values_and_files(visit: Callable[..., Page]) -> None:
    """All words have to be in a flag, in any order and case; the number shown is said to everybody."""
    page = visit("plan")
    search = page.get_by_label("Search flags")
    assert said(page) == "6 in all"
    for words, keys in {
        "RANKING": ["ranking"],
        '50} {"rolloutPercentage":': ["new-checkout"],
        '"v2"': ["ranking"],
        "flags/pricing": ["pricing-page"],
        "POST brand": ["brand-new"],
    }.items():
        search.fill(words)
        expect(page.locator(".card").filter(visible=True).locator("h3")).to_have_text(keys)
        assert said(page) == "1 of 6 shown"
    assert page.locator("output").get_attribute("aria-live") == "polite"


def test_a_search_without_a_hit_offers_the_way_back(visit: Callable[..., Page]) -> None:
    """Nothing found is said, and one button shows everything again."""
    page = visit("plan")
    page.get_by_label("Search flags").fill("no such thing")
    page.get_by_role("button", name="Clear search and filters").click()
    assert said(page) == "6 in all"
    assert focused(page) == "search"
    assert not page.get_by_text("No flag fits.").is_visible()


def test_filters_narrow_by_action_and_risk(visit: Callable[..., Page]) -> None:
    """Actions add up, risks add up, and both have to fit."""
    page = visit("plan")
    page.get_by_label("Archive 1", exact=True).check()
    assert shown(page) == ["old-banner"]
    page.get_by_label("Update 3", exact=True).check()
    assert shown(page) == ["old-banner", "ranking", "new-checkout", "pricing-page"]
    page.get_by_label("Takes away 2", exact=True).check()
    assert shown(page) == ["old-banner", "ranking"]
    page.get_by_label("Search flags").press_sequentially("cohort")
    expect(page.locator("output")).to_have_text("1 of 6 shown")
    assert shown(page) == ["ranking"]


@pytest.mark.parametrize(
    ("name", "label", "keys"),
    [
        ("drift", "Missing or in doubt 2", ["summer-banner", "dark-mode"]),
        ("apply", "Failed 1", ["failed-flag"]),
    ],
)
def test_every_page_has_its_filters(visit: Callable[..., Page], name: str, label: str, keys: list[str]) -> None:
    """Drift is filtered by what was found, a report by how it ended."""
    page = visit(name)
    page.get_by_label(label, exact=True).check()
    assert shown(page) == keys


def test_all_can_be_opened_and_closed(visit: Callable[..., Page]) -> None:
    """One button closes every flag, another opens those that are shown."""
    page = visit("plan")
    page.get_by_role("button", name="Close all").click()
    assert page.locator("details[open]").count() == 0
    page.get_by_label("Warnings 1", exact=True).check()
    page.get_by_role("button", name="Open all").click()
    assert page.locator("details[open]").count() == 1


def test_colours_follow_the_system_until_chosen(visit: Callable[..., Page]) -> None:
    """The system decides, and a change of its mind shows at once; a choice outranks it and is remembered."""
    page = visit("plan", color_scheme="light")
    assert page.evaluate(BACKGROUND) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) == DARK
    page.get_by_text("Light", exact=True).click()
    assert page.evaluate(BACKGROUND) == LIGHT
    page.reload()
    assert page.get_by_label("Light").is_checked()
    assert page.evaluate(BACKGROUND) == LIGHT
    page.get_by_text("System", exact=True).click()
    assert page.evaluate(BACKGROUND) == DARK


def test_the_page_is_used_with_keys_alone(visit: Callable[..., Page]) -> None:
    """A link skips to the flags; arrows go from flag to flag, Enter opens and closes, / goes back, Esc clears."""
    page = visit("plan")
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the flags"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == "search"
    page.keyboard.type("checkout")
    expect(page.locator("output")).to_have_text("1 of 6 shown")
    page.keyboard.press("Escape")
    assert said(page) == "6 in all"
    page.keyboard.press("ArrowDown")
    assert key_in_focus(page) == "old-banner"
    page.keyboard.press("End")
    assert key_in_focus(page) == "brand-new"
    page.keyboard.press("ArrowUp")
    assert key_in_focus(page) == "pricing-page"
    page.keyboard.press("Enter")
    assert not page.evaluate("document.activeElement.parentElement.open")
    page.keyboard.press("/")
    assert focused(page) == "search"
    page.keyboard.type("a/b")
    assert page.get_by_label("Search flags").input_value() == "a/b"


def test_colours_are_chosen_with_keys(visit: Callable[..., Page]) -> None:
    """The choice of colours is a group of radio buttons: reached with Tab, changed with arrows."""
    page = visit("plan", color_scheme="light")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == "theme-system"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(BACKGROUND) == DARK


def test_a_link_to_a_flag_opens_it(visit: Callable[..., Page]) -> None:
    """An effect leads to its flag even where that is closed and filtered away, and the focus goes along."""
    page = visit("plan")
    page.get_by_role("button", name="Close all").click()
    page.get_by_label("Archive 1", exact=True).check()
    page.locator(".effects").get_by_role("link", name="pricing-page").click()
    expect(page.locator("summary:focus")).to_have_count(1)
    assert key_in_focus(page) == "pricing-page"
    assert page.locator("details[open] h3").all_inner_texts() == ["pricing-page"]
    assert said(page) == "6 in all"


def test_a_large_plan_stays_usable(visit: Callable[..., Page], artifacts: Path) -> None:
    """A thousand flags come closed, out of sight they are not drawn, and search and filter find among all of them."""
    page = visit("plan-large")
    assert page.locator("details").count() == 1000
    assert page.locator("details[open]").count() == 0
    assert page.locator("#flag-900").evaluate("card => getComputedStyle(card).contentVisibility") == "auto"
    page.get_by_label("Search flags").fill("flag-0777")
    expect(page.locator("output")).to_have_text("1 of 1000 shown")
    assert shown(page) == ["flag-0777"]
    page.get_by_label("Search flags").fill("")
    page.get_by_label("Archive 20", exact=True).check()
    expect(page.locator("output")).to_have_text("20 of 1000 shown")
    page.screenshot(path=artifacts / "plan-large-wide-light.png")
    page.goto(f"{page.url}#flag-1000")
    expect(page.locator("#flag-1000 .body")).to_be_visible()


@pytest.mark.parametrize("name", ["plan", "drift", "apply"])
def test_without_the_script_everything_is_there(visit: Callable[..., Page], name: str) -> None:
    """Every flag is open and readable, what could not work is not shown, and colours can be chosen all the same."""
    page = visit(name, java_script_enabled=False, color_scheme="light")
    assert page.locator("details:not([open])").count() == 0
    bodies = page.locator(".body")
    assert bodies.filter(visible=True).count() == bodies.count() > 0
    assert not page.locator(".toolbar").is_visible()
    light = page.screenshot()
    page.get_by_text("Dark", exact=True).click()
    page.mouse.move(0, 0)
    assert page.screenshot() != light


def test_sides_are_named_to_those_who_do_not_see_columns(visit: Callable[..., Page]) -> None:
    """Each value says whether it is live or from git, in the tree that screen readers read."""
    page = visit("plan")
    tree = page.locator(".card", has_text="new-checkout").locator(".fields").aria_snapshot()
    assert "live:" in tree
    assert "git:" in tree
    assert tree.index('deletion: "10"') < tree.index('insertion: "50"')
