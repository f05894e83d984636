"""The page: self-contained, and nothing in it comes from data but text."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

import html5lib
import pytest
from builders import a_flag_plan, a_plan, a_report, an_empty_plan
from jinja2 import UndefinedError
from msgspec.structs import replace
from pages import a_hostile_drift, a_large_plan, a_rich_plan, all_pages, plan_page_of
from small_plans import HOSTILE, PERSON, SMALL_PLANS

from reconciler.apply import Status
from reconciler.drift import DriftReport, FieldOfFlag
from reconciler.planning.plan import Refusal
from reconciler.reports.html import breakable, environment
from reconciler.reports.registry import APPLY, DRIFT, PLAN, RenderOptions, render
from reconciler.reports.sanitize import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from reconciler.planning.plan import Plan

PAGES = (
    "plan", "plan-empty", "plan-hostile", "drift", "drift-none", "drift-hostile", "apply", "apply-hostile",
)  # fmt: skip
OUR_ELEMENTS = {
    "a", "body", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "head",
    "header", "html", "ins", "li", "main", "meta", "ol", "p", "section", "span", "strong", "style", "summary",
    "table", "tbody", "td", "th", "thead", "title", "tr", "ul", "wbr",
}  # fmt: skip
OUR_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "content", "href", "http-equiv", "id", "lang",
    "name", "open", "scope", "tabindex",
}  # fmt: skip
PLAIN = re.compile(r"[-\w %.#()',;:/=…]*")


@cache
def tree(name: str) -> Element:
    """A page as a browser reads it."""
    return parsed(all_pages()[name])


def parsed(source: str) -> Element:
    """The root of a page, read by the rules of HTML5; what is not well-formed is an error."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(source)


def elements(page: Element, name: str) -> list[Element]:
    """The elements of that name, in order."""
    return [element for element in page.iter() if local(element) == name]


def local(element: Element) -> str:
    """The name of an element without its namespace; a comment, which could only come from data, has none."""
    assert isinstance(element.tag, str), f"a comment: {element.text}"
    return element.tag.rpartition("}")[2]


def attributes(page: Element) -> Iterator[tuple[str, str, str]]:
    """Element, attribute and value of everything in a page."""
    for element in page.iter():
        for name, value in element.attrib.items():
            yield local(element), name, value


def words(page: Element) -> str:
    """The text of a page, without its style."""
    body = page.find("body")
    assert body is not None
    return "".join(body.itertext())


def verdict_of(source: str) -> tuple[str, str]:
    """How grave a page says things are, and its first sentence without the sign before it."""
    (section,) = [item for item in elements(parsed(source), "section") if "verdict" in item.attrib.get("class", "")]
    return section.attrib["class"].split()[1], "".join(section[0].itertext())[2:].strip()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_element_or_attribute_from_data(name: str) -> None:
    """With any strings, elements and attribute names are those of the templates, and all is well-formed."""
    page = tree(name)
    assert {local(element) for element in page.iter()} <= OUR_ELEMENTS
    assert {attribute for _, attribute, _ in attributes(page)} <= OUR_ATTRIBUTES
    assert len(elements(page, "style")) == 1


@pytest.mark.parametrize("name", PAGES)
def test_no_attribute_holds_others_words(name: str) -> None:
    """Classes, ids, links and labels hold the page's own words."""
    odd = [item for item in attributes(tree(name)) if item[0] != "meta"]
    assert not [item for item in odd if not PLAIN.fullmatch(item[2])]
    assert not [value for _, name, value in odd if name == "href" and not re.fullmatch(r"#flag(s|-\d+)", value)]


