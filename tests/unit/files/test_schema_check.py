"""Findings of the schemas: the right rule at the right pointer, in our own words, with nothing personal in them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.files.schema import check, quoted
from reconciler.files.schema_errors import MAX_FINDINGS
from reconciler.text import suggest

CONDITION = {"prop": "p", "op": "is", "values": ["v"]}
SEGMENT = {"name": "s", "conditions": [CONDITION], "percentage": 1, "rolloutWeights": {"a": 1}}
AT_CONDITION = "/targetSegments/0/conditions/0"
AT_INCLUSIONS = "/variants/0/inclusions"


def flag(**fields: Any) -> dict[str, Any]:
    """A flag document."""
    return {"key": "a", **fields}


def segment(**fields: Any) -> dict[str, Any]:
    """A flag document with one segment."""
    return flag(targetSegments=[{**SEGMENT, **fields}])


def condition(**fields: Any) -> dict[str, Any]:
    """A flag document with one segment of one condition."""
    return segment(conditions=[{**CONDITION, **fields}])


def included(**lists: Any) -> dict[str, Any]:
    """A flag document with one variant and its inclusions."""
    return flag(variants=[{"key": "a", "inclusions": lists}])


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing-field", ""),
    ({"key": 5}, "unquoted-id", "/key"),
    ({"key": "New"}, "invalid-key", "/key"),
    ({"key": "a\n"}, "invalid-key", "/key"),
    ({"key": ""}, "invalid-key", "/key"),
    (flag(enabeld=True), "unknown-field", "/enabeld"),
    (flag(projectId="1"), "unknown-field", "/projectId"),
    (flag(enabled="on"), "wrong-type", "/enabled"),
    (flag(enabled=None), "wrong-type", "/enabled"),
    (flag(enabled=1), "wrong-type", "/enabled"),
    (flag(archived="no"), "wrong-type", "/archived"),
    (flag(name=5), "wrong-type", "/name"),
    (flag(name="a\nb"), "control-character", "/name"),
    (flag(evaluationMode="locale"), "unknown-value", "/evaluationMode"),
    (flag(bucketingSalt=12345), "unquoted-id", "/bucketingSalt"),
    (flag(rolloutPercentage=12.5), "whole-percentage", "/rolloutPercentage"),
    (flag(rolloutPercentage=101), "whole-percentage", "/rolloutPercentage"),
    (flag(rolloutPercentage=-1), "whole-percentage", "/rolloutPercentage"),
    (flag(rolloutPercentage="25%"), "whole-percentage", "/rolloutPercentage"),
    (flag(rolloutPercentage=True), "whole-percentage", "/rolloutPercentage"),
    (flag(rolloutWeights={"a": 0.5}), "whole-weight", "/rolloutWeights/a"),
    (flag(rolloutWeights={"a": -1}), "whole-weight", "/rolloutWeights/a"),
    (flag(rolloutWeights={"a b": 1}), "invalid-variant-key", "/rolloutWeights/a b"),
    (flag(rolloutWeights=[1]), "wrong-type", "/rolloutWeights"),
    (flag(variants=[]), "no-variants", "/variants"),
    (flag(variants=[{}]), "missing-field", "/variants/0"),
    (flag(variants=[{"key": "a/b"}]), "invalid-variant-key", "/variants/0/key"),
    (flag(variants=[{"key": ".."}]), "invalid-variant-key", "/variants/0/key"),
    (flag(variants=[{"key": 1}]), "unquoted-id", "/variants/0/key"),
    (included(users=[217854]), "unquoted-id", f"{AT_INCLUSIONS}/users/0"),
    (included(cohorts=[True]), "unquoted-id", f"{AT_INCLUSIONS}/cohorts/0"),
    (included(users=["u"] * 2001), "too-many-users", f"{AT_INCLUSIONS}/users"),
    (included(cohorts=["u"] * 11), "too-many-cohorts", f"{AT_INCLUSIONS}/cohorts"),
    (included(user=[]), "unknown-field", f"{AT_INCLUSIONS}/user"),
    (flag(deployments=[67890]), "unquoted-id", "/deployments/0"),
    (flag(deployments=["a/b"]), "invalid-id", "/deployments/0"),
    (flag(tags=[" a"]), "space-around-id", "/tags/0"),
    (flag(tags=[1]), "wrong-type", "/tags/0"),
    (flag(expires="soon"), "invalid-date", "/expires"),
    (flag(frozenUntil="2030-01-01T00:00:00"), "invalid-date", "/frozenUntil"),
    (flag(links=["javascript:alert(1)"]), "invalid-link", "/links/0"),
    (segment(name=None), "wrong-type", "/targetSegments/0/name"),
    (segment(percentage=12.5), "whole-percentage", "/targetSegments/0/percentage"),
    (segment(rolloutWeights={"a": 1.5}), "whole-weight", "/targetSegments/0/rolloutWeights/a"),
    (segment(weights={}), "unknown-field", "/targetSegments/0/weights"),
    (condition(op="iss"), "unknown-op", f"{AT_CONDITION}/op"),
    (condition(values=[5]), "unquoted-value", f"{AT_CONDITION}/values/0"),
    (condition(values="v"), "wrong-type", f"{AT_CONDITION}/values"),
    (condition(type="cohort"), "unknown-value", f"{AT_CONDITION}/type"),
    (segment(conditions=[{"prop": "p", "op": "is"}]), "missing-field", AT_CONDITION),
    (flag(environments={"a b": {}}), "invalid-environment", "/environments/a b"),
    (flag(environments={"a": {"key": "b"}}), "unknown-field", "/environments/a/key"),
    (flag(environments={"a": {"rolloutPercentage": 200}}), "whole-percentage", "/environments/a/rolloutPercentage"),
    (flag(environments={"a": {"rolloutWeights": {"a": "1"}}}), "whole-weight", "/environments/a/rolloutWeights/a"),
    (flag(environments={"a": 5}), "wrong-type", "/environments/a"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "rule", "path"), BROKEN)
def test_each_breach_is_one_finding(value: dict[str, Any], rule: str, path: str) -> None:
    """One rule, one pointer, once."""
    assert [(item.rule, item.path) for item in check(value, "flag")] == [(rule, path)]


@pytest.mark.parametrize(
    "value",
    [
        flag(),
        flag(rolloutPercentage=25.0),
        segment(),
        segment(conditions=[], everyone=True),
        flag(variants=[{"key": "a", "payload": None}, {"key": "b", "payload": [{"on": 1}]}]),
        flag(name="", description="a\nb", tags=[], deployments=[], targetSegments=[]),
        flag(environments={"a": {"rolloutPercentage": None, "rolloutWeights": {"a": None, "b": 2}}}),
        flag(
            expires="2030-06-30", frozenUntil="2030-01-07T09:00:00+01:00", links=["https://example.com/1"], notes=""
        ),
    ],
)
def test_good_documents_have_no_findings(value: dict[str, Any]) -> None:
    """Everything that the contract allows passes."""
    assert check(value, "flag") == ()


def test_every_breach_is_found_at_once() -> None:
    """All findings, not the first."""
    found = check({"key": 1, "enabled": "x", "rolloutPercentage": 200, "foo": 1}, "flag")
    assert {item.rule for item in found} == {"unquoted-id", "wrong-type", "whole-percentage", "unknown-field"}
    missing = [item.message for item in check(flag(targetSegments=[{"conditions": []}]), "flag")]
    assert sorted(missing) == [
        'The field "name" is missing.', 'The field "percentage" is missing.', 'The field "rolloutWeights" is missing.'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (flag(rolloutPercentag=1), 'Did you mean "rolloutPercentage"?'),
        (flag(ENABLED=True), 'Did you mean "enabled"?'),
        (segment(conditions=[{"prop": "p", "op": "set contain", "values": []}]), 'Did you mean "set contains"?'),
        (flag(evaluationMode="Remote"), 'Did you mean "remote"?'),
        (flag(enabled="yes"), "Only true and false are booleans; on, off, yes and no are text."),
        (flag(name=5), "Put quotes around it."),
        (flag(enabled=None), "Leave the field out if it is not to be managed."),
    ],
)
def test_hints_say_what_to_do(value: dict[str, Any], hint: str) -> None:
    """The nearest known word, or the usual mistake behind it."""
    (finding,) = check(value, "flag")
    assert finding.hint == hint


def test_a_key_is_shown_where_the_key_is_wrong() -> None:
    """Unknown fields and bad names are marked at the key, wrong values at the value."""
    assert check(flag(foo=1), "flag")[0].of_key
    assert check(flag(rolloutWeights={"a b": 1}), "flag")[0].of_key
    assert not check(flag(enabled=1), "flag")[0].of_key


def test_messages_hold_no_value_of_the_user() -> None:
    """Addresses and secrets in a wrong place are not repeated."""
    secret = "ada@example.com"
    value = {
        "key": secret, secret: 1, "name": [secret], "evaluationMode": secret, "tags": {secret: secret},
        "rolloutWeights": {secret: 1}, "variants": [{"key": secret, "inclusions": {"users": {secret: 1}}}],
        "targetSegments": [{secret: secret}],
    }  # fmt: skip
    found = check(value, "flag")
    assert len(found) >= 10
    assert all(secret not in f"{item.message} {item.hint}" for item in found)


def test_findings_are_limited() -> None:
    """A file that is wrong everywhere is not listed to the last field."""
    assert len(check(flag(**{f"k{n}": 1 for n in range(5000)}), "flag")) == MAX_FINDINGS


@pytest.mark.parametrize("value", [[], "text", 5, None, True])
def test_a_document_that_is_no_mapping_is_one_finding(value: Any) -> None:
    """The root has a type, too."""
    (finding,) = check(value, "flag")
    assert (finding.rule, finding.path, finding.message) == ("wrong-type", "", "This must be a mapping.")


def test_numbers_of_any_size_have_a_verdict() -> None:
    """Payloads hold whole numbers that no machine word does."""
    assert check(flag(variants=[{"key": "a", "payload": 10**63}]), "flag") == ()
    assert check(flag(rolloutPercentage=10**63), "flag")[0].rule == "whole-percentage"


def test_suggestions_are_near_or_absent() -> None:
    """No suggestion is better than a strange one."""
    assert suggest("treatmen", ["control", "treatment"]) == 'Did you mean "treatment"?'
    assert suggest("xyz", ["control", "treatment"]) is None
    assert suggest("anything", []) is None


def test_only_short_and_plain_words_are_quoted() -> None:
    """What could carry markup, an address, or a flood is not repeated."""
    assert quoted("ops-*") == '"ops-*"'
    for word in ("ada@example.com", "<script>", "x" * 41, "a\nb", "`a`", 5, None):
        assert quoted(word) == "(not shown)"
