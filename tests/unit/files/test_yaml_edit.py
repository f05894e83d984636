"""Changing fields of a document in its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.files.decode import for_environment, said_for
from reconciler.files.format import add_environment, flag_to_yaml, leave_out_defaults, rewrite_flag
from reconciler.files.yaml.edit import rewrite_document
from reconciler.files.yaml.reader import read_documents

TEXT = """\
# yaml-language-server: $schema=x
# about the flag
key:   flag     # k
rolloutPercentage:   10   # r

# segments
targetSegments:
    - name: Beta # b
      # where
      conditions: [{prop: country, op: is, values: [US]}]
      percentage: 100
      rolloutWeights: {on: 1}
    - name: Staff # s
      conditions:
        - {prop: email, op: contains, values: ['@example.com']} # mail
      percentage: 100
      rolloutWeights: {on: 1}
    # foot
tags: [ a,b ]
"""
DOCUMENT: dict[str, Any] = read_documents(TEXT, "")[0].value


def changed(text: str = TEXT, index: int = 0, environment: str | None = None, **fields: Any) -> str:
    """The text with these fields; None takes one away."""
    document = for_environment(read_documents(text, "")[index].value, environment)
    document.pop("environments", None)
    wanted = {name: value for name, value in {**document, **fields}.items() if value is not None}
    return rewrite_flag(text, index, wanted, environment=environment)


def test_nothing_changes_where_nothing_differs() -> None:
    """The same values give the same bytes, in any style."""
    assert changed() == TEXT
    assert changed(TEXT.replace("\n", "\r\n")) == TEXT.replace("\n", "\r\n")


def test_comments_of_a_list_go_with_their_values() -> None:
    """In another order, beside new ones; that of a value that goes is kept on a line of its own."""
    text = "key: flag\ntags:\n  - a  # one\n  - b  # two\n  - c  # three\n"
    assert rewrite_flag(text, 0, {"key": "flag", "tags": ["c", "b", "d"]}, environment=None) == (
        "key: flag\ntags:\n  - c  # three\n  # one\n  - b  # two\n  - d\n"
    )


def test_one_field_changes_its_lines_only() -> None:
    """A new value is written where the old one was; its comment stays, and so does every other line."""
    assert changed(rolloutPercentage=50) == TEXT.replace(
        "rolloutPercentage:   10   # r", "rolloutPercentage: 50   # r"
    )


@pytest.mark.parametrize("gap", [" ", "  ", "\t", "     "])
def test_a_comment_keeps_its_distance(gap: str) -> None:
    """A changed value is the only difference of its line: the comment beside it moves neither nearer nor away."""
    text = f"key: a\nrolloutPercentage: 50{gap}# half # of it\nvariants:{gap}# both\n  - key: b\n"
    wanted = {"key": "a", "rolloutPercentage": 5, "variants": [{"key": "c"}]}
    assert rewrite_flag(text, 0, wanted, environment=None) == text.replace("50", "5").replace("key: b", "key: c")


def test_line_ends_stay() -> None:
    """A file with CRLF has CRLF afterwards, in new lines too."""
    text = changed(TEXT.replace("\n", "\r\n"), rolloutPercentage=50)
    assert text.count("\n") == text.count("\r\n")
    assert "rolloutPercentage: 50   # r\r\n" in text


def test_a_new_field_goes_to_its_place() -> None:
    """Behind the fields that stand before it in the house style."""
    lines = changed(enabled=True, owner="me", name="Name").splitlines()
    assert lines[2:5] == ["key:   flag     # k", "name: Name", "enabled: true"]
    assert lines[-1] == "owner: me"


def test_a_field_that_goes_leaves_its_comments() -> None:
    """Comments above, beside and inside stay behind."""
    text = changed(targetSegments=None, rolloutPercentage=None)
    assert "rolloutPercentage" not in text
    assert "targetSegments" not in text
    for comment in ("# r", "# segments", "# b", "# where", "# mail", "# foot"):
        assert comment in text


def test_items_are_matched_by_name() -> None:
    """A segment keeps its comments where it goes; those of one that is gone move on to the next."""
    beta, staff = DOCUMENT["targetSegments"]
    text = changed(targetSegments=[{**staff, "percentage": 5}, beta])
    assert text.index("name: Staff  # s") < text.index("name: Beta  # b")
    only_staff = changed(targetSegments=[{**staff, "percentage": 5}])
    assert (
        "targetSegments:\n  # b\n  # where\n  - name: Staff  # s\n    conditions:\n"
        '      - {prop: email, op: contains, values: ["@example.com"]}  # mail\n'
        "    percentage: 5\n    rolloutWeights: {on: 1}\n  # foot\n".replace("{on", '{"on"')
    ) in only_staff


def test_a_list_that_becomes_empty_keeps_its_comments() -> None:
    """Where no line is left inside, comments go above."""
    text = changed(targetSegments=[])
    assert "# foot\ntargetSegments: []\n" in text


def test_other_documents_are_not_touched() -> None:
    """In a file of several documents only the chosen one changes."""
    text = "key: a\ntags:   [x]\n---\n# two\nkey: b # b\n---\nkey:   c\n"
    assert changed(text, 1, enabled=True) == text.replace("key: b # b\n", "key: b # b\nenabled: true\n")


def test_a_document_in_brackets_is_rewritten() -> None:
    """A document that is not laid out field by line is brought into the style first."""
    text = "# c\n{key: a, tags: [x], # t\n name: it}\n"
    assert changed(text, enabled=True) == "# c\nkey: a\nname: it\nenabled: true\ntags: [x]  # t\n"


OVERLAID = """\
key: flag
rolloutPercentage: 10
rolloutWeights: {a: 1, b: 1}
environments:
  staging: {rolloutPercentage: 100} # s
  production:
    # p
    rolloutPercentage: 5