@pytest.mark.parametrize("name", ["plan-hostile", "drift-hostile", "apply-hostile"])
@pytest.mark.parametrize("hostile", [text for text in HOSTILE if "::" not in text and "##" not in text])
def test_a_page_shows_hostile_strings_as_text(name: str, hostile: str) -> None:
    """Markup in a string is read as text, sign by sign."""
    assert visible(hostile) in words(tree(name))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_obeys_nothing_but_its_own_style(name: str) -> None:
    """The policy forbids everything but one style, named by the hash of what the page holds: no script at all."""
    page = tree(name)
    (policy,) = [meta.attrib["content"] for meta in elements(page, "meta") if "http-equiv" in meta.attrib]
    style = base64.b64encode(hashlib.sha256((elements(page, "style")[0].text or "").encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"


def test_a_page_loads_nothing() -> None:
    """No address of anywhere, and no style that could fetch one, is in a page."""
    source = all_pages()["plan"]
    assert source.startswith("<!doctype html>")
    assert not re.search(r"https?://|@import|url\(|src=", source)


@pytest.mark.parametrize("name", PAGES)
def test_everything_is_open(name: str) -> None:
    """Every flag is open, and nothing is hidden."""
    assert all("open" in details.attrib for details in elements(tree(name), "details"))


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_every_reference_has_its_target(name: str) -> None:
    """Links and labels lead to exactly one element."""
    found = list(attributes(tree(name)))
    ids = [value for _, attribute, value in found if attribute == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value.removeprefix("#") for _, attribute, value in found if attribute == "href"}
    wanted |= {value for _, attribute, value in found if attribute == "aria-labelledby"}
    assert wanted <= set(ids)


def test_a_page_counts_users() -> None:
    """User ids are not in a page unless asked for."""
    plan = SMALL_PLANS["everyday"]()
    assert PERSON not in render(PLAN, "html", plan)
    assert PERSON in render(PLAN, "html", plan, RenderOptions(show_users=True))


def test_the_verdict_and_the_effects_come_first() -> None:
    """Above the flags: the refusal, the line that ends the text plan, a row for each effect, the worst first."""
    text = " ".join(words(parsed(plan_page_of(a_rich_plan()))).split())
    places = [
        text.index(part)
        for part in ("Refused as unsafe", "Plan: 1 create", "--allow exposure", "Effects, worst first",
                     "rankingvariant c removed", "pricing-pageweights, payload of c", "Fields")
    ]  # fmt: skip
    assert places == sorted(places)


def test_every_flag_with_an_effect_has_a_row() -> None:
    """However many flags there are, each effect leads to its flag."""
    page = parsed(plan_page_of(a_large_plan(200)))
    assert len({link.attrib["href"] for link in elements(page, "a")}) == 201


def test_the_page_of_an_empty_plan_is_calm() -> None:
    """Without changes the page says so."""
    page = tree("plan-empty")
    assert "No changes: live matches git." in words(page)
    assert not elements(page, "table")


def test_a_page_says_when_and_from_what_a_plan_was_made() -> None:
    """Time and commit are in the head, as far as they are known."""
    assert "Made 2030-01-02 12:00 UTC from commit 0123456789ab" in plan_page_of(a_plan())
    assert "Made" not in words(parsed(plan_page_of(a_plan(created_at=None, commit=None))))


def test_bars_have_their_figures_in_words() -> None:
    """Beside the bars, which screen readers skip, stand the shares; below them who has what now and then."""
    page = parsed(plan_page_of(a_plan()))
    (exposure,) = [item for item in elements(page, "section") if item.attrib.get("class") == "exposure"]
    sides = [item for item in elements(exposure, "p") if item.attrib.get("class") == "shares"]
    assert [" ".join("".join(item.itertext()).split()) for item in sides] == [
        "now ······················█▒ · off 90% █ control 5% ▒ treatment 5%",
        "then ············██████▒▒▒▒▒▒ · off 50% █ control 25% ▒ treatment 25%",
    ]
    assert all(
        bar.attrib["aria-hidden"] == "true" for side in sides for bar in side if bar.attrib.get("class") == "bar"
    )
    cells = [" ".join("".join(row.itertext()).split()) for row in elements(exposure, "tr")]
    assert cells == [
        "nowthenshare", "offstays50%", "off→ control20%", "off→ treatment20%", "controlstays5%", "treatmentstays5%",
    ]  # fmt: skip


def test_the_page_of_drift_names_who_made_it() -> None:
    """Each difference stands with its editor; what is missing has a card of its own."""
    text = " ".join(words(tree("drift")).split())
    assert "2 flags different from git, 2 missing or uncertain." in text
    assert "by ada@example.com (v12, 2030-01-02T09:12:44Z)" in text
    assert "summer-banner is declared but does not exist live" in text


def test_the_page_of_no_drift_is_calm() -> None:
    """No drift is said in one line, with what it took to know."""
    assert "No drift; 0 requests" in words(tree("drift-none"))


def test_the_page_of_a_report_puts_failures_first() -> None:
    """Failed, unknown, skipped and held flags are linked above, in this order; what was applied needs no opening."""
    text = " ".join(words(tree("apply")).split())
    rows = (
        "failed-flagfailedLater calls",
        "unknown-flagunknownThe call may",
        "skipped-flagskippedNothing",
        "held-flagheldA safety check",
    )
    places = [text.index(part) for part in ("Not applied", *rows, "Calls that were not applied")]
    assert places == sorted(places)
    assert len(elements(tree("apply"), "details")) == 4


@pytest.mark.parametrize(
    ("report", "severity", "verdict"),
    [
        (DriftReport(project_id="7", region="us", environment=None), "calm", "No drift."),
        (
            DriftReport(project_id="7", region="us", environment=None, unchecked=(FieldOfFlag(key="a"),)),
            "work",
            "No drift in what was checked.",
        ),
    ],
)
def test_what_was_not_looked_at_is_not_called_clean(report: DriftReport, severity: str, verdict: str) -> None:
    """A look that a budget cut short does not promise that there is no drift."""
    assert verdict_of(render(DRIFT, "html", report)) == (severity, verdict)


@pytest.mark.parametrize(
    ("statuses", "verified", "severity", "verdict"),
    [
        ((Status.APPLIED,), True, "calm", "Everything was applied."),
        ((Status.APPLIED,), False, "alarm", "The live state does not match the plan, although every call succeeded."),
        ((Status.APPLIED, Status.FAILED), True, "alarm", "1 of 2 flags applied."),
        ((Status.UNKNOWN,), None, "alarm", "No flag was applied completely. Of 1 flag that is not known."),
    ],
)
def test_a_report_is_calm_only_where_all_went_well(
    statuses: tuple[Status, ...], verified: bool | None, severity: str, verdict: str
) -> None:
    """What failed, or was read back otherwise, is an alarm."""
    assert verdict_of(render(APPLY, "html", a_report(*statuses, verified=verified))) == (severity, verdict)


def test_no_line_of_a_page_is_a_command_to_a_build_log() -> None:
    """A page that goes to stdout in a workflow cannot make the runner do anything."""
    pages = (
        plan_page_of(SMALL_PLANS["hostile"]()),
        render(DRIFT, "html", a_hostile_drift()),
        render(APPLY, "html", a_report(error=" ".join(HOSTILE))),
    )
    assert not [line for page in pages for line in page.split("\n") if re.search(r"^\s*::|##\[|##vso\[", line)]


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        (0, "Nothing would change, 1 flag held by safety checks."),
        (2, "2 flags would change, 1 flag held by safety checks."),
    ],
)
def test_the_verdict_says_what_is_held(others: int, verdict: str) -> None:
    """Held flags are no changes, and their colour is their own."""
    held = a_flag_plan("held", held=(Refusal(guard="rebucket", message="no", override=""),))
    page = plan_page_of(a_plan(held, *(a_flag_plan(f"f{number}") for number in range(others))))
    assert verdict in page
    assert page.count('class="card held"') == 1


