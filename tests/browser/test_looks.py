"""How pages look: accessible in both colours, within every width, on paper; pictures are kept in artifacts/."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

PAGES = ("plan", "plan-empty", "drift", "drift-none", "apply")
HOSTILE = ("plan-hostile", "drift-hostile", "apply-hostile")
WIDTHS = {"wide": 1200, "narrow": 360}
BROKEN_OUT = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
IS_SEEN = "element => element.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})"


@pytest.mark.parametrize(
    ("name", "scheme"), [*product(PAGES, ("light", "dark")), *((name, "light") for name in HOSTILE)]
)
def test_a_page_is_accessible(visit: Callable[..., Page], name: str, scheme: str) -> None:
    """No rule of axe is violated: contrast, names, landmarks, order of headings, targets."""
    page = visit(name, color_scheme=scheme)
    found = Axe().run(page)
    assert found.response["testEngine"]["name"] == "axe-core"
    assert found.response["passes"]
    assert [(item["id"], node["target"]) for item in found.response["violations"] for node in item["nodes"]] == []


def test_what_axe_calls_a_violation_is_found(visit: Callable[..., Page]) -> None:
    """The test above can fail: faint text is found."""
    page = visit("drift")
    page.evaluate("document.querySelector('h1').style.setProperty('color', '#ddd')")
    assert "color-contrast" in {item["id"] for item in Axe().run(page).response["violations"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window(visit: Callable[..., Page], artifacts: Path, name: str, scheme: str) -> None:
    """Nothing is wider than the window, on a screen and on a phone; pictures are kept."""
    page = visit(name, color_scheme=scheme)
    for width, pixels in WIDTHS.items():
        page.set_viewport_size({"width": pixels, "height": 900})
        page.screenshot(path=artifacts / f"{name}-{width}-{scheme}.png", full_page=True)
        assert not page.evaluate(BROKEN_OUT)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_strings_do_nothing(visit: Callable[..., Page], artifacts: Path, name: str) -> None:
    """Opened in a browser, such a page asks nothing, loads nothing, complains of nothing, and fits."""
    page = visit(name, viewport={"width": 360, "height": 900})
    page.wait_for_timeout(100)
    page.screenshot(path=artifacts / f"{name}-narrow-light.png", full_page=True)
    assert not page.evaluate(BROKEN_OUT)
    assert page.locator("script").count() == 0


def test_the_policy_stops_what_is_not_the_pages_own(visit: Callable[..., Page]) -> None:
    """Even if markup came in, neither a script, nor a handler, nor a style, nor a picture of it would be obeyed."""
    page = visit("plan-empty", may_complain=True)
    refused = page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
            document.querySelector("main").insertAdjacentHTML("beforeend",
                '<img src="data:image/png;base64,AA" onerror="window.hurt = 1"><p style="color: red">x</p>');
            const script = document.createElement("script");
            script.textContent = "window.hurt = 1";
            document.body.append(script);
            await new Promise((done) => setTimeout(done, 200));
            return [[...new Set(seen)].sort(), window.hurt ?? null];
        }"""
    )
    assert refused[0] == ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert refused[1] is None


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_printed(visit: Callable[..., Page], artifacts: Path, name: str) -> None:
    """On paper every flag is readable, closed ones too, and in light colours."""
    page = visit(name, color_scheme="dark")
    page.evaluate("for (const card of document.querySelectorAll('details')) card.open = false")
    page.pdf(path=artifacts / f"{name}.pdf", format="A4", print_background=True)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert all(page.locator(".body > *").evaluate_all(f"all => all.map({IS_SEEN})"))
    assert not page.locator(".skip").filter(visible=True).count()
