"""Untrusted text does nothing in a terminal, a build log, or Markdown."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from small_plans import HOSTILE

from reconciler.reports.sanitize import (
    code_block,
    code_span,
    command_text,
    defuse,
    for_log,
    json_for_log,
    markdown_text,
    marker,
    uri_reference,
    visible,
    visible_lines,
)

# Like GitHub's: tables, strikethrough and bare links are on, raw HTML passes.
MARKDOWN = MarkdownIt("js-default", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
ANYTHING = st.text(max_size=60) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本 ✓", "plain ünï 日本 ✓"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),
        ("\u202e\u2066\u200b\ufeff\u2028", "\\u202e\\u2066\\u200b\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164\u00ad", "\\u3164\\xad"),
        ("a\u2800\u115f\u1160\uffa0\U0001d159", "a\\u2800\\u115f\\u1160\\uffa0\\U0001d159"),
        ('"\u0301\u0302x"', '"\\u0301\\u0302x"'),
        ("\u20dd", "\\u20dd"),
        ("\u0301x", "\\u0301x"),
        ("a \u0308", "a \\u0308"),
        ("\u200b\u0308", "\\u200b\\u0308"),
        ("x\u0301\u0302 \u0928\u093f", "x\u0301\u0302 \u0928\u093f"),
        ('"\u00a0"', '"\\xa0"'),
        ("\u3000", "\\u3000"),
        ("50\u00a0%, \u65e5\u3000\u672c", "50\u00a0%, \u65e5\u3000\u672c"),
    ],
)
def test_what_has_no_shape_becomes_an_escape(text: str, shown: str) -> None:
    """Controls, bidi, zero-width and filler characters are shown, everything else stays as it is."""
    assert visible(text) == shown


@given(ANYTHING)
def test_visible_text_holds_no_control_or_format_character(text: str) -> None:
    """With any text, what is left is one line without controls, format characters or surrogates."""
    assert not {unicodedata.category(char) for char in visible(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_visible_lines_keep_line_feeds_only() -> None:
    """Several lines stay several lines; other controls do not survive."""
    assert visible_lines("a\r\nb\x1b") == "a\\r\nb\\x1b"


@pytest.mark.parametrize(
    "text", [*HOSTILE, "  ::error::x", "\t::x", "a ##[group]b", "##vso[task]", "ok\n::stop-commands::x"]
)
def test_no_line_is_a_command_to_a_runner(text: str) -> None:
    """A port of the runner's parser finds no command in what is shown."""
    assert not list(runner_commands(for_log(text)))


@given(ANYTHING, ANYTHING)
def test_no_text_makes_a_command(first: str, second: str) -> None:
    """However texts are joined into lines, defusing the result leaves no command."""
    assert not list(runner_commands(defuse(visible(first) + "\n" + visible(second))))


def runner_commands(log: str) -> list[str]:
    """The lines that a GitHub or Azure runner would obey: `::` first after blanks, `##[` or `##vso[` anywhere."""
    return [line for line in log.splitlines() if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line]


@given(st.recursive(ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner), max_leaves=5))
def test_json_means_the_same_and_commands_nothing(value: object) -> None:
    """The markers are broken by escapes that a JSON reader undoes."""
    text = json_for_log(json.dumps(value, indent=1))
    assert json.loads(text) == json.loads(json.dumps(value))
    assert not runner_commands(text)
    assert text.isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_makes_nothing_of_hostile_text(text: str) -> None:
    """As prose, as a span, in a table and in a block, a Markdown parser finds text and code and nothing else."""
    page = "\n\n".join(
        [
            f"- {markdown_text(text)}",
            f"before {code_span(text)} after",
            f"| a | b |\n|---|---|\n| {code_span(text, in_table=True)} | end |",
            code_block(text),
        ]
    )
    assert kinds_of(page) <= HARMLESS


@given(ANYTHING)
def test_a_code_span_shows_exactly_the_text(text: str) -> None:
    """Nothing is lost and nothing is read as syntax, in a table and outside of one."""
    shown = visible(text) or " "
    expected = shown if shown.strip() else shown + "  "
    for page in (f"x {code_span(text)}", f"| a |\n|---|\n| {code_span(text, in_table=True)} |"):
        spans = [token.content for token in _inline(page) if token.type == "code_inline"]
        assert spans == [shown] or [span.strip() for span in spans] == [expected.strip()]


