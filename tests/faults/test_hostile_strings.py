"""250 hostile strings in every field that others write, through every command and form: none of them does anything.

Each form is read by a parser that is not ours: of HTML, of Markdown, of a build log's runner, and of terminals.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import html5lib
import pytest
from emulators import a_live_flag
from fault_injection import Respond
from faults.checkouts import a_checkout
from faults.hostile_strings import HOSTILE
from faults.scenarios import Scenario
from markdown_it import MarkdownIt
from runner_commands import commands_in

from reconciler.cli.main import run
from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.reports.findings import FindingsReport
from reconciler.reports.registry import FINDINGS, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PLACES, BATCH = 5, 50
BATCHES = [HOSTILE[start : start + BATCH] for start in range(0, len(HOSTILE), BATCH)]
"""Every text in one place of a flag; the long form puts each into every place."""

EVERYWHERE = [tuple(text for text in batch for _ in range(PLACES)) for batch in BATCHES]
HARMLESS = tuple(f"word {number}" for number in range(BATCH))
COMMANDS = {
    "text": (
        ("plan", "--show-users"), ("plan", "--verbose"), ("drift",), ("history", "flag-0"),
        ("evaluate", "flag-0", "--user-id", "ada"), ("apply", "--auto-approve", "--verbose"),
    ),
    "json": (
        ("plan", "--format", "json"), ("drift", "--format", "json"), ("history", "flag-0", "--format", "json"),
        ("evaluate", "flag-0", "--user-id", "ada", "--format", "json"),
        ("apply", "--auto-approve", "--format", "json"),
    ),
    "markdown": (
        ("plan", "--format", "markdown", "--show-users"), ("drift", "--format", "markdown"),
        ("apply", "--auto-approve", "--format", "markdown"),
    ),
    "html": (
        ("plan", "--format", "html", "--show-users"), ("drift", "--format", "html"),
        ("apply", "--auto-approve", "--format", "html"),
    ),
}  # fmt: skip
MARKDOWN = MarkdownIt("gfm-like", {"html": True})
assert MARKDOWN.linkify is not None
# As GitHub links bare addresses: with a scheme or www., not every word with a dot in it.
MARKDOWN.linkify.set({"fuzzy_link": False}).add("www.", {"validate": re.compile(r"^[\w.-]+")})
REFERENCE = re.compile(r"(?<![\w`])[@#](?=\w)|\bGH-\d")


def live_flag(number: int, texts: Sequence[str]) -> dict[str, Any]:
    """A flag in which a colleague has put texts everywhere that the API lets them: one for each of five places."""
    name, description, variant, payload, segment = texts
    condition = {"type": "property", "prop": segment, "op": "is", "values": [segment]}
    return a_live_flag(
        f"flag-{number}",
        name=name,
        description=description,
        variants=[
            {
                "key": "control",
                "name": variant,
                "description": variant,
                "payload": {payload: [payload]},
                "users": [payload],
            },
            {"key": "treatment"},
        ],
        targetSegments=[
            {"name": segment, "conditions": [condition], "percentage": 50, "rolloutWeights": {"control": 1}}
        ],
        tags=[variant],
        createdBy=name,
        lastModifiedBy=description,
    )


def spec(number: int) -> FlagSpec:
    """The same flag as its file wants it: all of that otherwise."""
    return FlagSpec(
        key=f"flag-{number}",
        name="Name",
        description="Words",
        variants=(
            Variant(key="control", name="Control", description="", payload={"k": 1}, users=("ada",)),
            Variant(key="treatment"),
        ),
        target_segments=(
            TargetSegment(
                name="Beta",
                conditions=(Condition(prop="country", op="is", values=("US",)),),
                percentage=100,
                rollout_weights=Weights.of({"control": 1}),
            ),
        ),
        tags=("t",),
    )


def a_scenario(texts: Sequence[str]) -> Scenario:
    """A flag for every five texts."""
    fives = [texts[start : start + PLACES] for start in range(0, len(texts), PLACES)]
    return Scenario(
        name="hostile",
        live=tuple(live_flag(number, five) for number, five in enumerate(fives)),
        specs=tuple(spec(number) for number in range(len(fives))),
    )


@dataclass(frozen=True)
class Said:
    """What a command wrote."""

    command: tuple[str, ...]
    out: str
    err: str


def say(
    root: Path,
    texts: Sequence[str],
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Said]:
    """What the commands of a form say of a project with these texts, whose server quotes them in refusals too."""
    with a_checkout(root, a_scenario(texts)) as checkout, monkeypatch.context() as patch:
        patch.chdir(root)
        for name in ("RECONCILER_API_URL", "AMPLITUDE_MANAGEMENT_API_KEY"):
            patch.setenv(name, checkout.environ[name])
        for flag_id, flag in list(checkout.world.emulator.store.flags.items()):
            checkout.world.emulator.edit_as(texts[0], "PATCH", f"/flags/{flag_id}", {"name": flag["name"]})
        refusals = [Respond(status=400, body=text.encode()) for text in texts]
        checkout.network.plan = lambda arrival: (
            refusals[arrival.number % len(refusals)] if arrival.method != "GET" else None
        )
        for command in COMMANDS[form]:
            capsys.readouterr()
            options = checkout.options if command[0] in {"plan", "apply"} else []
            code = run([*command, *options])
            out, err = capsys.readouterr()
            assert code in {0, 1, 2, 5, 7}, err
            yield Said(command, out, err)


def is_shown(text: str) -> bool:
    """Whether every character has a shape, line feeds excepted: nothing reaches the terminal as a control."""
    return not {unicodedata.category(item) for item in {*text} - {"\n"}} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture
def sayings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: Any) -> Any:
    """Asks the commands of a form, and sees that what goes to stderr does nothing either."""

    def asked(texts: Sequence[str], form: str) -> list[Said]:
        found = list(say(tmp_path, texts, form, monkeypatch, capsys))
        for said in found:
            assert is_shown(said.err), said.command
            assert commands_in(said.err) == [], said.command
        count(f"strings as {form}", len(set(texts)))
        return found

    return asked


in_batches = pytest.mark.parametrize(
    "texts",
    [
        *(pytest.param(batch, id=f"{number}") for number, batch in enumerate(BATCHES)),
        *(
            pytest.param(batch, id=f"{number} everywhere", marks=pytest.mark.long)
            for number, batch in enumerate(EVERYWHERE)
        ),
    ],
)


@in_batches
def test_text(texts: Sequence[str], sayings: Any) -> None:
    """A terminal gets no control character, a runner no command."""
    for said in sayings(texts, "text"):
        assert is_shown(said.out), said.command
        assert commands_in(said.out) == [], said.command


@in_batches
def test_json(texts: Sequence[str], sayings: Any) -> None:
    """The document holds the very strings, and its text no command."""
    for said in sayings(texts, "json"):
        document = json.loads(said.out)
        assert commands_in(said.out) == [], said.command
        assert said.out.isascii(), said.command
        if said.command[0] == "plan":
            changes = [change for flag in document["flags"] for change in flag["changes"]]
            found = {change["before"] for change in changes if change["path"] == "/description"}
            assert found <= set(texts)
            assert found


@in_batches
def test_markdown(texts: Sequence[str], sayings: Any, tmp_path_factory: Any, monkeypatch: Any, capsys: Any) -> None:
    """A renderer finds no link, image, mention, reference or element that harmless words would not have made."""
    usual = _usual("markdown", tmp_path_factory, monkeypatch, capsys)
    for said in sayings(texts, "markdown"):
        assert is_shown(said.out), said.command
        assert commands_in(said.out) == [], said.command
        kinds, markup, words = _markdown(said.out)
        assert not kinds & {"link", "image", "s", "hr_open", "footnote_ref"}, said.command
        expected_kinds, expected_markup, _ = _markdown(usual[said.command])
        assert kinds <= expected_kinds | {"code_inline", "fence", "softbreak", "text_special", "entity"}, said.command
        assert markup <= expected_markup, markup - expected_markup
        assert not [word for word in words if REFERENCE.search(word)], said.command


@in_batches
def test_html(texts: Sequence[str], sayings: Any, tmp_path_factory: Any, monkeypatch: Any, capsys: Any) -> None:
    """A parser finds no element and no attribute that harmless words would not have made, and no address."""
    usual = _usual("html", tmp_path_factory, monkeypatch, capsys)
    for said in sayings(texts, "html"):
        assert is_shown(said.out), said.command
        assert commands_in(said.out) == [], said.command
        found, expected = _elements(said.out), _elements(usual[said.command])
        assert {name for name, _, _ in found} <= {name for name, _, _ in expected}, said.command
        assert {pair[:2] for pair in found} <= {pair[:2] for pair in expected}, said.command
        for name in ("script", "style", "meta", "link", "base", "form", "iframe", "img"):
            assert _values(found, name) == _values(expected, name), name
        for attribute in ("href", "src", "action", "style"):
            values = {value for _, other, value in found if other == attribute}
            assert all(value.startswith("#") or attribute == "style" for value in values), values


def test_findings() -> None:
    """Findings about hostile files: an annotation is one command whose words are the data, other forms none."""
    for text in HOSTILE:
        finding = Diagnostic(
            severity=Severity.ERROR,
            rule="unknown-variant",
            message=text,
            position=SourcePosition(file=f"flags/{text}.yaml", line=3, column=5),
            path=f"/{text}",
            hint=text,
        )
        report = FindingsReport(findings=[finding])
        shown = render(FINDINGS, "text", report)
        assert is_shown(shown)
        assert commands_in(shown) == []
        (command,) = commands_in(render(FINDINGS, "github", report))
        assert (command.name, command.properties["line"]) == ("error", "3")
        assert is_shown(command.data)
        assert commands_in(render(FINDINGS, "sarif", report)) == []


def test_the_parsers_see_what_they_look_for() -> None:
    """The oracles can fail: each finds what it is for in a text that is not made safe."""
    assert commands_in("a\r::error::b\nx##[group]y") != []
    assert not is_shown("\x1b[31m")
    kinds, markup, words = _markdown("[x](https://evil.example.com) ![i](i.png) <b>@ada\n")
    assert {"link", "image"} <= kinds
    assert markup
    assert [word for word in words if REFERENCE.search(word)]
    for address in ("https://evil.example.com", "www.evil.example.com", "ada@example.com"):
        assert "link" in _markdown(f"see {address} here\n")[0]
    assert ("script", "", "") in _elements("<script>1</script>")


_USUAL: dict[str, dict[tuple[str, ...], str]] = {}


def _usual(form: str, tmp_path_factory: Any, monkeypatch: Any, capsys: Any) -> dict[tuple[str, ...], str]:
    """What the same commands say of a project full of harmless words."""
    if form not in _USUAL:
        root = tmp_path_factory.mktemp("harmless")
        _USUAL[form] = {said.command: said.out for said in say(root, HARMLESS, form, monkeypatch, capsys)}
    return _USUAL[form]


def _markdown(page: str) -> tuple[set[str], set[str], list[str]]:
    """The kinds of tokens on a page, its raw HTML without what comments hold, and the words outside of code."""
    tokens = MARKDOWN.parse(page)
    every = [*tokens, *(child for token in tokens for child in token.children or ())]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in every}
    markup = {
        name
        for token in every
        if token.type.startswith("html")
        for name in re.findall(r"<[/!]?[\w-]+", token.content)
    }
    return kinds, markup, [token.content for token in every if token.type == "text"]


@cache
def _elements(page: str) -> tuple[tuple[str, str, str], ...]:
    """Every element with each of its attributes, as a browser would build them."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    found = []
    for element in tree.iter():
        if isinstance(element.tag, str):
            found.append((element.tag, "", ""))
            found += [(element.tag, str(name), value) for name, value in element.attrib.items()]
    return tuple(found)


def _values(found: tuple[tuple[str, str, str], ...], element: str) -> list[tuple[str, str]]:
    return sorted((attribute, value) for name, attribute, value in found if name == element)
