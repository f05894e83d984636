"""What became of tests, in each format to the letter."""

from __future__ import annotations

import json
from fractions import Fraction

from builders import NOON, a_position
from msgspec.structs import replace

from reconciler.errors import UsageError
from reconciler.evaluation.assertions import Assertion, Cause, Outcome, Share, Status, Verdict
from reconciler.evaluation.persons import Person
from reconciler.reports.registry import VERDICTS, RenderOptions, render
from reconciler.reports.text_layout import Terminal
from reconciler.reports.verdicts import Decided, Unreached, VerdictsReport

BETA = Cause(segment="Beta", path="/targetSegments/0", variant="treatment")
REST = Cause(segment="All Other Users", path="/rolloutPercentage", variant="off")
LISTED = Cause(segment="inclusions a", path="/variants/0/inclusions", variant="a")
ADA = Person({"country": "DE", "gp": {"plan": "pro", "n": 1}, "user_id": "ada"})
AT = a_position(line=17, column=5)


def decided(name: str, status: Status, line: int = 1, *, file: str = "a.test.yaml", **verdict: object) -> Decided:
    """A test on a line of its file, and what became of it."""
    claim = Assertion(name=name, flag="shop", source=a_position(line=line, file=file))
    return Decided(claim=claim, verdict=Verdict(status=status, **verdict), environment="live")  # type: ignore[arg-type]


def refuted(
    name: str, line: int, *causes: Cause, claim: dict[str, object] | None = None, **verdict: object
) -> Decided:
    """A test that is not met; only what gives the variant now stands in a file."""
    item = decided(name, Status.REFUTED, line, causes=causes, **verdict)
    places = (*(None for _ in causes[1:]), AT if causes[-1] is not LISTED else None)
    return replace(item, claim=replace(item.claim, **claim or {}), places=places)


SHARE = (Share(Outcome("treatment"), (), ">= 20%"), Fraction(1, 8))
DECIDED = (
    decided("holds", Status.PROVED),
    refuted("moves", 2, BETA, REST, person=ADA),
    refuted("share", 3, REST, person=Person({}), share=SHARE),
    refuted("beta", 4, BETA, without=("user_id", "device_id"), share=SHARE),
    refuted("ada", 5, LISTED, claim={"user": {"user_id": "x"}, "expected": "b"}, person=ADA),
    decided("open", Status.UNDECIDED, 6, reason="It is open."),
    decided("more", Status.UNDECIDED, 1, file="b\n.test.yaml", reason="x"),
    decided("unsaid", Status.UNDECLARED, 2, file="b\n.test.yaml"),
)
REPORT = VerdictsReport(decided=DECIDED, directory="sub/", created_at=NOON)
WHO = 'user_id (listed, not shown), country "DE", gp.plan "pro", gp.n 1'
MOVES = 'had treatment by segment "Beta" and gets off as one of "All Other Users" (flags/new-checkout.yaml:17)'
IN_REST = 'any user is in "All Other Users" (flags/new-checkout.yaml:17), where 12.5% get treatment, not >= 20%'
IN_BETA = (
    'a user without user_id and device_id is in segment "Beta" (flags/new-checkout.yaml:17), '
    "where 12.5% get treatment, not >= 20%"
)
TOLD = (f"{WHO} {MOVES}", IN_REST, IN_BETA, "the user gets a, not b, by inclusions a", "It is open", "x", "")


def test_text_has_a_line_for_each_test_that_is_not_proved() -> None:
    """And the counts last; one alone stands behind the counts."""
    names = ("moves", "share", "beta", "ada", "open", "more", "unsaid")
    words = ("refuted",) * 4 + ("not decided",) * 2 + ("undeclared",)
    lines = [f"{word}: {name}: {told}".strip() for word, name, told in zip(words, names, TOLD, strict=True)]
    counts = "1 proved, 4 refuted, 2 not decided, 1 undeclared."
    assert render(VERDICTS, "text", REPORT).splitlines() == [*lines, counts]
    shown = render(VERDICTS, "text", REPORT, RenderOptions(show_users=True)).splitlines()
    assert shown == [lines[0].replace("(listed, not shown)", '"ada"'), *lines[1:], counts]
    made_up = replace(
        DECIDED[1], verdict=replace(DECIDED[1].verdict, person=Person(ADA.user, frozenset({"user_id"})))
    )
    one = render(VERDICTS, "text", VerdictsReport(decided=(DECIDED[0], made_up), environments=2))
    assert one == f"1 proved, 1 refuted: moves (in live): {TOLD[0]}\n".replace("(listed, not shown)", '"ada"')
    coloured = render(VERDICTS, "text", REPORT, RenderOptions(terminal=Terminal(width=200, color=True)))
    for style, word in (("1;31", "refuted"), ("1;33", "not decided"), ("1;33", "undeclared"), ("1", "moves")):
        assert f"\x1b[{style}m{word}\x1b[0m: " in coloured
    alone = replace(REPORT, decided=DECIDED[:2])
    options = RenderOptions(terminal=Terminal(width=200, color=True))
    assert "1 proved, 1 refuted: \x1b[1mmoves\x1b[0m: " in render(VERDICTS, "text", alone, options)