"""


@pytest.mark.parametrize("environment", ["staging", "production", "other"])
@pytest.mark.parametrize(
    "fields",
    [
        {"rolloutPercentage": 50},
        {"rolloutPercentage": 10},
        {"enabled": True},
        {"rolloutWeights": {"a": 1, "c": 2}},
        {"rolloutWeights": None},
        {"rolloutPercentage": None, "tags": ["x"]},
    ],
)
def test_an_overlay_changes_for_its_environment_alone(environment: str, fields: dict[str, Any]) -> None:
    """The document means the new values in one environment and what it meant before in all others."""
    before = read_documents(OVERLAID, "")[0].value
    text = changed(OVERLAID, environment=environment, **fields)
    after = read_documents(text, "")[0].value
    for name in ("staging", "production", "other", None):
        expected = for_environment(before, name) if name != environment else {
            key: value
            for key, value in {**for_environment(before, environment), **fields}.items()
            if value is not None
        }  # fmt: skip
        assert for_environment(after, name) == expected
    assert "# s" in text
    assert "# p" in text


@pytest.mark.parametrize(
    ("said", "fields", "expected"),
    [
        ({"rolloutPercentage": 10, "enabled": True}, {"enabled": False}, {"rolloutPercentage": 10, "enabled": False}),
        ({"rolloutWeights": {"a": 1}}, {"rolloutWeights": {"a": 1, "b": 2}}, {"rolloutWeights": {"a": 1, "b": 2}}),
        (
            {"rolloutWeights": {"a": 1}},
            {"rolloutPercentage": 5},
            {"rolloutWeights": {"a": 1}, "rolloutPercentage": 5},
        ),
        ({"rolloutPercentage": 5}, {"rolloutPercentage": 10}, {"rolloutPercentage": 10}),
        ({"tags": ["x"], "enabled": True}, {"tags": None}, {"enabled": True}),
    ],
)
def test_what_an_overlay_says_stays_said(
    said: dict[str, Any], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Also where the document says the same by itself: the environment keeps it when the document changes."""
    base = "key: flag\nrolloutPercentage: 10\nrolloutWeights: {a: 1, b: 1}\n"
    text = changed(f"{base}environments: {json.dumps({'staging': said})}\n", environment="staging", **fields)
    assert read_documents(text, "")[0].value == read_documents(base, "")[0].value | {
        "environments": {"staging": expected}
    }


def test_an_overlay_gets_whole_what_the_document_does_not_have() -> None:
    """Weights that stand nowhere yet."""
    text = changed("key: flag\n", environment="staging", rolloutWeights={"a": 1})
    assert read_documents(text, "")[0].value == {
        "key": "flag",
        "environments": {"staging": {"rolloutWeights": {"a": 1}}},
    }


def test_remarks_are_replaced_not_piled_up() -> None:
    """The read-only comments of an earlier import give way to the new ones, below the modeline."""
    first = rewrite_flag(TEXT, 0, DOCUMENT, environment=None, remarks=("old one",))
    again = rewrite_flag(first, 0, DOCUMENT, environment=None, remarks=("new one", "new two"))
    assert again.splitlines()[:3] == [TEXT.splitlines()[0], "# read-only: new one", "# read-only: new two"]
    assert rewrite_flag(again, 0, DOCUMENT, environment=None, remarks=()) == TEXT


def test_no_remark_ends_with_a_space() -> None:
    """An empty line of remarks is a comment all the same."""
    assert flag_to_yaml({"key": "f"}, ("one ", "", "two")) == (
        "# read-only: one\n# read-only:\n# read-only: two\nkey: f\n"
    )