@given(ANYTHING)
def test_prose_is_shown_exactly(text: str) -> None:
    """Entities and code spans of single signs add up to the text again."""
    parts = [
        token.content
        for token in _inline("x" + markdown_text(text))
        if token.type in {"text", "code_inline", "text_special"}
    ]
    assert "".join(parts).split() == ("x" + visible(text)).split()


@pytest.mark.parametrize("sign", ["@team", "#12", "!12", "~label", "%milestone", "&epic", "$snippet", "GH-12"])
def test_mentions_and_references_are_broken(sign: str) -> None:
    """The sign that makes a mention or a reference does not stand in the same text as what it points to."""
    texts = [token.content for token in _inline(f"see {markdown_text(sign)}") if token.type == "text"]
    assert not any(sign in text for text in texts)


HARMLESS = {
    "paragraph", "inline", "text", "text_special", "code_inline", "fence", "bullet_list", "list_item",
    "table", "thead", "tbody", "tr", "th", "td", "softbreak",
}  # fmt: skip


def kinds_of(page: str) -> set[str]:
    """The kinds of everything that a Markdown parser finds on a page."""
    tokens = MARKDOWN.parse(page)
    inner = [child for token in tokens for child in token.children or ()]
    return {token.type.removesuffix("_open").removesuffix("_close") for token in [*tokens, *inner]}


def _inline(page: str) -> list:
    return [child for token in MARKDOWN.parse(page) for child in token.children or ()]


def test_every_format_character_that_there_is_becomes_an_escape() -> None:
    """The list of invisible characters leaves out none that Unicode calls control, format or surrogate."""
    shown = [
        chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]
    assert [char for char in shown if visible(char) == char] == []


@pytest.mark.parametrize(
    ("text", "span", "in_table"),
    [
        ("a", "`a`", "`a`"),
        ("", "`   `", "`   `"),
        ("  ", "`    `", "`    `"),
        (" a", "`  a `", "`  a `"),
        ("a ", "` a  `", "` a  `"),
        ("`a", "`` `a ``", "`` `a ``"),
        ("a`", "`` a` ``", "`` a` ``"),
        ("a`b``c", "```a`b``c```", "```a`b``c```"),
        ("a|b", "`a|b`", "`a\\|b`"),
    ],
)
def test_spans_to_the_letter(text: str, span: str, in_table: str) -> None:
    """A fence longer than any inside, and blanks where a parser would take some away."""
    assert (code_span(text), code_span(text, in_table=True)) == (span, in_table)


def test_blocks_to_the_letter() -> None:
    """A fence of three at least, and longer than any inside."""
    assert code_block("a\n``b") == "```\na\n``b\n```"
    assert code_block("a```b", "json") == "````json\na```b\n````"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a *b* [c](d) <e>", "a &#42;b&#42; &#91;c&#93;(d) &#60;e&#62;"),
        ("see @me, #1 and GH-2", "see `@`me, `#`1 and GH`-`2"),
        ("a#b # !", "a`#`b # !"),
        ("#(x) a#(x)", "&#35;(x) a#(x)"),
        ("http://www.example.com 12:30 a: b", "http&#58;//www&#46;example.com 12&#58;30 a: b"),
        ("WWW.x awww.x", "WWW&#46;x awww.x"),
    ],
)
def test_prose_to_the_letter(text: str, shown: str) -> None:
    """Entities for signs of Markdown, code for those of mentions; others stay."""
    assert markdown_text(text) == shown


def test_text_for_runners_to_the_letter() -> None:
    """Escapes of commands, of references and of markers."""
    assert command_text("a%b:c,d##[e") == "a%25b:c,d# #[e"
    assert command_text("a%b:c,d", property_value=True) == "a%25b%3Ac%2Cd"
    assert uri_reference("a b/ü\udce9") == "a%20b/%C3%BC%E9"
    assert uri_reference("\ud800") == "%5Cud800"
    assert marker("-a b--c.d>") == "<!-- reconciler:a-b-c.d -->"
    assert defuse(" ::a\n##vso[b ##[c :d") == " : :a\n# #vso[b # #[c :d"
    assert json_for_log('"##[a ##vso[b ##c"') == '"#\\u0023[a #\\u0023vso[b ##c"'
