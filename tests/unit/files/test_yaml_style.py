"""The one style of flag files."""

from __future__ import annotations

import pytest

from reconciler.errors import InvalidInputError, ReconcilerError
from reconciler.files import format as format_module
from reconciler.files.format import check_format, flag_to_yaml, format_text
from reconciler.files.yaml.style import write_documents
from reconciler.files.yaml.tree import read_tree

CANONICAL = """\
# yaml-language-server: $schema=../schemas/flag.schema.json
key: new-checkout  # required
name: New checkout
description: |
  One-page checkout

  for everyone
enabled: true
rolloutPercentage: 25
rolloutWeights: {control: 1, "on": 1}
variants:
  - key: control
    payload: {layout: classic, steps: [1, 2]}
  - key: "on"
    renamedFrom: variant-b
    inclusions:
      users: [ada@example.com, "00123"]
      cohorts: [abc123]

targetSegments:
  # staff first
  - name: Beta
    conditions:
      - {prop: country, op: is, values: [US, CA]}
      - {prop: "gp:plan", op: is not, values: [free]}
    percentage: 100
    bucketingKey: amplitude_id
    rolloutWeights: {"on": 1}
  - name: Everyone
    conditions: []
    everyone: true
    percentage: 0
    rolloutWeights: {control: 1}
deployments: [web, "67890"]
tags: []
owner: team-checkout
links:
  - https://example.com/a-page-with-a-long-name/and-a-long-path/that-goes-on-and-on-and-on/for-a-while
  - https://example.com/b
environments:
  staging: {rolloutPercentage: 100}
"""


def test_the_style_stays_as_it_is() -> None:
    """A file in the style is not changed by formatting it."""
    assert format_text(CANONICAL, "flag.yaml") == CANONICAL


def test_any_order_and_style_becomes_the_one() -> None:
    """Keys are put in order, quotes and brackets made even, CRLF becomes LF."""
    text = (
        '"variants":\r\n- {"payload": {"layout": "classic"},   key: \'control\'}\r\n'
        "enabled:    true\r\nrolloutWeights:\r\n    control: 1\r\nkey: a-flag\r\n"
    )
    assert format_text(text, "flag.yaml") == (
        "key: a-flag\nenabled: true\nrolloutWeights: {control: 1}\n"
        "variants:\n  - key: control\n    payload: {layout: classic}\n"
    )


def test_comments_go_where_their_field_goes() -> None:
    """What stands above or beside a field moves with it; the modeline and a detached header stay on top."""
    text = (
        "# yaml-language-server: $schema=x\n# header\n\n# about it\nenabled: true # on\n"
        "variants:\n  # first\n  - key: a # a\n    # payload: soon\n# about key\nkey: flag\n# end\n"
    )
    assert format_text(text, "flag.yaml") == (
        "# yaml-language-server: $schema=x\n# header\n\n# about key\nkey: flag\n# about it\nenabled: true  # on\n"
        "variants:\n  # first\n  - key: a  # a\n    # payload: soon\n# end\n"
    )


def test_a_comment_inside_brackets_makes_them_lines() -> None:
    """A collection with a comment inside cannot stand on one line."""
    text = "key: flag\ntags: [a, # first\n  b]\n"
    assert format_text(text, "flag.yaml") == "key: flag\ntags:\n  - a  # first\n  - b\n"


def test_a_comment_behind_an_opening_bracket_belongs_to_its_collection() -> None:
    """And not to what stands before it in a list."""
    text = "key: f\npayload:\n  - [1] # one\n  - [ # two\n      2]\n  - { # three\n      a: 1}\n"
    lines = ["key: f", "payload:", "  - [1]  # one", "  - [2]  # two", "  - {a: 1}  # three"]
    assert write_documents(read_tree(text)) == "\n".join([*lines, ""])


@pytest.mark.parametrize(
    ("payload", "written"),
    [
        ({"a": "x" * 82}, f" {{a: {'x' * 82}}}\n"),
        ({"a": "x" * 83}, f"\n      a: {'x' * 83}\n"),
        ({"a": [[]]}, " {a: [[]]}\n"),
        ({"a": [[1]]}, "\n      a: [[1]]\n"),
        ({"a": [[[1]]]}, "\n      a:\n        - [[1]]\n"),
    ],
)
def test_what_stands_between_brackets(payload: object, written: str) -> None:
    """What ends in column 100 at most, and has no more than two levels that hold something."""
    text = flag_to_yaml({"key": "flag", "variants": [{"key": "a", "payload": payload}]})
    assert text == f"key: flag\nvariants:\n  - key: a\n    payload:{written}"
    assert format_text(text, "flag.yaml") == text


def test_comments_on_lines_of_their_own_stay_where_they_are_in_brackets() -> None:
    """Above the item that follows, or at the end; what follows a document in brackets goes to its head."""
    text = "key: flag\ntags: [\n  # first\n  a, b\n  # end\n  ]\n"
    assert format_text(text, "flag.yaml") == "key: flag\ntags:\n  # first\n  - a\n  - b\n  # end\n"
    assert format_text("{key: flag}\n# end\n", "flag.yaml") == "# end\nkey: flag\n"


