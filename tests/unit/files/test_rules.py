"""Every rule has a bad sample that it alone refuses, and a good one beside it that it lets pass."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.diagnostics import Severity
from reconciler.files.rules import CONFIG_RULES, DOCUMENT_RULES
from reconciler.files.rules.fields import expired, parse_moment, unknown_environment
from reconciler.files.rules.parsed_flag import ParsedFlag
from reconciler.model.config import Config, IgnoreRule
from reconciler.model.rollout import GuardSource, Step, Strategy
from reconciler.strict_json import split_pointer

if TYPE_CHECKING:
    from reconciler.diagnostics import Finding

CONFIG = Config(
    file=Path("reconciler.yaml"),
    project_id="7",
    flags_dir=Path("flags"),
    deployments={"web": "12345", "edge": "dep-9"},
    ignore=(
        IgnoreRule(flags="ops-*", paths=("/enabled", "/variants/on/payload", "/targetSegments/Beta")),
        IgnoreRule(flags="web-*", paths=("/variants/on/payload/limits",)),
    ),
    strategies={"careful": Strategy(steps=(Step(10, timedelta(hours=1)), Step(100)))},
    windows={},
    guards={"errors": GuardSource(kind="json", variable="X", failed="/f", of="/o", against="a")},
)

Body = dict[str, Any]


def a_variant(key: str = "a", **inclusions: Any) -> Body:
    """A variant with its inclusions."""
    return {"key": key, "inclusions": inclusions} if inclusions else {"key": key}


def a_segment(name: str = "s", **fields: Any) -> Body:
    """A segment with one condition, which fields can replace."""
    conditions = [{"prop": "country", "op": "is", "values": ["US"]}]
    return {"name": name, "conditions": conditions, "percentage": 100, "rolloutWeights": {"a": 1}, **fields}


def everyone(name: str = "all") -> Body:
    """A segment that says it captures everyone."""
    return a_segment(name, conditions=[], everyone=True)


def with_segments(*segments: Body) -> Body:
    """A document with segments."""
    return {"targetSegments": list(segments)}


def rolled(rollout: Body, **fields: Any) -> Body:
    """A document with a rollout."""
    return {"rolloutPercentage": 100, "rollout": rollout, **fields}


TWO = [{"key": "a"}, {"key": "b"}]
HUGE = 2**53

SAMPLES: dict[str, tuple[list[Body], list[Body]]] = {
    "reserved-variant": (
        [{"variants": [{"key": "off"}]}, {"rolloutWeights": {"off": 1}},
         with_segments(a_segment(rolloutWeights={"off": 1}))],
        [{"variants": [{"key": "on"}, {"key": "Off"}]}, {"rolloutWeights": {"on": 1}}, {"variants": [{"key": 5}]}],
    ),
    "variant-like-off": (
        [{"variants": [{"key": "OFF"}]}, {"variants": [{"key": "a"}, {"key": "Off"}]}],
        [{"variants": [{"key": "offer"}]}, {"variants": [{"key": 5}]}, {"variants": [{"key": "off"}]}],
    ),
    "duplicate-variant": (
        [{"variants": [{"key": "a"}, {"key": "b"}, {"key": "a"}]}],
        [{"variants": TWO}, {"variants": [{"key": 5}, {"key": 5}]}, {"variants": "a"}],
    ),
    "rename-collision": (
        [
            {"variants": [{"key": "a"}, {"key": "b", "renamedFrom": "a"}]},
            {"variants": [{"key": "a", "renamedFrom": "a"}]},
            {"variants": [{"key": "a", "renamedFrom": "x"}, {"key": "b", "renamedFrom": "x"}]},
        ],
        [{"variants": [{"key": "a", "renamedFrom": "x"}, {"key": "b", "renamedFrom": "y"}]}],
    ),
    "user-in-two-variants": (
        [{"variants": [a_variant("a", users=["x", "y"]), a_variant("b", users=["y"])]}],
        [
            {"variants": [a_variant("a", users=["x"]), a_variant("b", users=["y"])]},
            {"variants": [a_variant("a", users=["x"]), a_variant("b", users=["X"])]},
            {"variants": [a_variant("a", users=["x", "x"])]},
            {"variants": [a_variant("a", cohorts=["x"]), a_variant("b", users=["x"])]},
            {"variants": [a_variant("a", users=[5, {}]), a_variant("b", users=[5, {}])]},
        ],
    ),
    "duplicate-inclusion": (
        [{"variants": [a_variant(users=["x", "y", "x"])]}, {"variants": [a_variant(cohorts=["x", "x"])]}],
        [{"variants": [a_variant(users=["x", "X", 5, 5])]}, {"variants": [a_variant(users="xx")]}],
    ),
    "comma-in-id": (
        [{"variants": [a_variant(users=["a,b"])]}, {"variants": [a_variant(cohorts=[","])]}],
        [{"variants": [a_variant(users=["a;b", "a b", "a.b@example.com"])]}],
    ),
    "space-around-id": (
        [{"variants": [a_variant(users=[bad])]} for bad in (" a", "a ", "\u00a0a", "a\n", "", " ", "a\tb", "a\nb")],
        [{"variants": [a_variant(users=["a", "a b", "é", "00123"])]}, {"variants": [a_variant(users=[5])]}],
    ),
    "large-integer": (
        [{"variants": [{"key": "a", "payload": bad}]} for bad in (HUGE + 1, -HUGE - 1, {"x": [0, {"y": HUGE * 2}]})],
        [{"variants": [{"key": "a", "payload": good}]} for good in (HUGE, -HUGE, 1e300, str(HUGE * 2), True, None)],
    ),
    "everyone-required": (
        [
            with_segments(a_segment(conditions=[])),
            with_segments(a_segment(conditions=[], everyone=False)),
            {"targetSegments": [{"name": "s", "percentage": 1, "rolloutWeights": {"a": 1}}]},
        ],
        [with_segments(everyone()), with_segments(a_segment()), with_segments(a_segment(conditions=5))],
    ),
    "everyone-with-conditions": (
        [with_segments(a_segment(everyone=True))],
        [with_segments(a_segment(everyone=False)), with_segments(everyone())],
    ),
    "segment-after-everyone": (
        [with_segments(everyone(), a_segment()), with_segments(everyone(), everyone("b"))],
        [with_segments(a_segment(), everyone()), with_segments(a_segment(), a_segment("b"))],
    ),
    "unknown-variant": (
        [
            {"variants": TWO, "rolloutWeights": {"a": 1, "c": 1}},
            {"variants": TWO, "targetSegments": [a_segment(rolloutWeights={"c": 1})]},
        ],
        [
            {"variants": TWO, "rolloutWeights": {"a": 1}},
            {"rolloutWeights": {"c": 1}},
            {"variants": [{"key": "a"}, "b"], "rolloutWeights": {"c": 1}},
        ],
    ),
    "zero-weights": (
        [{"rolloutWeights": {"a": 0, "b": 0}}, {"rolloutWeights": {}},
         with_segments(a_segment(rolloutWeights={"a": 0}))],
        [{"rolloutWeights": {"a": 0, "b": 1}}, {"rolloutWeights": None}],
    ),
    "reserved-segment-name": (
        [with_segments(a_segment("reconciler-shield")), with_segments(a_segment("Reconciler-Shield 2"))],
        [with_segments(a_segment("shield of the reconciler")), with_segments(a_segment(name=5))],
    ),
    "duplicate-segment": (
        [with_segments(a_segment("x"), a_segment("x"))],
        [with_segments(a_segment("x"), a_segment("X"))],
    ),
    "empty-values": (
        [with_segments(a_segment(conditions=[{"prop": "p", "op": "is not", "values": []}]))],
        [with_segments(a_segment()), with_segments(a_segment(conditions=["x"]))],
    ),
    "duplicate-tag": ([{"tags": ["a", "b", "a"]}], [{"tags": ["a", "A"]}, {"tags": "aa"}]),
    "local-amplitude-id": (
        [{"evaluationMode": "local", "bucketingKey": "amplitude_id"},
         {"evaluationMode": "local", **with_segments(a_segment(bucketingKey="amplitude_id", percentage=50))},
         {"evaluationMode": "local", **with_segments(a_segment(bucketingKey="amplitude_id", rollout={}))}],
        [{"evaluationMode": "remote", "bucketingKey": "amplitude_id"}, {"bucketingKey": "amplitude_id"},
         {"evaluationMode": "local", "bucketingKey": "user_id"}, {"evaluationMode": "local"},
         {"evaluationMode": "local", **with_segments(a_segment(bucketingKey="amplitude_id"))},
         {"evaluationMode": "local", "bucketingKey": "amplitude_id", "bucketingUnit": "org"}],
    ),
    "invalid-date": (
        [{"expires": "2024-13-45"}, {"frozenUntil": "2023-02-29"}, {"frozenUntil": "2024-01-01T25:00:00Z"}],
        [{"expires": "2024-02-29", "frozenUntil": "2024-01-01T23:00:00Z"}, {"expires": 5}, {"expires": "soon"}],
    ),
    "unknown-deployment": (
        [{"deployments": ["wbe"]}, {"deployments": ["12345x"]}],
        [{"deployments": ["web", "67890", "dep-9"]}, {"deployments": [5]}, {"deployments": "web"}],
    ),
    "duplicate-deployment": (
        [{"deployments": ["web", "12345"]}, {"deployments": ["1", "1"]}],
        [{"deployments": ["web", "1"]}],
    ),
    "ignored-field": (
        [
            {"key": "ops-x", "enabled": True},
            {"key": "ops-x", "variants": [{"key": "on", "payload": 1}]},
            {"key": "ops-x", "targetSegments": [a_segment("Beta")]},
        ],
        [
            {"key": "web-x", "enabled": True},
            {"key": "ops-x", "variants": [{"key": "on"}]},
            {"key": "ops-x", "targetSegments": [a_segment("Gamma")], "name": "x"},
            {"key": 5, "enabled": True},
        ],
    ),
    "outer-space": (
        [{"name": "x "}, {"description": "x\n"}, {"variants": [{"key": "a", "description": " x"}]},
         with_segments(a_segment(" s"))],
        [{"name": "x y", "description": "a\nb"}, {"name": ""}, {"name": 5}, {"tags": [" x"]}],
    ),
    "invisible-character": (
        [{"name": "a\u2800"}, {"name": "\u3164"}, {"name": "\u115fx"}, {"name": "x\u1160"}, {"tags": ["\uffa0"]},
         {"name": "\u0301a"}, {"name": "a \u0308b"}, {"name": "\u0301"}, {"name": "\u20dd"}, {"name": "\u00a0"},
         {"name": " "}, {"name": "a\ufe0fb"}, {"name": "a\u034fb"}, {"name": "soft\u00adhyphen"},
         {"name": "\u180e"}, {"name": "\U0001d159"}, {"name": "a\U000e0041"}, {"name": "a \u3000 b"},
         {"variants": [{"key": "a", "name": "\u2800"}]}, with_segments(a_segment("\u17b4")),
         with_segments(a_segment("\U00016fe4"))],
        [{"name": ""}, {"name": "plain \u00fcn\u00ef \u65e5\u672c \u2713"}, {"name": "\u2764\ufe0f"},
         {"name": "1\ufe0f\u20e3"},
         {"name": "\U0001f469\u200d\U0001f4bb"}, {"name": "\u0e01\u0e33\u0e25\u0e31\u0e07"}, {"name": "\u0928\u093f"},
         {"name": "\U0001f3f4\U000e0067\U000e0062\U000e007f"}, {"name": "x\u0301y"}, {"name": "50\u00a0%"},
         {"tags": ["\u2801\u2803"]}, {"description": "\u2800"}, {"name": 5},
         with_segments(a_segment("\u845b\U000e0100"))],
    ),
    "not-nfc": (
        [{"name": "Cafe\u0301"}, {"variants": [{"key": "a", "payload": {"x": ["e\u0301"]}}]}],
        [{"name": "Caf\u00e9"}, {"variants": [{"key": "a", "payload": {"e\u0301": 1}}]}],
    ),
    "unkept-member": (
        [
            {"key": "web-x", "variants": [{"key": "on", "payload": "text"}]},
            {"key": "web-x", "variants": [{"key": "on", "payload": [{"limits": 1}]}]},
        ],
        [
            {"key": "web-x", "variants": [{"key": "on", "payload": {"x": [1]}}]},
            {"key": "web-x", "variants": [{"key": "on", "payload": None}, {"key": "off", "payload": 1}]},
            {"key": "ops-x", "variants": [{"key": "off", "payload": 1}]},
        ],
    ),
    "unknown-strategy": (
        [rolled({"strategy": "x"}), with_segments(a_segment(rollout={"strategy": "x"}))],
        [rolled({"strategy": "careful"}), rolled({"strategy": 5})],
    ),
    "unknown-window": ([rolled({"window": "x"})], [rolled({}), rolled({"window": 5})]),
    "unknown-guard": (
        [rolled({"guards": ["x"]}), rolled({"guards": ["errors"]}, variants=[{"key": "b"}])],
        [rolled({"guards": ["errors"]}), rolled({"guards": ["errors"]}, variants=TWO), rolled({"guards": 5})],
    ),
    "invalid-rollout": (
        [rolled({}), rolled({"strategy": "careful", "steps": ["5% 1h", "100%"]}),
         rolled({"strategy": "careful"}, rolloutPercentage=50), {"rollout": {"strategy": "careful"}},
         with_segments(a_segment("s", rollout={"strategy": "careful"}), a_segment("s"))],
        [rolled({"strategy": "careful"}), with_segments(a_segment(rollout={"steps": ["5% 1h", "100%"]})),
         rolled({"steps": 5}), rolled({"strategy": "careful"}, rolloutPercentage="x")],
    ),
}  # fmt: skip

WARNINGS = {
    "large-integer",
    "duplicate-segment",
    "empty-values",
    "outer-space",
    "not-nfc",
    "variant-like-off",
    "local-amplitude-id",
}


def exists(body: Body, pointer: str) -> bool:
    """Whether a document has a place."""
    value: Any = body
    for token in split_pointer(pointer):
        if isinstance(value, list) and int(token) < len(value):
            value = value[int(token)]
        elif isinstance(value, dict) and token in value:
            value = value[token]
        else:
            return False
    return True


def found_by(rule: str, body: Body) -> list[Finding]:
    """What one rule says of a document."""
    view = ParsedFlag.of(body)
    return list(DOCUMENT_RULES[rule](view) if rule in DOCUMENT_RULES else CONFIG_RULES[rule](view, CONFIG))


def test_every_rule_has_samples() -> None:
    """A row in the table of rules comes with a row here."""
    assert SAMPLES.keys() == DOCUMENT_RULES.keys() | CONFIG_RULES.keys()


@pytest.mark.parametrize("rule", SAMPLES)
def test_bad_samples_are_found_under_the_id_of_the_rule(rule: str) -> None:
    """Each bad sample gives findings of that rule only, of its severity, at a place that exists."""
    for body in SAMPLES[rule][0]:
        found = found_by(rule, body)
        assert found, body
        for item in found:
            assert item.rule == rule
            assert item.severity is (Severity.WARNING if rule in WARNINGS else Severity.ERROR)
            assert exists(body, item.place), item


@pytest.mark.parametrize("rule", SAMPLES)
def test_good_samples_pass(rule: str) -> None:
    """Neither what is right, nor what is malformed and the schema's business, is found."""
    for body in SAMPLES[rule][1]:
        assert found_by(rule, body) == [], body