def test_remarks_of_a_later_document_stand_below_its_start() -> None:
    """In a file of several documents each has its own."""
    text = "key: a\n---\nkey: b\n"
    written = rewrite_flag(text, 1, {"key": "b"}, environment=None, remarks=("r",))
    assert written == "key: a\n---\n# read-only: r\nkey: b\n"


@pytest.mark.parametrize(
    ("text", "wanted", "defaults", "expected"),
    [
        # What all say alike stands on top, and their overlays for it go.
        ("key: f\nonlyIn: [a]\nenvironments: {a: {enabled: true}}\n", {"key": "f", "enabled": True}, {},
         "key: f\nenabled: true\nonlyIn: [a, b]\n"),
        # What differs stands in overlays.
        ("key: f\nenabled: true\nonlyIn: [a]\n", {"key": "f", "enabled": False}, {},
         "key: f\nonlyIn: [a, b]\nenvironments:\n  a: {enabled: true}\n  b: {enabled: false}\n"),
        ("key: f\nname: M\nonlyIn: [a]\n", {"key": "f", "tags": ["x"]}, {},
         "key: f\nonlyIn: [a, b]\nenvironments:\n  a: {name: M}\n  b: {tags: [x]}\n"),
        # Once all environments are named, none need be.
        ("key: f\nonlyIn: [c, a]\n", {"key": "f"}, {}, "key: f\n"),
        ("key: f\nonlyIn: [c, a]\nenvironments: {c: {enabled: true}}\n", {"key": "f"}, {},
         "key: f\nenvironments: {c: {enabled: true}}\n"),
        # The overlay of an environment that is not configured stays.
        ("key: f\nonlyIn: [a]\nenvironments: {zz: {enabled: true}, b: {enabled: false}}\n", {"key": "f"}, {},
         "key: f\nonlyIn: [a, b]\nenvironments:\n  zz: {enabled: true}\n"),
        # Maps are merged with what lies below them.
        ("key: f\nonlyIn: [a]\nrolloutWeights: {x: 1}\n", {"key": "f", "rolloutWeights": {"y": 1, "z": 2}},
         {"b": {"rolloutWeights": {"x": 5, "y": 1}}},
         ("key: f\nonlyIn: [a, b]\nenvironments:\n  a: {rolloutWeights: {x: 1}}\n"
         "  b: {rolloutWeights: {x: null, z: 2}}\n")),
        ("key: f\nonlyIn: [a]\nrolloutWeights: {x: 1}\n", {"key": "f", "rolloutWeights": {"y": 1}},
         {"b": {"rolloutWeights": {"y": 1}}},
         ("key: f\nonlyIn: [a, b]\nenvironments:\n  a: {rolloutWeights: {x: 1}}\n"
         '  b: {rolloutWeights: {"y": 1}}\n')),
    ],
)  # fmt: skip
def test_a_flag_begins_in_another_environment(
    text: str, wanted: dict[str, Any], defaults: dict[str, dict[str, Any]], expected: str
) -> None:
    """It means what it did in the others, and says what is wanted in the new one."""
    done = add_environment(
        text, 0, wanted, environment="b", environments=("a", "b", "c"), defaults=defaults, remarks=()
    )
    assert done == expected
    document = read_documents(done, "")[0].value
    assert said_for(document, "b", defaults.get("b", {})) == wanted


REMARKED = "# a file\n# read-only: one\nkey: f\nonlyIn: [a]\n---\n# read-only: two\n# mine\nkey: g\nonlyIn: [a]\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("index", "remarks", "old", "new"),
    [
        (0, ("one", "three"), "# a file\n# read-only: one\n", "# read-only: one\n# read-only: three\n# a file\n"),
        (1, ("two", "four"), "# read-only: two\n", "# read-only: two\n# read-only: four\n"),
    ],
)  # fmt: skip
def test_remarks_of_another_environment_are_added(
    line_end: str, index: int, remarks: tuple[str, ...], old: str, new: str
) -> None:
    """Each once, to those of its document."""
    key = "fg"[index]
    done = add_environment(
        REMARKED.replace("\n", line_end), index, {"key": key}, environment="b", environments=("a", "b"), defaults={},
        remarks=remarks,
    )  # fmt: skip
    expected = REMARKED.replace(f"key: {key}\nonlyIn: [a]\n", f"key: {key}\n").replace(old, new)
    assert done == expected.replace("\n", line_end)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key: a\n", "# read-only:\n# read-only: x\nkey: a\n"),
        ("# read-only:\n# read-only: x\nkey: a\n", "# read-only:\n# read-only: x\nkey: a\n"),
        ("# mine\n# read-only:\n# read-only: x\nkey: a\n", "# mine\n# read-only:\n# read-only: x\nkey: a\n"),
        ("# mine\n# read-only: x\n# read-only:\nkey: a\n", "# read-only:\n# read-only: x\n# mine\nkey: a\n"),
        ("---\n# mine\n# read-only: old\nkey: a\n", "---\n# read-only:\n# read-only: x\n# mine\nkey: a\n"),
        ("# yaml-language-server: y\n# mine\nkey: a\n",
         "# yaml-language-server: y\n# read-only:\n# read-only: x\n# mine\nkey: a\n"),
        ("---\n# yaml-language-server: y\nkey: a\n---\n# read-only: other\nkey: b\n",
         "---\n# yaml-language-server: y\n# read-only:\n# read-only: x\nkey: a\n---\n# read-only: other\nkey: b\n"),
    ],
)  # fmt: skip
def test_remarks_are_replaced(line_end: str, text: str, expected: str) -> None:
    """They stand on top, behind the line for editors, without blanks at their ends; the same ones stay in place."""
    text, expected = text.replace("\n", line_end), expected.replace("\n", line_end)
    assert rewrite_flag(text, 0, {"key": "a"}, environment=None, remarks=("", "x ")) == expected
    assert rewrite_flag(text, 0, {"key": "a"}, environment=None) == text
    bare = rewrite_flag(text, 0, {"key": "a"}, environment=None, remarks=())
    assert bare == text.replace(f"# read-only:{line_end}", "").replace(f"# read-only: x{line_end}", "").replace(
        f"# read-only: old{line_end}", ""
    )


