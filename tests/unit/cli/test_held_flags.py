"""What one flag does wrong holds that flag: the others go on, in every format and with every exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import seeded
from jsonschema import Draft202012Validator
from terminals import at_terminal

from reconciler.files.schema import load_schema
from reconciler.planning.guards import ALLOWABLE

if TYPE_CHECKING:
    from conftest import Ran, Repository

LIVE: dict[str, Any] = {
    "enabled": True,
    "rolloutPercentage": 10,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [{"key": "control"}, {"key": "treatment"}],
    "tags": ["managed"],
}
SEGMENT = {
    "name": "By hand",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "percentage": 100,
    "rolloutWeights": {"treatment": 1},
}

HELD: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "a live variant renamed by hand": (
        [LIVE | {"variants": [{"key": "control"}, {"key": "renamed"}], "rolloutWeights": {"control": 1}}],
        "rolloutWeights: {control: 1, treatment: 1}\n",
        "unmet-declaration",
    ),
    "a segment by hand names a variant that is to go": (
        [LIVE | {"targetSegments": [SEGMENT]}],
        "variants: [{key: control}]\nrolloutWeights: {control: 1}\n",
        "unmet-declaration",
    ),
    "not live and without variants": ([], "enabled: true\n", "unmet-declaration"),
    "a live variant that no path can name is to go": (
        [LIVE | {"variants": [{"key": "control"}, {"key": ".."}], "rolloutWeights": {"control": 1}}],
        "variants: [{key: control}]\n",
        "unmet-declaration",
    ),
    "a live deployment that no path can name is to go": (
        [LIVE | {"deployments": ["67", "a/b"]}],
        "deployments: ['67']\nname: New\n",
        "unmet-declaration",
    ),
    "a rename that matches nothing": (
        [LIVE],
        "variants: [{key: control}, {key: new, renamedFrom: tretment}]\n",
        "renames",
    ),
    "a rename of which both keys are live": (
        [LIVE | {"variants": [{"key": "control"}, {"key": "treatment"}, {"key": "new"}]}],
        "variants: [{key: control}, {key: new, renamedFrom: treatment}]\n",
        "renames",
    ),
    "another case of a key": (
        [LIVE],
        "variants: [{key: control}, {key: Treatment}]\n",
        "renames",
    ),
    "archived live": ([LIVE | {"archived": True}], "rolloutPercentage: 20\n", "archived"),
    "two live flags of one key": ([LIVE, LIVE], "rolloutPercentage: 20\n", "duplicates"),
    "another salt": ([LIVE], "bucketingSalt: other\n", "rebucket"),
    "weights that would all be 0": (
        [LIVE | {"rolloutWeights": {"control": 0, "treatment": 1}}],
        "variants: [{key: control}]\n",
        "zero-weights",
    ),
}


@pytest.fixture(params=HELD)
def guard(request: pytest.FixtureRequest, repository: Repository) -> str:
    """A second flag, beside the one that can be applied, that a guard holds; the guard's name."""
    live, text, name = HELD[request.param]
    seeded(repository.emulator, [{"key": "held", **flag} for flag in live])
    repository.write("flags/held.yaml", f"key: held\n{text}")
    repository.emulator.log.clear()
    return name


def a_valid(ran: Ran, kind: str) -> Any:
    """The document on stdout, which is as its schema says."""
    document = json.loads(ran.out)
    Draft202012Validator(load_schema(kind)).validate(document)
    return document


def test_a_held_flag_is_marked_in_every_format(repository: Repository, guard: str) -> None:
    """Its own line says the guard and what to do; the summary counts the others alone; changes are exit code 2."""
    for form in ("text", "markdown", "html"):
        ran = repository.run("plan", "--format", form, "--detailed-exitcode")
        assert ran.code == 2, ran.err
        assert any("held" in line and guard in line for line in ran.out.splitlines())
    assert repository.run("plan").out.splitlines()[-1].startswith("Plan: 0 create, 1 update, 0 archive; 1 API calls;")
    document = a_valid(repository.run("plan", "--format", "json"), "plan")
    held, going = document["flags"]
    assert [(item["guard"], bool(item["message"])) for item in held["held"]] == [(guard, True)]
    assert "held" not in going
    if not held["operations"]:
        assert "No user gets another variant." not in repository.run("plan", "--target", "held").out
    assert document["summary"] | {"held": 1, "update": 1, "create": 0, "operations": 1} == document["summary"]
    assert document["refusals"] == []
    assert "error" not in document


