"""Strings that a user may put into a flag so that a report does something: 250 of them, always the same."""

from __future__ import annotations

from itertools import product

_ELEMENTS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg/onload=alert(1)>',
    "'onmouseover='alert(1)", "</style><b>", "</script><b>", "</title><b>", "<!--", "-->", "]]>",
    "<![CDATA[<b>]]>", "<a href=javascript:alert(1)>x</a>", "<iframe src=//evil.example.com>", "<details open>",
    "<form action=//evil.example.com>", "<base href=//evil.example.com>", "<meta http-equiv=refresh content=0>",
    "&lt;b&gt;", "&#60;b&#62;", "<b", "<plaintext>", "<textarea>", "<table><tr><td>", "{{7*7}}", "{% raw %}",
    "${{ secrets.KEY }}", "{{ ''.__class__ }}", "javascript:alert(1)", "data:text/html,<b>",
)  # fmt: skip
_MARKDOWN = (
    "[x](https://evil.example.com)", "![x](https://evil.example.com/x.png)", "<https://evil.example.com>",
    "[x][y]", "https://evil.example.com", "www.evil.example.com", "@everyone", "@octocat", "@org/team", "#1",
    "GH-1", "org/repo#1", "a@example.com", "| a | b |", "|---|---|", "```", "````", "~~~", "`", "``",
    "# heading", "- [ ] task", "1. list", "> quote", "***", "---", "===", "**bold**", "_em_", "~~gone~~",
    "[^1]", "[^1]: note", "[y]: https://evil.example.com", ":smile:", "\\", "\\`", "a\\|b", "    code",
    "!import", "&copy;", "<br>", "$$x$$", "$`x`$", "- - -", "+ x", "* x",
)  # fmt: skip
_COMMANDS = (
    "::add-mask::e", "::error file=a::b", "::stop-commands::x", "::set-output name=a::b", "::group::g",
    " ::warning::w", "\t::debug::d", "##[error]x", "##[add-mask]e", "x##[group]y",
    "##vso[task.setvariable variable=a]b", "%0A::error::x", "a\n::error::x", "a\r::error::x", "a\r\n::error::x",
    "a\x0b::error::x", "a\u2028::error::x", "a\x85::error::x", "::save-state name=a::b",
    "::save-state name=a::b\n",
)  # fmt: skip
_CONTROLS = (
    "\x1b[31mred", "\x1b[2J", "\x1b]8;;https://evil.example.com\x07x\x1b]8;;\x07", "\x1b]0;title\x07",
    "\x9b31m", "\x07", "\x08\x08\x08", "\rover", "\x00", "\x7f", "\x85", "\u202eright", "\u2066iso\u2069",
    "\u200b", "\u200f", "\u2060", "\ufeff", "\u2028", "\u2029", "\U000e0041", "\u00ad", "\u3164", "\ufe0f",
    "\x1bP1$r\x1b\\", "\x1b[6n", "\x0c", "\x0b", "\t", "\n\n\n", "a\u0301" * 30, "\U0001f468\u200d\U0001f469",
    "=1+1", "+1", "@SUM(A1)", "-2+3", "%s%n", "$(id)", "`id`", "; rm -rf /",
)  # fmt: skip
_AROUND = ("x{}", "x\n{}", "{}\nx", "{}{}")

_PLAIN = [*_ELEMENTS, *_MARKDOWN, *_COMMANDS, *_CONTROLS]
_DRESSED = [dress.replace("{}", text) for dress, text in product(_AROUND, _PLAIN)]
HOSTILE = tuple(dict.fromkeys([*_PLAIN, *_DRESSED[:: len(_DRESSED) // 160 or 1]]))[:250]