def test_what_no_test_reaches_is_told_last() -> None:
    """Segments and variants of each flag, and how many flags that is; in JSON as lists."""
    away = (
        Unreached(flag="a", has_tests=False, segments=("s",), variants=("v",)),
        Unreached(flag="b", has_tests=True, segments=("s",), variants=("v", "w")),
    )
    report = VerdictsReport(decided=DECIDED[:1], coverage=away)
    assert render(VERDICTS, "text", report).splitlines() == [
        "1 proved.",
        "",
        "a: no test.",
        'b: no test reaches segment "s", variant v, variant w.',
        "Tests do not reach all of 2 flags.",
    ]
    assert render(VERDICTS, "text", replace(report, coverage=())) == (
        "1 proved.\n\nTests reach all segments and variants.\n"
    )
    document = json.loads(render(VERDICTS, "json", report, RenderOptions(error=UsageError("no"))))
    assert document["ok"] is True
    assert document["coverage"] == [
        {"flag": "a", "tested": False, "segments": ["s"], "variants": ["v"]},
        {"flag": "b", "tested": True, "segments": ["s"], "variants": ["v", "w"]},
    ]
    assert document["error"] == {"kind": "usage", "message": "no", "exitCode": 64}


def test_json_holds_all_that_is_known_of_a_test() -> None:
    """Ids of users too: the message alone counts them."""
    document = json.loads(render(VERDICTS, "json", REPORT))
    tests = document.pop("tests")
    assert document == {
        "formatVersion": 1,
        "ok": False,
        "summary": {"proved": 1, "refuted": 4, "undecided": 2, "undeclared": 1},
    }
    assert [item["message"] for item in tests] == [None, *TOLD]
    assert [item["status"] for item in tests] == [
        "proved", *["refuted"] * 4, "undecided", "undecided", "undeclared",
    ]  # fmt: skip
    rest = {"variant": "off", "segment": "All Other Users", "path": "/rolloutPercentage"}
    place = {"file": "flags/new-checkout.yaml", "line": 17}
    assert tests[1] == {
        "name": "moves",
        "flag": "shop",
        "environment": "live",
        "source": {"file": "a.test.yaml", "line": 2},
        "status": "refuted",
        "message": TOLD[0],
        "user": ADA.user,
        "causes": [
            {"variant": "treatment", "segment": "Beta", "path": "/targetSegments/0", "source": None},
            rest | {"source": place},
        ],
        "share": None,
    }
    assert tests[2]["share"] == {"outcome": "treatment", "claimed": ">= 20%", "found": 12.5}
    assert (tests[0]["user"], tests[0]["causes"]) == (None, [])


def test_junit_has_a_suite_for_each_file() -> None:
    """With the counts of it, and the time of the run; without one the beginning of all times."""
    told = [text.replace('"', "&quot;").replace(">", "&gt;") for text in TOLD]
    texts = [text.replace(">", "&gt;") for text in TOLD]
    one = "\n".join(
        f'    <testcase name="{name}" classname="shop" time="0">\n'
        f'      <{kind} message="{told[at]}" type="{word}">{texts[at]}</{kind}>\n    </testcase>'
        for at, (name, kind, word) in enumerate(
            (*((name, "failure", "refuted") for name in ("moves", "share", "beta", "ada")),
             ("open", "error", "not decided"))
        )
    )  # fmt: skip
    shared = 'package="" hostname="localhost" timestamp="2030-01-02T12:00:00"'
    assert (
        render(VERDICTS, "junit", REPORT)
        == f"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a.test.yaml" id="0" {shared} tests="6" failures="4" errors="1" time="0">
    <properties />
    <testcase name="holds" classname="shop" time="0" />
{one}
    <system-out />
    <system-err />
  </testsuite>
  <testsuite name="b\\n.test.yaml" id="1" {shared} tests="2" failures="0" errors="2" time="0">
    <properties />
    <testcase name="more" classname="shop" time="0">
      <error message="x" type="not decided">x</error>
    </testcase>
    <testcase name="unsaid" classname="shop" time="0">
      <error message="" type="undeclared" />
    </testcase>
    <system-out />
    <system-err />
  </testsuite>
</testsuites>
"""
    )
    assert 'timestamp="1970-01-01T00:00:00"' in render(VERDICTS, "junit", replace(REPORT, created_at=None))


def test_annotations_are_at_the_line_to_blame() -> None:
    """What gives the variant now before what gave it, or else the test itself."""
    before = replace(DECIDED[1], places=(AT, None))
    shown = render(VERDICTS, "github", replace(REPORT, decided=(*DECIDED[:2], before, DECIDED[5])))
    assert [line.partition("::")[2].partition("::")[0] for line in shown.splitlines()] == [
        "error file=sub/flags/new-checkout.yaml,line=17,col=5,title=refuted%3A moves",
        "error file=sub/flags/new-checkout.yaml,line=17,col=5,title=refuted%3A moves",
        "error file=sub/a.test.yaml,line=6,col=1,title=not decided%3A open",
    ]
    assert shown.splitlines()[0].endswith(f"::{TOLD[0]}.")
