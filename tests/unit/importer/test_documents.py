"""The fields of a live flag as a document says them, and what is taken out of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from builders import a_condition, a_config, a_flag, a_full_flag, a_live_flag, a_segment, a_variant
from msgspec.structs import replace

from reconciler.importer import represent
from reconciler.importer.deployments import names_for, unnamed_deployments, with_deployments
from reconciler.importer.document import keep_rollouts, remove_at
from reconciler.importer.fields import document_of
from reconciler.importer.not_declarable import NotDeclarable, find_faults, find_not_declarable
from reconciler.model.config import IgnoreRule
from reconciler.model.flag import UNSET, Weights

A_AND_B = (a_variant("a", name="", description="", payload=None, users=(), cohorts=()), a_variant("b", users=("u",)))
PLAIN = [{"key": "a", "payload": None}, {"key": "b", "inclusions": {"users": ["u"]}}]


@pytest.mark.parametrize(
    ("fields", "keep", "expected"),
    [
        ({"variants": A_AND_B, "rollout_weights": Weights.of({"b": 1, "a": 0})}, {},
         {"variants": PLAIN, "rolloutWeights": {"a": 0, "b": 1}}),
        ({"variants": A_AND_B, "rollout_weights": Weights.of({"gone": 1, "b": 2})}, {},
         {"variants": PLAIN, "rolloutWeights": {"a": 0, "b": 2}}),
        ({"variants": (), "rollout_weights": Weights.of({"gone": 3})}, {},
         {"variants": [], "rolloutWeights": {"gone": 3}}),
        ({"rollout_weights": Weights.of({"a": 0})}, {}, {}),
        ({"rollout_weights": Weights.of({"a": 0})}, {"rolloutWeights": {"a": 0}}, {"rolloutWeights": {}}),
        ({"variants": A_AND_B}, {"variants": [{"key": "a", "name": "x", "inclusions": {"users": ["y"]}}]},
         {"variants": [{"key": "a", "name": "", "payload": None, "inclusions": {"users": []}}, PLAIN[1]]}),
        ({"variants": (a_variant("a", users=UNSET),)}, {"variants": [{"key": "a", "inclusions": {"users": ["y"]}}]},
         {"variants": [{"key": "a", "inclusions": {"users": ["y"]}}]}),
        ({"archived": False}, {}, {}),
        ({"archived": False}, {"archived": True}, {"archived": False}),
        ({"archived": True, "enabled": False}, {}, {"archived": True, "enabled": False}),
        ({"deployments": ("2", "1", "3", "1")}, {}, {"deployments": ["2", "3", "web"]}),
        ({"tags": ("y", "ours", "x", "y")}, {}, {"tags": ["x", "y"]}),
    ],
)  # fmt: skip
def test_fields_as_a_file_says_them(fields: dict[str, Any], keep: dict[str, Any], expected: dict[str, Any]) -> None:
    """Weights of what is no variant mean nothing; empty texts and lists are said where the file has some."""
    config = a_config(deployments={"web": "1", "www": "1"}, managed_tag="ours")
    assert document_of(a_flag(**fields), config, keep) == {"key": "new-checkout", **expected}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"z": 2, "b": 1, "a": 0, "c": 3}, [("b", 1), ("c", 3), ("z", 2)]),
        ({"b": 0, "a": 0}, [("a", 0), ("b", 0)]),
    ],
)
def test_weights_of_a_segment(weights: dict[str, int], said: list[tuple[str, int]]) -> None:
    """In the order of the variants, then others; those of 0 are left out beside others."""
    segment = a_segment(conditions=(), percentage=5, rollout_weights=Weights.of(weights))
    flag = a_flag(variants=tuple(map(a_variant, "abc")), target_segments=(segment,))
    (shown,) = document_of(flag, a_config(), {})["targetSegments"]
    assert list(shown.pop("rolloutWeights").items()) == said
    assert shown == {"name": "Beta", "conditions": [], "everyone": True, "percentage": 5}


@pytest.mark.parametrize(
    ("fields", "keep", "said"),
    [
        ({"enabled": False, "description": ""}, {}, {}),
        ({"enabled": True, "description": "x"}, {}, {"enabled": True, "description": "x"}),
        ({"enabled": False}, {"enabled": True}, {"enabled": False}),
        ({"tags": ()}, {}, {"tags": []}),
    ],
)
def test_a_minimal_document(fields: dict[str, Any], keep: dict[str, Any], said: dict[str, Any]) -> None:
    """Without what a new flag has anyway, unless the file or a default speaks of it."""
    config = a_config(defaults={"tags": ["x"]})
    assert document_of(a_flag(**fields), config, keep, minimal=True) == {"key": "new-checkout", **said}


@pytest.mark.parametrize(
    ("payload", "minimal", "is_said"), [({}, True, False), (None, True, False), ({}, False, True), ([], True, True)]
)
def test_an_empty_payload(payload: Any, minimal: bool, is_said: bool) -> None:
    flag = a_flag(variants=(a_variant("a", payload=payload),))
    (variant,) = document_of(flag, a_config(), {}, minimal=minimal)["variants"]
    assert variant == ({"key": "a", "payload": payload} if is_said else {"key": "a"})


DEFAULTS = {"enabled": True, "rolloutPercentage": 10, "tags": ["b", "a"], "description": "x", "expires": "2030-01-01"}


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (None, {"description": "y"}),
        ({"key": "f", "enabled": False}, {"description": "y", "enabled": True}),
        ({"key": "f", "tags": None}, {"description": "y", "tags": None}),
        ({"key": "f", "tags": ["a", "b"]}, {"description": "y", "tags": ["a", "b"]}),
    ],
)
def test_a_document_beside_defaults(keep: dict[str, Any] | None, said: dict[str, Any]) -> None:
    """What they say already is left out, unless the file says it; what has to be left out is not managed."""
    spec = a_flag("f", enabled=True, rollout_percentage=12.5, tags=("a", "b"), description="y")
    found = represent(a_live_flag(spec), a_config(defaults=DEFAULTS), keep=keep, keys={}, minimal=False)
    assert found.document == {"key": "f", "rolloutPercentage": None, **said}
    assert found.left_out == ("/rolloutPercentage",)


@pytest.mark.parametrize(
    ("name", "default", "path"),
    [
        ("variants", [{"key": "a"}], "/variants/b"),
        ("rolloutWeights", {"a": 1}, "/name"),
        ("rolloutWeights", {"a": 1}, "/rolloutWeights/b"),
        ("targetSegments", [], "/targetSegments/Beta"),
        ("tags", ["x"], "/tags/y"),
    ],
)
def test_what_a_file_takes_away_of_the_defaults_stays_so(name: str, default: Any, path: str) -> None:
    """Also where other fields, or a part of that one, are ignored."""
    config = a_config(defaults={name: default}, ignore=(IgnoreRule(flags="*", paths=(path,)),))
    live = a_live_flag(a_full_flag("f"))
    found = represent(live, config, keep={"key": "f", name: None}, keys={}, minimal=True)
    assert found.document[name] is None
    assert found.left_out == ()


VARIANTS: list[dict[str, Any]] = [
    {"key": "a", "name": "A", "inclusions": {"users": ["u"], "cohorts": ["c"]}},
    {"key": "0", "name": "Zero", "inclusions": {"users": ["u"]}},
]


@pytest.mark.parametrize(
    ("pointers", "gone", "left"),
    [
        (["/variants/a/name"], ["/variants/a/name"], {"key": "a", "inclusions": VARIANTS[0]["inclusions"]}),
        (["/variants/1/name"], ["/variants/0/name"], VARIANTS[0]),
        (["/variants/0/name"], ["/variants/0/name"], VARIANTS[0]),
        (["/variants/2/name"], [None], VARIANTS[0]),
        (["/variants/b/name"], [None], VARIANTS[0]),
        (["/variants/a/payload"], [None], VARIANTS[0]),
        (["/variants/a/name/x"], ["/variants/a/name"], {"key": "a", "inclusions": VARIANTS[0]["inclusions"]}),
        (["/variants/a/inclusions"], ["/variants/a/inclusions"], {"key": "a", "name": "A"}),
        (["/variants/a/inclusions/users/3"] * 2, ["/variants/a/inclusions/users"] * 2,
         {"key": "a", "name": "A", "inclusions": {"cohorts": ["c"]}}),
        (["/variants/a/inclusions/users", "/variants/a/inclusions/cohorts"],
         ["/variants/a/inclusions/users", "/variants/a/inclusions/cohorts"], {"key": "a", "name": "A"}),
        (["/variants/0/inclusions/users"] * 2, ["/variants/0/inclusions/users", None], VARIANTS[0]),
        (["/variants/a/key"], ["/variants"], None),
        (["/variants/a"], ["/variants"], None),
        (["/variants", "/variants/a/name"], ["/variants", None], None),
        (["/tags/0"], ["/tags"], VARIANTS[0]),
        ([""], [None], VARIANTS[0]),
    ],
)  # fmt: skip
def test_what_goes_with_a_pointer(pointers: list[str], gone: list[str | None], left: dict[str, Any] | None) -> None:
    """A field of a variant alone, by its key before its place; a list of members whole; any other field whole."""
    document: dict[str, Any] = {"key": "f", "variants": copy.deepcopy(VARIANTS), "tags": ["x"]}
    assert [remove_at(document, pointer) for pointer in pointers] == gone
    assert document.get("variants", [None])[0] == left
    assert ("tags" in document) is ("/tags" not in gone)


ROLLED = {"percentage": 100, "rollout": {"steps": ["5% 1h", "100%"]}}


@pytest.mark.parametrize(
    ("declared", "live", "kept"),
    [
        ({}, {"rolloutPercentage": 5}, {"rolloutPercentage": 5}),
        ({"rolloutPercentage": 50, "rollout": {}}, {"rolloutPercentage": 5, "enabled": True},
         {"rolloutPercentage": 50, "rollout": {}, "enabled": True}),
        ({"rollout": {}}, {"rolloutPercentage": 5}, {"rolloutPercentage": 5, "rollout": {}}),
        ({"targetSegments": [{"name": "a", **ROLLED}, {"name": "gone", **ROLLED}, {"name": "b", "percentage": 9}]},
         {"targetSegments": [{"name": "b", "percentage": 2}, {"name": "a", "percentage": 3, "conditions": []}]},
         {"targetSegments": [{"name": "b", "percentage": 2}, {"name": "a", "conditions": [], **ROLLED}]}),
        ({"targetSegments": [{"name": "a", **ROLLED}]}, {"targetSegments": None}, {"targetSegments": None}),
        ({"targetSegments": [{"name": "a", **ROLLED}]}, {}, {}),
        ({"targetSegments": None}, {"targetSegments": [{"name": "a"}]}, {"targetSegments": [{"name": "a"}]}),
    ],
)  # fmt: skip
def test_rollouts_stay(declared: dict[str, Any], live: dict[str, Any], kept: dict[str, Any]) -> None:
    """With the percentages that they lead to; segments by name."""
    assert keep_rollouts(live, declared) == kept


@pytest.mark.parametrize(
    ("labels", "known", "named"),
    [
        ({"3": "Web", "1": "Web", "2": "Web"}, {}, [("Web", "1"), ("Web-2", "2"), ("Web-3", "3")]),
        ({"1": "(The EU) shop!"}, {}, [("The-EU-shop", "1")]),
        ({"1": "2024", "2": "!?", "3": "_"}, {}, [("deployment-2024", "1"), ("deployment-2", "2"), ("_", "3")]),
        ({"1": "a.b_c-d"}, {"a.b_c-d": "9"}, [("a.b_c-d-2", "1")]),
        ({"1": "nine"}, {"web": "nine"}, [("nine-2", "1")]),
        ({}, {}, []),
    ],
)
def test_names_of_deployments(labels: dict[str, str], known: dict[str, str], named: list[tuple[str, str]]) -> None:
    """None twice, nor one that is an id already; a deployment without a label gets none."""
    found = names_for({*labels, "77"}, labels, a_config(deployments=known))
    assert list(found.items()) == named


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_new_deployments_end_as_the_lines_before(end: str) -> None:
    text = f"version: 1{end}projectId: '7'{end}{end}"
    written = with_deployments(text, a_config(), {"web": "67", "tv": "68"})
    assert written == end.join(["version: 1", "projectId: '7'", "deployments:", '  "web": "67"', '  "tv": "68"', ""])


def test_cohort_segments_are_shown_to_the_word() -> None:
    """In comments, with what no file declares of them."""
    cohort = a_condition("userdata_cohort", "set contains", ("abc",))
    segment = a_segment("Staff", conditions=(a_condition(), replace(cohort, type="cohort")))
    found = represent(
        a_live_flag(a_flag("f", target_segments=(segment,))), a_config(), keep=None, keys={}, minimal=False
    )
    assert found.remarks == (
        "targetSegments are not declared: the API cannot take back cohort conditions. They are:",
        "  - name: Staff",
        "    conditions:",
        "      - {prop: country, op: is, values: [US, CA]}",
        "      - {prop: userdata_cohort, op: set contains, values: [abc], type: cohort}",
        "    percentage: 100",
        "    rolloutWeights: {treatment: 1}",
    )
    assert (found.document, found.left_out) == ({"key": "f"}, ("/targetSegments",))


SEGMENT = a_segment("Beta", rollout_weights=Weights.of({"a": 1}))
SAID = {"name": "Beta", "conditions": [{"prop": "country", "op": "is", "values": ["CA", "US"]}], "percentage": 100}
SEVEN = {"rolloutWeights": {"a": 7}}
ON_AND_OFF = (a_variant("a"), a_variant("b"))


def live_a(**fields: Any) -> dict[str, Any]:
    return {"variants": (a_variant("a", **fields),)}


def said_a(**fields: Any) -> dict[str, Any]:
    return {"variants": [{"key": "a", **fields}]}


@pytest.mark.parametrize(
    ("live", "said", "is_kept"),
    [
        ({"tags": ("a", "b")}, {"tags": ["b", "a"]}, True),
        ({"tags": ("a", "b")}, {"tags": ["b", "c"]}, False),
        ({"rollout_percentage": 10}, {"rolloutPercentage": 10.0}, True),
        ({"rollout_weights": Weights.of({"a": 1, "b": 1})}, {"rolloutWeights": {"b": 50, "a": 50}}, True),
        ({"rollout_weights": Weights.of({"a": 1, "b": 1})}, {"rolloutWeights": {"b": 50, "a": 50, "c": 0}}, False),
        ({"rollout_weights": Weights.of({"a": 1, "b": 1})}, {"rolloutWeights": {"b": 50, "a": 51}}, False),
        (live_a(users=("u", "v")), said_a(inclusions={"users": ["v", "u"]}),
         True),
        (live_a(users=("u", "v")), said_a(inclusions={"users": ["u"]}),
         False),
        (live_a(payload={"x": 1}), said_a(payload={"x": 1.0}), True),
        (live_a(payload={"x": 1}), said_a(payload={"x": 2}), False),
        (live_a(payload={"x": 1}), said_a(), False),
        (live_a(name="A"), said_a(name="B"), False),
        ({"variants": ON_AND_OFF}, said_a(), False),
        ({"variants": ON_AND_OFF}, {"variants": [{"key": "b"}, {"key": "a"}]}, False),
        (live_a(), said_a(renamedFrom="z"), False),
        ({"target_segments": (SEGMENT,)}, {"targetSegments": [SAID | {"rolloutWeights": {"a": 7, "b": 0}}]}, True),
        ({"target_segments": (SEGMENT,)}, {"targetSegments": [SAID | {"rolloutWeights": {"a": 7, "c": 0}}]}, False),
        ({"target_segments": (SEGMENT, replace(SEGMENT, name="B"))},
         {"targetSegments": [SAID | SEVEN, SAID | {"name": "B", "rolloutWeights": {"a": 7, "c": 0}}]}, False),
        ({"target_segments": (replace(SEGMENT, bucketing_key="user_id"),), "bucketing_key": "user_id"},
         {"targetSegments": [SAID | {"rolloutWeights": {"a": 7}}]}, True),
        ({"target_segments": (replace(SEGMENT, bucketing_key="device_id"),), "bucketing_key": "user_id"},
         {"targetSegments": [SAID | {"rolloutWeights": {"a": 7}}]}, False),
    ],
)  # fmt: skip
def test_what_means_the_same_stays_as_written(live: dict[str, Any], said: dict[str, Any], is_kept: bool) -> None:
    """Unless it names a variant that the flag does not have: even with no weight."""
    spec = a_flag("f", **{"variants": ON_AND_OFF} | live)
    document = represent(a_live_flag(spec), a_config(), keep={"key": "f", **said}, keys={}, minimal=False).document
    ((name, value),) = said.items()
    assert (repr(document[name]) == repr(value)) is is_kept


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        (
            {"name": "a" * 600_000, "description": "b" * 600_000},
            [("/key", "The flag is too large for one document.")],
        ),
        (
            {"description": "b" * 1_100_000, "variants": [{"key": "a"}, {"key": "b", "payload": "\a"}]},
            [
                ("/description", "The file has more than 1024 KiB."),
                ("/variants/1/payload", "The control character U+0007 is not allowed."),
            ],
        ),
    ],
)
def test_what_makes_a_document_unreadable(fields: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    """The fields by themselves, of variants each; or all of them together."""
    found = find_faults({"key": "f", **fields}, a_config())
    assert [(item.pointer, item.reason) for item in found] == faults
    whole = represent(a_live_flag(a_flag("f", **{name: fields[name] for name in fields if name != "variants"})),
                      a_config(), keep=None, keys={}, minimal=False)  # fmt: skip
    assert (whole.document == {}) is (faults[0][0] == "/key")


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({}, []),
        ({"name": 7}, [("/name", "This must be text.")]),
        ({"tags": ["\u202e", "\u202d"]},
         [("/tags", "U+202E is a bidirectional control: text with it can read differently from what it says.")]),
        ({"deployments": ["nope"]}, [("/deployments/0", 'The configuration names no deployment "nope".')]),
        ({"deployments": ["web", "67"]}, [("/deployments/1", "The deployment stands twice.")]),
        ({"rolloutPercentage": 100, "rollout": {"steps": ["5% 1h", "100%"], "guards": ["x"]}},
         [("/rollout/guards/0", 'The configuration has no guard "x".')]),
    ],
)  # fmt: skip
def test_faults_of_documents(fields: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    """One for each place."""
    found = find_faults({"key": "f", **fields}, a_config(deployments={"web": "67"}))
    assert [(item.pointer, item.reason) for item in found] == faults


def test_segments_without_a_name_get_one() -> None:
    """By their place, and none that there is already."""
    names = ("", "Segment 1", " ", "Segment 3", "Segment 3 (2)", "")
    segments = tuple(
        a_segment(name, conditions=(a_condition(values=(str(number),)),)) for number, name in enumerate(names)
    )
    live = a_live_flag(a_full_flag("f", target_segments=segments))
    found = represent(live, a_config(), keep=None, keys={}, minimal=False)
    made = ("Segment 1 (2)", "Segment 3 (3)", "Segment 6")
    assert [segment["name"] for segment in found.document["targetSegments"]] == [
        made[0], "Segment 1", made[1], "Segment 3", "Segment 3 (2)", made[2],
    ]  # fmt: skip
    assert [segment["conditions"][0]["values"] for segment in found.document["targetSegments"]] == [
        [str(number)] for number in range(6)
    ]
    assert (found.named, found.left_out) == (made, ())
    assert found.remarks == tuple(f"targetSegments/{name} has no name live: it got this one here" for name in made)


def test_deployments_without_a_name_are_those_of_all_flags() -> None:
    """Of a flag that does not show any there are none."""
    flags = [a_live_flag(a_flag(key, **fields)) for key, fields in (
        ("a", {}), ("b", {"deployments": ("1", "2")}), ("c", {"deployments": ("2", "3")}), ("d", {"deployments": ()}),
    )]  # fmt: skip
    assert unnamed_deployments(flags, a_config(deployments={"web": "1", "old": "9"})) == {"2", "3"}


def test_a_document_that_says_something_else_than_the_flag_is_not_written() -> None:
    """Each field in which it does is named."""
    live = a_live_flag(a_flag("f", enabled=True, tags=("a",), description="x"))
    document = {"key": "f", "enabled": False, "tags": ["a"], "description": "y"}
    reason = "The live value is one that would not compare equal to any declared one."
    assert find_not_declarable(document, live, a_config()) == (
        NotDeclarable("/description", reason),
        NotDeclarable("/enabled", reason),
    )