def test_the_other_flags_are_applied(repository: Repository, guard: str) -> None:
    """Exit code 7: the one is applied and verified, of the held one nothing is sent, and the report says why."""
    before = [dict(flag) for flag in repository.emulator.store.flags.values() if flag["key"] == "held"]
    ran = repository.run("apply", "--auto-approve", "--format", "json")
    assert ran.code == 7
    document = a_valid(ran, "report")
    held, going = document["flags"]
    assert (held["key"], held["status"], held["verified"]) == ("held", "held", None)
    assert guard in held["error"]
    assert all(operation["status"] == "skipped" for operation in held["operations"])
    assert (going["status"], going["verified"]) == ("applied", True)
    assert document["summary"] == {"applied": 1, "failed": 0, "unknown": 0, "skipped": 0, "held": 1, "unchanged": 0}
    assert [dict(flag) for flag in repository.emulator.store.flags.values() if flag["key"] == "held"] == before
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    again = repository.run("apply", "--auto-approve", "--format", "json", "--report", "report.json")
    assert again.code == 5, "all that is left to do is held"
    assert guard in again.err
    document = a_valid(again, "report")
    assert [(flag["key"], flag["status"]) for flag in document["flags"]] == [("held", "held")]
    assert document["summary"] == {"applied": 0, "failed": 0, "unknown": 0, "skipped": 0, "held": 1, "unchanged": 1}
    assert (document["error"]["guards"], document["verified"], document["requests"]) == ([guard], None, 0)
    assert json.loads((repository.root / "report.json").read_text()) == document


def test_all_or_nothing_can_be_asked_for(repository: Repository, guard: str) -> None:
    """`--on-refusal abort`: one held flag, and nothing is sent; exit code 5."""
    ran = repository.run("apply", "--auto-approve", "--on-refusal", "abort", "--report", "report.json")
    assert ran.code == 5
    assert guard in ran.err
    assert repository.emulator.writes == []
    assert json.loads((repository.root / "report.json").read_text())["error"]["guards"] == [guard]