SAID = "# f\nkey: f\nenabled: true # on\ntags: [a]\n---\nkey: g\ntags: [b]\nenabled: true\n"


@pytest.mark.parametrize(
    ("defaults", "left"),
    [
        ([], SAID),
        ([{}], SAID),
        ([{"enabled": True}, {}], SAID),
        ([{"enabled": True}, {"enabled": False}], SAID),
        ([{"enabled": True, "tags": ["x"]}, {"enabled": True}],
         "# f\nkey: f\n# on\ntags: [a]\n---\nkey: g\ntags: [b]\n"),
        ([{"tags": ["b"]}], "# f\nkey: f\nenabled: true # on\ntags: [a]\n---\nkey: g\nenabled: true\n"),
    ],
)  # fmt: skip
def test_what_the_defaults_of_every_environment_say_is_left_out(defaults: list[dict[str, Any]], left: str) -> None:
    """In each document of a file; comments stay."""
    assert leave_out_defaults(SAID, defaults) == left


def test_an_overlay_repeats_no_defaults() -> None:
    """They lie below it as they lie below what the document says."""
    text = "key: f\nenabled: true\n"
    wanted, defaults = {"key": "f", "enabled": False}, {"tags": ["x"], "rolloutPercentage": 5}
    assert rewrite_flag(text, 0, wanted, environment="prod", defaults=defaults) == (
        "key: f\nenabled: true\nenvironments:\n  prod: {enabled: false}\n"
    )


def test_an_overlay_that_says_nothing_stays() -> None:
    """None is written that would say nothing."""
    text = "key: f\nenvironments:\n  prod: {}\n"
    for environment in ("prod", "test"):
        assert rewrite_flag(text, 0, {"key": "f"}, environment=environment) == text


def test_an_overlay_may_put_anything_in_the_place_of_a_mapping() -> None:
    """It replaces it as a whole."""
    text = "key: f\nrolloutWeights: {a: 1}\n"
    assert rewrite_flag(text, 0, {"key": "f", "rolloutWeights": 5}, environment="prod") == (
        f"{text}environments:\n  prod: {{rolloutWeights: 5}}\n"
    )


def test_an_overlay_is_written_beside_what_says_where_a_flag_is() -> None:
    """That stays."""
    text = "key: f\nonlyIn: [prod]\nenabled: true\n"
    assert rewrite_flag(text, 0, {"key": "f", "enabled": False}, environment="prod") == (
        f"{text}environments:\n  prod: {{enabled: false}}\n"
    )


@pytest.mark.parametrize("index", [0, 1, 2])
def test_remarks_are_those_of_one_document(index: int) -> None:
    """The others keep theirs."""
    documents = [f"# read-only: old {number}\nkey: f{number}\n" for number in range(3)]
    changed = rewrite_flag(
        "---\n".join(documents), index, {"key": f"f{index}"}, environment=None, remarks=["new", ""]
    )
    documents[index] = f"# read-only: new\n# read-only:\nkey: f{index}\n"
    assert changed == "---\n".join(documents)


def test_an_empty_key_is_one() -> None:
    """It is no key of a flag, and is written as it is read."""
    assert rewrite_document('key: f\n"": 1\nz: 2\n', 0, {"key": "f", "": 3, "z": 2}) == 'key: f\n"": 3\nz: 2\n'
