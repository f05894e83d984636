"""`plan --record` and `apply --reviewed`: what was reviewed is what happens, flag by flag."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER

if TYPE_CHECKING:
    from conftest import Ran, Repository

OTHER = "key: other-flag\nname: Other\n"


def record(repository: Repository, *options: str) -> dict[str, Any]:
    """Make a review record of the plan of now."""
    assert repository.run("plan", "--record", "review.json", *options).code == 0
    document: dict[str, Any] = json.loads((repository.root / "review.json").read_text())
    return document


def reviewed(repository: Repository, *options: str) -> Ran:
    """Apply what was reviewed."""
    return repository.run("apply", "--auto-approve", "--reviewed", "review.json", *options)


def edit_by_hand(repository: Repository, key: str, **fields: Any) -> None:
    """Edit a live flag as in the web app."""
    repository.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{repository.live(key)['id']}", fields)


def test_what_was_reviewed_is_applied(repository: Repository) -> None:
    """Exit code 0, and once more there is nothing left to do."""
    repository.write("flags/other.yaml", OTHER)
    document = record(repository)
    assert set(document["flags"]) == {"new-checkout", "other-flag"}
    assert "ada@example.com" not in json.dumps(document)
    assert reviewed(repository).code == 0
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    again = reviewed(repository)
    assert (again.code, "No changes." in again.out) == (0, True)


def test_a_flag_that_was_edited_since_is_held_and_the_others_go_on(repository: Repository) -> None:
    """The report says what differs and who changed it; exit code 7."""
    repository.write("flags/other.yaml", OTHER)
    record(repository)
    edit_by_hand(repository, "new-checkout", rolloutPercentage=0)
    ran = reviewed(repository, "--allow", "kill-switch", "--report", "report.json")
    assert ran.code == 7, ran
    assert repository.live("new-checkout")["rolloutPercentage"] == 0
    assert repository.live("other-flag")["name"] == "Other"
    assert "rolloutPercentage was reviewed as 10 → 50 and is 0 → 50 now" in ran.out
    assert OTHER_USER in ran.out
    report = json.loads((repository.root / "report.json").read_text())
    assert {flag["key"]: flag["status"] for flag in report["flags"]} == {
        "new-checkout": "held",
        "other-flag": "applied",
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (
            {
                "targetSegments": [
                    {"name": "all", "conditions": [], "percentage": 100, "rolloutWeights": {"control": 1}}
                ]
            },
            6,
        ),
        ({"description": "by hand", "name": "Else"}, 0),
    ],
)
def test_a_flag_whose_users_are_others_than_reviewed_is_held(
    repository: Repository, fields: dict[str, Any], code: int
) -> None:
    """What no file declares decides too what a change does; what it does not does not matter."""
    record(repository)
    edit_by_hand(repository, "new-checkout", **fields)
    ran = reviewed(repository)
    assert ran.code == code, ran
    assert repository.live("new-checkout")["rolloutPercentage"] == (50 if code == 0 else 10)
    assert ("who is affected differ" in ran.err) is (code != 0)


def test_a_step_of_a_rollout_meanwhile_does_not_matter_where_no_user_is_moved(repository: Repository) -> None:
    """Other shares keep their variants before and after the change: none of them is affected."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nname: New\n")
    record(repository)
    edit_by_hand(repository, "new-checkout", rolloutPercentage=20)
    assert reviewed(repository).code == 0
    assert repository.live("new-checkout")["name"] == "New"


def test_users_who_were_listed_since_the_review_hold_a_flag_that_goes_on(repository: Repository) -> None:
    """No reviewer looked at what they get."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nenabled: false\n")
    record(repository)
    path = f"/flags/{repository.live('new-checkout')['id']}/variants/treatment/users"
    repository.emulator.edit_as(OTHER_USER, "POST", path, {"inclusions": ["eve@example.com"]})
    assert reviewed(repository).code == 6
    assert repository.live("new-checkout")["enabled"] is True


def test_a_flag_that_the_record_does_not_name_is_held(repository: Repository) -> None:
    """It was added after the review, or drifted: nothing of it is sent."""
    record(repository)
    repository.write("flags/other.yaml", OTHER)
    assert reviewed(repository).code == 7
    assert repository.live("other-flag")["name"] != "Other"
    assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_where_all_is_held_it_is_6_and_nothing_is_sent(repository: Repository) -> None:
    """Another value than the reviewed one, by a later commit."""
    record(repository)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    ran = reviewed(repository, "--format", "json")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (6, "unreviewed")
    assert repository.live("new-checkout")["rolloutPercentage"] == 10
    assert "reviewed as 10 → 50 and is 10 → 60 now" in ran.err


def test_a_held_flag_does_not_count_for_the_guards_of_the_run(repository: Repository) -> None:
    """However much has drifted, what was reviewed can be applied."""
    repository.write("flags/other.yaml", OTHER)
    config = (repository.root / "reconciler.yaml").read_text()
    record(repository, "--target", "new-checkout")
    repository.write("reconciler.yaml", config + "safety: {maxUpdates: 1, minFlags: 0}\n")
    assert reviewed(repository).code == 7
    assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_all_or_nothing(repository: Repository) -> None:
    """With --on-refusal abort one flag that is not as reviewed stops all."""
    record(repository)
    repository.write("flags/other.yaml", OTHER)
    assert reviewed(repository, "--on-refusal", "abort").code == 6
    assert repository.live("new-checkout")["rolloutPercentage"] == 10


def test_guards_hold_beside_the_review(repository: Repository) -> None:
    """A review overrides none of them."""
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\nsafety: {maxExposureChange: 1%}\n')
    assert repository.run("plan", "--record", "review.json").code == 5
    assert reviewed(repository).code == 5
    assert reviewed(repository, "--allow", "exposure:new-checkout").code == 0


def test_an_empty_plan_has_an_empty_record(repository: Repository) -> None:
    """It lets nothing through."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")
    assert record(repository)["flags"] == {}
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 50\n")
    assert reviewed(repository).code == 6


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", 6),
        ("[]", 6),
        ('{"formatVersion": 2}', 6),
        ('{"formatVersion": 1, "projectId": "7", "environment": null, "commit": null, "flags": {"f": "x"}}', 6),
        ('{"formatVersion": 1, "projectId": "8", "environment": null, "commit": null, "flags": {}}', 6),
        ('{"formatVersion": 1, "projectId": "7", "environment": "prod", "commit": null, "flags": {}}', 6),
        (None, 64),
    ],
)
def test_a_record_that_does_not_fit_is_refused(repository: Repository, content: str | None, code: int) -> None:
    """It is cut, of another project or environment, or not there: nothing is sent."""
    if content is not None:
        repository.write("review.json", content)
    ran = reviewed(repository)
    assert (ran.code, "defect" in ran.err) == (code, False), ran.err
    assert repository.live("new-checkout")["rolloutPercentage"] == 10


def test_a_saved_plan_takes_no_record(repository: Repository) -> None:
    """It fixes everything already."""
    record(repository)
    repository.run("plan", "--out", "plan.json")
    ran = repository.run("apply", "plan.json", "--auto-approve", "--reviewed", "review.json")
    assert (ran.code, "--reviewed" in ran.err) == (64, True)


def test_no_override_is_named_that_cannot_help(repository: Repository) -> None:
    """A flag that is held as not reviewed stays held, even if another guard is allowed."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")
    record(repository)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingSalt: other\n")
    ran = reviewed(repository)
    assert (ran.code, "rebucket:" in ran.err) == (6, True), ran
    assert "Override" not in ran.err