@pytest.mark.parametrize(
    ("plan", "severity", "verdict"),
    [
        (a_plan(), "work", "1 flag would change."),
        (an_empty_plan(), "calm", "No changes: live matches git."),
        (SMALL_PLANS["refused"](), "alarm", "Refused as unsafe."),
        (
            a_plan(a_flag_plan("a", held=(Refusal(guard="g", message="m", override=""),)), a_flag_plan("b")),
            "alarm",
            "1 flag would change, 1 flag held by safety checks.",
        ),
    ],
)
def test_how_grave_a_plan_is(plan: Plan, severity: str, verdict: str) -> None:
    """Refused or held is an alarm, changes are work, none is calm."""
    assert verdict_of(render(PLAN, "html", plan)) == (severity, verdict)


def test_what_is_not_known_of_some_is_said_beside_what_was_applied() -> None:
    """And that there was nothing to do, where there was nothing."""
    unknown = a_report(Status.APPLIED, Status.UNKNOWN, Status.UNKNOWN)
    told = "1 of 3 flags applied. Of 2 flags that is not known."
    assert verdict_of(render(APPLY, "html", unknown)) == ("alarm", told)
    assert verdict_of(render(APPLY, "html", a_report(Status.FAILED)))[1] == "No flag was applied completely."
    assert verdict_of(render(APPLY, "html", replace(a_report(), outcomes=()))) == ("calm", "There was nothing to do.")


def test_a_template_names_nothing_that_is_not_there() -> None:
    """A value that is missing is an error, and no empty place on a page; markup in values is text."""
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nothing }}").render()
    assert environment().from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    assert breakable("a/<b>/c") == "a/<wbr>&lt;b&gt;/<wbr>c"