@pytest.mark.parametrize("rule", SAMPLES)
@pytest.mark.parametrize(
    "junk", [None, 5, "x", [None, 5, "x", [], {}], {"x": {}}, [{"inclusions": [], "conditions": {}}]]
)
def test_no_rule_stumbles_over_the_wrong_type(rule: str, junk: Any) -> None:
    """Rules run on documents that the schema refuses, so that all findings come at once."""
    names = ("key", "variants", "targetSegments", "rolloutWeights", "deployments", "tags", "expires", "frozenUntil")
    for name in names:
        found_by(rule, {name: junk})
    found_by(rule, dict.fromkeys(names, junk))


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"variants": [{"key": "treatment"}], "rolloutWeights": {"tretment": 1}}, 'Did you mean "treatment"?'),
        ({"variants": [{"key": "b", "renamedFrom": "old"}], "rolloutWeights": {"old": 1}}, 'It is renamed to "b".'),
        ({"variants": TWO, "rolloutWeights": {"zzz": 1}}, 'Variants are: "a", "b".'),
    ],
)
def test_an_unknown_variant_comes_with_advice(body: Body, hint: str) -> None:
    """A near key, the new key of a rename, or the list."""
    assert found_by("unknown-variant", body)[0].hint == hint


def test_an_unknown_deployment_comes_with_the_nearest_name() -> None:
    """Did you mean."""
    assert found_by("unknown-deployment", {"deployments": ["wbe"]})[0].hint == 'Did you mean "web"?'