def test_a_plan_of_held_flags_alone_is_refused(repository: Repository, guard: str) -> None:
    """Exit code 5 and no saved plan, with any other flags unchanged."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    ran = repository.run("plan", "--format", "json", "--out", "plan.json")
    assert ran.code == 5
    assert a_valid(ran, "plan")["error"]["guards"] == [guard]
    assert not (repository.root / "plan.json").exists()
    assert repository.run("apply", "--auto-approve").code == 5
    assert repository.emulator.writes == []


def test_a_saved_plan_holds_what_it_held(repository: Repository, guard: str) -> None:
    """It is saved with its held flags, shown with them, and applies the others."""
    assert repository.run("plan", "--out", "plan.json").code == 0
    assert guard in repository.run("show", "plan.json").out
    assert repository.run("apply", "plan.json", "--auto-approve").code == 7
    assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_one_flag_may_be_allowed(repository: Repository) -> None:
    """`--allow KIND:KEY` is for that flag; another that the same guard holds stays held."""
    for key in ("one", "two"):
        seeded(repository.emulator, [{"key": key, **LIVE}])
        repository.write(f"flags/{key}.yaml", f"key: {key}\nbucketingSalt: other\n")
    ran = repository.run("plan", "--allow", "rebucket:one", "--format", "json")
    flags = {flag["key"]: flag.get("held") for flag in json.loads(ran.out)["flags"]}
    assert (flags["one"], flags["two"][0]["override"]) == (None, "--allow rebucket:two")
    assert flags["two"][0]["alternatives"]
    assert repository.run("apply", "--auto-approve", "--allow", "rebucket:one").code == 7
    assert repository.live("one")["bucketingSalt"] == "other"
    assert repository.run("apply", "--auto-approve", "--allow", "rebucket").code == 0


KINDS = ", ".join(sorted(ALLOWABLE))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("updates:f", "'updates' is about the whole plan: it takes no key of a flag."),
        ("updates:", "'updates' is about the whole plan: it takes no key of a flag."),
        ("rebucket:", "'rebucket:' names no flag after the colon."),
        ("nothing:f", f"'nothing' is none of {KINDS}."),
        ("rebuckets:f", f"'rebuckets' is none of {KINDS}. Did you mean \"rebucket\"?"),
        ("duplicates:f", f"'duplicates' is none of {KINDS}. Did you mean \"updates\"?"),
        ("zero-weights", f"'zero-weights' is none of {KINDS}."),
    ],
)
def test_what_allow_does_not_take(repository: Repository, value: str, why: str) -> None:
    """A guard of the run has no key, and some guards nothing overrides: wrong usage, before any request."""
    ran = repository.run("plan", "--allow", value)
    assert (ran.code, ran.err) == (
        64,
        f"Error: Invalid value for '--allow': {why} See `reconciler plan --help`.\n",
    )
    assert repository.emulator.log == []


def test_guards_of_the_run_stop_it(repository: Repository) -> None:
    """Too many archives: nothing is sent, not even what no guard holds, and the report says so of every flag."""
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nsafety: {maxArchives: 0}\n')
    repository.write("flags/other-flag.yaml", "key: other-flag\narchived: true\n")
    ran = repository.run("apply", "--auto-approve", "--format", "json")
    assert ran.code == 5
    document = a_valid(ran, "report")
    assert document["error"]["guards"] == ["archives"]
    assert [(flag["key"], flag["status"]) for flag in document["flags"]] == [
        ("new-checkout", "skipped"),
        ("other-flag", "skipped"),
    ]
    assert repository.emulator.writes == []


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_a_terminal_gives_each_reason_once(repository: Repository, command: tuple[str, ...]) -> None:
    """The plan says why; what stands below it only names the guard. In a log of stderr alone the reason is whole."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    both = "\n".join(at_terminal(*command, columns=200, with_stdout=True).lines)
    assert both.count("re-buckets its users") == 1
    assert both.count("--allow rebucket:new-checkout") == 1
    assert "Error: Refused as unsafe by rebucket" in both
    assert "--allow rebucket:new-checkout" in repository.run(*command).err


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_only_an_apply_says_that_nothing_was_sent(repository: Repository, form: str) -> None:
    """A plan never sends."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    planned = repository.run("plan", "--format", form, "--output", "plan.txt")
    assert "nothing was sent" not in planned.err
    assert "nothing was sent" not in (repository.root / "plan.txt").read_text()
    assert "nothing was sent" in repository.run("apply", "--auto-approve").err


@pytest.mark.parametrize(("variable", "noun"), [("GITHUB_ACTIONS", "pull request"), ("GITLAB_CI", "merge request")])
def test_the_label_is_on_what_the_forge_calls_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, variable: str, noun: str
) -> None:
    """In the comment that a job writes there."""
    monkeypatch.delenv("GITLAB_CI", raising=False)
    monkeypatch.setenv(variable, "true")
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    out = repository.run("plan", "--format", "markdown").out
    assert f"or the label `flags-allow:rebucket:new-checkout` on the {noun}." in out


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_why_a_flag_is_held_is_no_warning_too(repository: Repository, form: str) -> None:
    """What a safety check says stands in the row of the flag as well, and nowhere else; without it, as a warning."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    held = repository.run("plan", "--format", form)
    assert held.code == 5
    assert "The bucketing salt changes" not in held.out
    assert "1 warning" not in held.out
    assert "a change of bucketingSalt re-buckets its users" in held.out
    allowed = repository.run("plan", "--format", form, "--allow", "rebucket")
    assert "The bucketing salt changes: this re-buckets all users." in allowed.out
    document = json.loads(repository.run("plan", "--format", "json").out)
    assert document["flags"][0]["warnings"] == ["The bucketing salt changes: this re-buckets all users."]


@pytest.mark.parametrize(
    "declared", ["key: new-checkout\nbucketingSalt: other\n", "key: new-checkout\narchived: false\n"]
)
def test_a_plan_has_its_page_whether_it_is_refused_or_not(repository: Repository, declared: str) -> None:
    """Beside any form of the result; a refused one says so, and user ids are counted."""
    repository.write("flags/new-checkout.yaml", declared)
    users = "variants: [{key: control}, {key: treatment, inclusions: {users: [grace@example.com]}}]\n"
    repository.write("flags/new-checkout.yaml", declared + users)
    ran = repository.run("plan", "--format", "markdown", "--page", "page.html")
    page = (repository.root / "page.html").read_text(encoding="utf-8")
    assert ("held by safety check rebucket" in page) is (ran.code == 5) is ("bucketingSalt" in declared)
    assert "new-checkout" in page
    assert "grace@" not in page
    for options in ((), ("--show-users",)):
        ran = repository.run("plan", "--format", "html", "--page", "page.html", *options)
        page = (repository.root / "page.html").read_text(encoding="utf-8")
        assert page.strip() == ran.out.strip()
        assert ("grace@" in page) is bool(options)
