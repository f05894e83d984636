"""The page: self-contained, and nothing in it comes from data but text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from builders import a_report
from small_plans import HOSTILE, PERSON, SMALL_PLANS

from reconciler.render.document import plan_document
from reconciler.render.html import render_outcome_html, render_plan_html
from reconciler.render.outcome_document import outcome_document


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """A comment could only come from data."""
        pytest.fail(f"a comment: {data}")


@pytest.mark.parametrize("name", SMALL_PLANS)
def test_a_page_has_no_element_from_data(name: str) -> None:
    """Whatever the strings, elements and attributes are those of the template: no script, no handler, no link."""
    page = Page(render_plan_html(plan_document(SMALL_PLANS[name]())))
    assert not set(page.elements) & {"script", "img", "a", "iframe", "b", "link", "form", "object", "base"}
    assert not [
        attribute for attribute, _ in page.attributes if attribute.startswith("on") or attribute in {"href", "src"}
    ]


def test_a_page_shows_hostile_strings_as_text() -> None:
    """Markup in a string is read as text, sign by sign."""
    page = Page(render_plan_html(plan_document(SMALL_PLANS["hostile"]())))
    assert HOSTILE[0] in page.text
    assert "{{ 7*7 }} {% raw %}" in page.text


def test_a_page_may_load_nothing() -> None:
    """The content security policy forbids everything but the styles of the page itself."""
    source = render_plan_html(plan_document(SMALL_PLANS["everyday"]()))
    assert "default-src 'none'" in source
    assert "http://" not in source
    assert "https://" not in source
    assert source.startswith("<!doctype html>")


def test_a_page_counts_users() -> None:
    """User ids are not in a page unless asked for."""
    plan = SMALL_PLANS["everyday"]()
    assert PERSON not in render_plan_html(plan_document(plan))
    assert PERSON in render_plan_html(plan_document(plan, show_users=True))


def test_a_report_page_escapes_errors() -> None:
    """What a server wrote is text in the report's page."""
    page = Page(render_outcome_html(outcome_document(a_report(error=HOSTILE[0]))))
    assert "script" not in page.elements
    assert HOSTILE[0] in page.text