def test_no_line_ends_in_blanks() -> None:
    """Those behind a comment go."""
    text = "key: flag # c \t\n# all  \nenabled: true  \n"
    assert format_text(text, "flag.yaml") == "key: flag  # c\n# all\nenabled: true\n"


def test_a_key_with_a_colon_is_quoted() -> None:
    """A value with one is not, where it means the same without."""
    text = "key: flag\nvariants:\n  - key: on\n    payload: {'a:b': 'c:d'}\n"
    assert '{"a:b": "c:d"}' in format_text(text, "flag.yaml")
    text = "key: flag\nname: 'c:d'\nvariants:\n  - key: on\n    payload:\n      'a:b': # e\n        c\n"
    assert "name: c:d\n" in format_text(text, "flag.yaml")
    assert '      "a:b":' in format_text(text, "flag.yaml")


def test_documents_stay_apart() -> None:
    """Several documents are separated by one `---` each; comments stay on their side of it."""
    text = "---\nkey: a\n# end of a\n...\n---\n# start of b\nname: B\nkey: b\n"
    assert format_text(text, "flag.yaml") == "key: a\n# end of a\n---\n# start of b\nkey: b\nname: B\n"


def test_blank_lines_group_and_never_pile_up() -> None:
    """One blank line stays one, several become one, none is left at the ends of a block."""
    text = "\n\nkey: a\n\n\n\nenabled: true\nvariants:\n\n  - key: x\n\n  - key: z\n\n\n"
    assert format_text(text, "flag.yaml") == "key: a\n\nenabled: true\nvariants:\n  - key: x\n\n  - key: z\n"


@pytest.mark.parametrize("rest", ["name: N\n", "", "enabled: true\n"])
@pytest.mark.parametrize("blanks", ["\n", "\n\n\n"])
def test_blank_lines_before_a_closing_bracket_go(blanks: str, rest: str) -> None:
    """They mean nothing there; a comment there stays, with one blank line before it at most."""
    assert format_text(f"key: a\ntags: [x,\n{blanks}]\n", "flag.yaml") == "key: a\ntags: [x]\n"
    formatted = format_text(f"key: a\ntags: [x,\n{blanks}  # more\n{blanks}  ]\n{rest}", "flag.yaml")
    assert "tags:\n  - x\n\n  # more\n" in formatted
    assert "# more\n\n" not in formatted


def test_block_scalars_stay_as_they_were_written() -> None:
    """Folded and literal text keeps its header and its lines, at the style's indentation."""
    text = "key: a\nnotes: >-  # why\n      Some words\n      go on\n\n      here\nname: Name\n"
    assert format_text(text, "flag.yaml") == (
        "key: a\nname: Name\nnotes: >-  # why\n  Some words\n  go on\n\n  here\n"
    )
    text = "key: a\n\ndescription: |\n  one\n\n  two\n\nenabled: true\n"
    assert format_text(text, "flag.yaml") == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("key: a\nkey: b\n", "duplicate-key"),
        ("key: [a\n", "yaml-syntax"),
        ("- a\n", "wrong-type"),
        ("key: a\nunknown: 1\n", "unknown-field"),
        ("key: &x a\n", "yaml-anchor"),
        ("key: a\nenabled: .nan\n", "non-finite-number"),
    ],
)
def test_what_is_no_flag_file_is_not_formatted(text: str, rule: str) -> None:
    """Files that the strict reader or the schema refuse give findings, with file and line."""
    (finding,) = check_format(text.encode(), "flags/a.yaml")
    assert finding.rule == rule
    assert finding.position
    assert finding.position.file == "flags/a.yaml"


def test_formatting_refused_yaml_raises_its_findings() -> None:
    """Formatting without checking first gives the findings as an error."""
    with pytest.raises(InvalidInputError) as caught:
        format_text("key: a\nkey: b\n", "a.yaml")
    assert [item.rule for item in caught.value.diagnostics] == ["duplicate-key"]


def test_remarks_stand_on_top() -> None:
    """The lines that an import adds are comments above the first key."""
    assert flag_to_yaml({"key": "a"}, ("one", "two")) == "# read-only: one\n# read-only: two\nkey: a\n"
    assert flag_to_yaml({"key": "a"}, (" x ", "")) == "# read-only:  x\n# read-only:\nkey: a\n"


PAIR = "name:   A\nkey: a # one\n---\nname:   B\nkey: b # two\n"
PAIR_IN_STYLE = "key: a  # one\nname: A\n---\nkey: b  # two\nname: B\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [("name: A", "name: C"), ("name: B", "name: C"), ("# one", "# oneself"), ("  # two", ""),
     ("---\nkey: b  # two\nname: B\n", "# two\n"), ("name: A\n", "name: A\n# one\n")],
)  # fmt: skip
def test_a_text_that_would_lose_anything_is_not_given_out(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    """A value, a comment or a whole document: the file is left as it is."""
    assert format_text(PAIR, "flag.yaml") == PAIR_IN_STYLE
    assert old in PAIR_IN_STYLE
    monkeypatch.setattr(format_module, "write_documents", lambda _: PAIR_IN_STYLE.replace(old, new))
    with pytest.raises(ReconcilerError, match=r"flag\.yaml cannot be formatted and was left as it is"):
        format_text(PAIR, "flag.yaml")