def test_a_flag_has_expired_the_day_after() -> None:
    """On the date itself it still stands; a date that is none is another rule's."""
    view = ParsedFlag.of({"expires": "2030-06-30"})
    assert list(expired(view, date(2030, 6, 30))) == []
    (finding,) = expired(view, date(2030, 7, 1))
    assert (finding.severity, finding.path) == (Severity.WARNING, "/expires")
    assert list(expired(ParsedFlag.of({"expires": "2030-99-99"}), date(2031, 1, 1))) == []


def test_an_overlay_needs_its_environment() -> None:
    """A typing error in an environment's name would otherwise never be noticed."""
    body = {"environments": {"staging": {}, "prodction": {}}}
    (finding,) = unknown_environment(body, ("staging", "production"))
    assert (finding.path, finding.hint) == ("/environments/prodction", 'Did you mean "production"?')
    assert len(list(unknown_environment(body, ()))) == 2
    assert list(unknown_environment({"environments": 5}, ())) == []


@pytest.mark.parametrize("text", ["2030-01-01", "2030-01-01T00:00:00Z", "2030-01-01T00:00+02:00"])
def test_dates_and_times_with_a_zone_are_moments(text: str) -> None:
    """Both forms of `frozenUntil`."""
    assert parse_moment(text) is not None


@pytest.mark.parametrize("text", ["2030-02-30", "2030-01-01T00:00:00", "soon", "", "20300101"])
def test_everything_else_is_no_moment(text: str) -> None:
    """A time without its zone could mean any of two days."""
    assert parse_moment(text) is None
